"""Files and directories that no other user of the machine may change."""

import contextlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from loopin_mcp.errors import ConfigurationError

if sys.platform != "win32":
    import fcntl
    import grp
    import pwd

# Rights of other users.
WRITE = 0o022
OTHERS_WRITE = 0o002
ANY = 0o077
_READ = 0o044
_GROUP = 0o070

_ELSEWHERE = "name another place by LOOPIN_DATA_DIR or DATABASE_URL"


def make_private_directory(path: Path) -> None:
    """Create a directory and its parents, only for this user; existing ones stay as they are."""
    for missing in (*reversed(path.parents), path):
        missing.mkdir(mode=0o700, exist_ok=True)


def refuse_open_directory(path: Path) -> None:
    """Refuse a directory that another user may change, or replace by another one.

    Raises:
        ConfigurationError: The message names the directory or its parent, and the remedy.
    """
    if sys.platform == "win32":
        return
    for place in _ways_to(path):
        found = place.stat()
        is_parent = not place.samefile(path)
        for owned in (place.lstat(), found):
            _refuse_foreign_owner(place, owned, is_parent=is_parent)
        is_private = has_private_group(found) and (is_parent or bool(found.st_mode & stat.S_ISGID))
        # In a parent such as /tmp, others can only replace what is theirs.
        if not (is_parent and found.st_mode & stat.S_ISVTX):
            _refuse_rights(place, found, WRITE, is_private=is_private)


def refuse_open_file(path: Path, rights: int = WRITE, remedy: str | None = None) -> None:
    """Refuse a file on which other users have one of these rights; a missing one is private.

    Kubernetes gives the group of a volume (fsGroup) rights to all files, and marks its directories:
    that group is no other user.

    Raises:
        ConfigurationError: The message names the file, what is wrong, and the remedy.
    """
    if sys.platform == "win32":
        return
    with contextlib.suppress(FileNotFoundError):
        found, directory = path.stat(), path.resolve().parent.stat()
        _refuse_foreign_owner(path, found, remedy)
        is_of_volume = bool(directory.st_mode & stat.S_ISGID) and directory.st_gid == found.st_gid
        is_private = is_of_volume and has_private_group(found)
        _refuse_rights(path, found, rights, remedy, is_private=is_private)


def has_private_group(found: os.stat_result) -> bool:
    """Whether nobody but this user and root is in the group of a file.

    A group with this user's name counts, and one that has no name, as the fsGroup of a pod.
    """
    gid, uid = found.st_gid, os.geteuid()
    try:
        group = grp.getgrgid(gid)
    except KeyError:
        return gid in (os.getegid(), *os.getgroups())
    others = {account.pw_name for account in pwd.getpwall() if account.pw_gid == gid}
    return gid == 0 or {group.gr_name} == {*others, *group.gr_mem, _name_of(uid)}


def write_once(path: Path, text: str) -> None:
    """Write the whole file at once, or keep the one that another process has just written."""
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
        with contextlib.suppress(FileExistsError):
            _put_once(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _put_once(draft: Path, path: Path) -> None:
    """Give a file its name, if nothing has it.

    Raises:
        FileExistsError: Another file may have the name.
    """
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        raise
    # FAT, exFAT and some network file systems have no hard links.
    except OSError:
        if sys.platform == "win32":
            draft.rename(path)
            return
        with path.with_name(f"{path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                draft.rename(path)


def _ways_to(path: Path) -> Iterator[Path]:
    """A path, its parents and the links among them, and the same of what the links lead to."""
    ways = [path.absolute()]
    for way in ways:
        for place in (way, *way.parents):
            yield place
            if place.is_symlink() and (target := place.parent / place.readlink()) not in ways:
                ways.append(target)


def _refuse_foreign_owner(
    path: Path, found: os.stat_result, remedy: str | None = None, *, is_parent: bool = False
) -> None:
    us, owner = os.geteuid(), found.st_uid
    # In a sandbox, the owner of a parent may be an account without a number there.
    if owner not in (0, us) and not (is_parent and _is_unmapped(owner)):
        remedy = remedy or f"give it to {_name_of(us)} with chown, or {_ELSEWHERE}"
        raise ConfigurationError(f"{path} belongs to another user, {_name_of(owner)}: {remedy}.")


def _refuse_rights(
    path: Path,
    found: os.stat_result,
    rights: int,
    remedy: str | None = None,
    *,
    is_private: bool,
) -> None:
    rights &= found.st_mode
    if is_private and not _has_access_list(path):
        rights &= ~_GROUP
    if not rights:
        return
    what = "read" if rights & _READ else "write to"
    if not _keeps_modes(path if path.is_dir() else path.parent):
        raise ConfigurationError(
            f"Other users can {what} {path}, because its file system keeps no file modes, as for "
            "example /mnt/c in WSL and network drives: use a directory on another one, such as in "
            f"the home directory on Linux, and {_ELSEWHERE}."
        )
    remedy = remedy or f"run chmod go-w '{path}', or {_ELSEWHERE}"
    raise ConfigurationError(f"Other users can {what} {path}: {remedy}.")


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _is_unmapped(uid: int) -> bool:
    """Whether this user namespace has no number for the real owner.

    See https://man7.org/linux/man-pages/man7/user_namespaces.7.html
    """
    ranges = ["0 0 4294967295"]
    with contextlib.suppress(OSError):
        ranges = Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()
    spans = [[int(number) for number in line.split()] for line in ranges]
    return not any(first <= uid < first + count for first, _, count in spans)


def _has_access_list(path: Path) -> bool:
    """Whether the rights of the group are in fact those of an access list."""
    try:
        os.getxattr(path, "system.posix_acl_access")
    # Only Linux has this function.
    except (AttributeError, OSError):
        return False
    return True


def _keeps_modes(directory: Path) -> bool:
    """Whether a new file in a directory has the mode that it was given."""
    try:
        with tempfile.NamedTemporaryFile(dir=directory) as file:
            return not os.fstat(file.fileno()).st_mode & ANY
    except OSError:
        return True
