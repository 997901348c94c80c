"""Data that another user of the machine could change or replace is refused, by name and remedy."""

import errno
import fcntl
import grp
import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.store.opening import open_database, open_sqlite
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.embedded_files import load_api_key
from loopin_mcp.settings.private_files import write_once
from tests.support import clean_environment, missing

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")

OTHER = 54_321
Open = Callable[[Path], object]


def open_key(data_dir: Path) -> None:
    load_api_key(data_dir)


def open_file(data_dir: Path) -> None:
    async def open_and_close() -> None:
        await (await open_sqlite(data_dir / "api.db")).aclose()

    anyio.run(open_and_close)


def open_url(data_dir: Path) -> None:
    async def open_and_close() -> None:
        database: Database = await open_database(f"sqlite:///{data_dir}/api.db", Path("/nowhere"))
        await database.aclose()

    anyio.run(open_and_close)


EACH_KIND = pytest.mark.parametrize("open_data", [open_key, open_file, open_url])


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A directory with all kinds of files that LoopIn keeps there."""
    place = tmp_path / "parent" / "data"
    open_key(place)
    open_file(place)
    (place / "port").write_text("40000")
    for suffix in ("-wal", "-shm", "-journal"):
        (place / f"api.db{suffix}").touch(0o600)
    return place


@pytest.fixture
def give_away(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Give a file to another user, or without the right to do that, be another user."""

    def give_away(path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, OTHER, -1, follow_symlinks=False)
        else:
            monkeypatch.setattr(os, "geteuid", lambda: OTHER)

    return give_away


def refusal_of(open_data: Open, data_dir: Path) -> str:
    with pytest.raises(ConfigurationError) as refusal:
        open_data(data_dir)
    return str(refusal.value)


@EACH_KIND
def test_data_of_this_user_is_used(data_dir: Path, open_data: Open) -> None:
    open_data(data_dir)


@EACH_KIND
@pytest.mark.parametrize("mode", [0o755, 0o750, 0o711, 0o555])
def test_data_that_others_may_only_read_is_used(data_dir: Path, open_data: Open, mode: int) -> None:
    for file in data_dir.iterdir():
        file.chmod(0o600 if file.name == "api-key" else 0o644)
    data_dir.chmod(mode)

    open_data(data_dir)


@EACH_KIND
@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777, 0o730, 0o703])
def test_directory_that_others_may_write_is_refused(
    data_dir: Path, open_data: Open, mode: int
) -> None:
    data_dir.chmod(mode)

    assert refusal_of(open_data, data_dir) == (
        f"Other users can write to {data_dir}: run chmod go-w '{data_dir}', or name another place "
        "by LOOPIN_DATA_DIR or DATABASE_URL."
    )


@pytest.mark.parametrize("mode", [0o666, 0o660, 0o602, 0o646])
@pytest.mark.parametrize(
    ("open_data", "name"),
    [
        (open_file, "api.db"),
        (open_file, "api.db-wal"),
        (open_url, "api.db-shm"),
        (open_url, "api.db-journal"),
    ],
)
def test_file_that_others_may_write_is_refused(
    data_dir: Path, open_data: Open, name: str, mode: int
) -> None:
    (data_dir / name).chmod(mode)

    refusal = refusal_of(open_data, data_dir)
    assert f"{data_dir / name}: run chmod go-w '{data_dir / name}'" in refusal


def test_note_of_the_port_that_others_may_write_is_refused(data_dir: Path) -> None:
    # Version 0.1.0 made it so, for a user with the umask 002.
    (data_dir / "port").chmod(0o664)
    open_key(data_dir)
    (data_dir / "port").chmod(0o666)

    assert f"{data_dir / 'port'}: run chmod go-w" in refusal_of(open_key, data_dir)


@pytest.mark.parametrize(
    ("open_data", "name", "remedy"),
    [
        (open_key, "", "LOOPIN_DATA_DIR"),
        (open_key, "..", "LOOPIN_DATA_DIR"),
        (open_key, "api-key", "delete it to get a new key"),
        (open_key, "port", "LOOPIN_DATA_DIR"),
        (open_file, "", "LOOPIN_DATA_DIR or DATABASE_URL"),
        (open_file, "..", "LOOPIN_DATA_DIR or DATABASE_URL"),
        (open_url, "api.db", "LOOPIN_DATA_DIR or DATABASE_URL"),
        (open_url, "api.db-wal", "with chown"),
        (open_file, "api.db-shm", "with chown"),
    ],
)
def test_data_of_another_user_is_refused(
    data_dir: Path, give_away: Callable[[Path], None], open_data: Open, name: str, remedy: str
) -> None:
    give_away((data_dir / name).resolve())

    refusal = refusal_of(open_data, data_dir)
    assert "belongs to another user, " in refusal
    assert remedy in refusal


@EACH_KIND
def test_parent_in_which_others_may_replace_the_directory_is_refused(
    data_dir: Path, open_data: Open
) -> None:
    data_dir.parent.chmod(0o777)
    refusal = refusal_of(open_data, data_dir)
    data_dir.parent.chmod(0o1777)
    open_data(data_dir)

    assert f"Other users can write to {data_dir.parent}: " in refusal


@EACH_KIND
def test_links_are_followed_to_what_is_used(
    tmp_path: Path, data_dir: Path, open_data: Open
) -> None:
    (tmp_path / "links").mkdir(0o700)
    link = tmp_path / "links" / "data"
    link.symlink_to("../again")
    (tmp_path / "again").symlink_to(data_dir)
    open_data(link)

    data_dir.chmod(0o777)
    open_directory = refusal_of(open_data, link)
    data_dir.chmod(0o700)
    data_dir.parent.chmod(0o777)
    open_parent = refusal_of(open_data, link)
    data_dir.parent.chmod(0o700)
    link.parent.chmod(0o777)
    open_to_replace = refusal_of(open_data, link)

    assert "can write to" in open_directory
    assert f"can write to {data_dir.parent}:" in open_parent
    assert f"can write to {link.parent}:" in open_to_replace


def test_link_to_a_database_is_judged_where_it_leads(tmp_path: Path, data_dir: Path) -> None:
    (tmp_path / "links").mkdir(0o700)
    (tmp_path / "links" / "api.db").symlink_to(data_dir / "api.db")
    open_file(tmp_path / "links")
    (data_dir / "api.db-wal").touch()
    (data_dir / "api.db-wal").chmod(0o666)

    assert f"{data_dir}/api.db-wal" in refusal_of(open_file, tmp_path / "links")


@EACH_KIND
def test_link_of_another_user_is_refused(
    tmp_path: Path, data_dir: Path, give_away: Callable[[Path], None], open_data: Open
) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)
    link = tmp_path / "shared" / "data"
    link.symlink_to(data_dir)
    open_data(link)
    give_away(link)

    assert "belongs to another user" in refusal_of(open_data, link)


@pytest.fixture
def nameless_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own group has no name, as in a pod."""

    def forget(gid: int) -> grp.struct_group:
        raise KeyError(gid)

    monkeypatch.setattr(grp, "getgrgid", forget)


def as_volume(data_dir: Path) -> None:
    """What Kubernetes does to a volume with an fsGroup, each time that a pod starts."""
    for file in data_dir.iterdir():
        file.chmod(file.stat().st_mode | 0o660)
    for directory in (data_dir.parent, data_dir):
        directory.chmod(directory.stat().st_mode | 0o770 | stat.S_ISGID)


@EACH_KIND
@pytest.mark.usefixtures("nameless_group")
def test_volume_of_a_pod_is_used_after_each_start(data_dir: Path, open_data: Open) -> None:
    as_volume(data_dir)

    open_data(data_dir)


@EACH_KIND
@pytest.mark.usefixtures("nameless_group")
def test_group_of_a_volume_that_this_user_is_not_in_is_refused(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, open_data: Open
) -> None:
    as_volume(data_dir)
    monkeypatch.setattr(os, "getegid", lambda: OTHER)
    monkeypatch.setattr(os, "getgroups", lambda: [OTHER])

    assert f"can write to {data_dir}" in refusal_of(open_data, data_dir)


@EACH_KIND
def test_shared_directory_of_a_group_with_other_members_is_refused(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, open_data: Open
) -> None:
    as_volume(data_dir)
    members = grp.struct_group(("team", "x", OTHER, ["alice", "bob"]))
    monkeypatch.setattr(grp, "getgrgid", lambda _: members)
    if os.geteuid() == 0:
        for place in (data_dir.parent, data_dir, *data_dir.iterdir()):
            os.chown(place, -1, OTHER)
        as_volume(data_dir)

    assert f"can write to {data_dir}" in refusal_of(open_data, data_dir)


@EACH_KIND
@pytest.mark.usefixtures("nameless_group")
def test_rights_of_an_access_list_are_no_rights_of_the_group(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, open_data: Open
) -> None:
    as_volume(data_dir)
    monkeypatch.setattr(os, "getxattr", lambda *_: b"", raising=False)

    assert f"can write to {data_dir}" in refusal_of(open_data, data_dir)


@EACH_KIND
@pytest.mark.parametrize("name", ["", "api-key"])
def test_file_system_without_modes_is_named_and_not_chmod(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, open_data: Open, name: str
) -> None:
    if name and open_data is not open_key:
        name = "api.db"
    (data_dir / name).chmod(0o777)
    real = os.fstat
    open_to_all = os.stat_result((0o100777, *tuple(real(0))[1:]))
    monkeypatch.setattr(os, "fstat", lambda _: open_to_all)

    refusal = refusal_of(open_data, data_dir)
    assert "its file system keeps no file modes" in refusal
    assert "chmod" not in refusal
    assert "delete" not in refusal


def test_directory_in_which_nothing_can_be_tried_is_still_refused(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir.chmod(0o777)

    def refuse(**_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)

    assert f"run chmod go-w '{data_dir}'" in refusal_of(open_key, data_dir)


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES])
def test_key_is_made_once_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    keys: list[str] = []
    copies = [threading.Thread(target=lambda: keys.append(load_api_key(tmp_path))) for _ in "8" * 8]
    for copy in copies:
        copy.start()
    for copy in copies:
        copy.join()

    assert len(keys) == 8
    assert len({*keys, load_api_key(tmp_path)}) == 1
    assert {file.name for file in tmp_path.iterdir()} == {"api-key", "api-key.lock"}
    assert stat.S_IMODE((tmp_path / "api-key").stat().st_mode) == 0o600


def test_what_another_process_has_just_written_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    path = tmp_path / "api-key"
    write_once(path, "first")
    write_once(path, "second")
    monkeypatch.setattr(os, "link", refuse)
    write_once(path, "third")

    assert path.read_text(encoding="ascii") == "first"


def test_file_system_without_links_and_locks_is_not_said_to_lack_rights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(fcntl, "flock", refuse)

    refusal = refusal_of(open_key, tmp_path)
    assert "Operation not supported" in refusal
    assert "Set LOOPIN_DATA_DIR to a directory on another file system." in refusal


@pytest.mark.subprocess
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has user namespaces")
def test_parents_without_a_number_in_a_sandbox_are_no_other_users(
    data_dir: Path, give_away: Callable[[Path], None]
) -> None:
    if os.geteuid() == 0:
        data_dir.parent.chmod(0o755)
        give_away(data_dir.parent)
    program = (
        "import sys; from tests.settings.test_private_files import *; open_key(Path(sys.argv[1]))"
    )
    outcome = subprocess.run(
        ["/usr/bin/unshare", "--user", "-r", sys.executable, "-c", program, str(data_dir)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare failed" in outcome.stderr:
        missing("a system that allows user namespaces")

    assert (outcome.stderr, outcome.returncode) == ("", 0)
