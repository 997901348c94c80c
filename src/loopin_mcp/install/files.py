"""The host's files on disk: how they are read, kept and replaced."""

import contextlib
import glob
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.private_files import ANY

KEY_VARIABLE = "LOOPIN_API_KEY"
_SUFFIX = ".bak"
_PRIVATE = 0o600
MOST_BYTES = 32 * 1024 * 1024


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let errors name a file and the remedy.

    Raises:
        ConfigurationError: The block raised one, or an OSError.
    """
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(f"{path} is {error}: correct it, then run this again.") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(
            f"{path} cannot be read or written: {reason}. Correct that, then run this again."
        ) from error


def read_text(path: Path) -> str | None:
    """The text of a file with its line ends as they are, or None if it is missing.

    Raises:
        ConfigurationError: It cannot be read, is too large, or is not UTF-8.
    """
    with naming(path):
        try:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_BYTES:
                raise ConfigurationError("not a file, or larger than 32 MiB")
            return path.read_bytes().decode("utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise ConfigurationError(f"not UTF-8 at line {line}") from error


def refuse_foreign(path: Path) -> None:
    """Refuse a file that this user cannot write, or in a directory of another user.

    Raises:
        ConfigurationError: The message names it.
    """
    with naming(path):
        target = path.resolve()
        directory = next(it for it in target.parents if it.exists())
        if sys.platform != "win32" and directory.stat().st_uid != os.geteuid():
            raise ConfigurationError(f"in {directory}, which belongs to another user")
        is_writable = os.access(directory, os.W_OK)
        if target.exists():
            is_writable = is_writable and bool(target.stat().st_mode & stat.S_IWUSR)
        if not is_writable:
            raise ConfigurationError("not writable")


def earlier_texts(path: Path) -> list[str]:
    """The texts of a file's backups, the latest first."""
    target = path.resolve()
    texts = []
    for backup in sorted(
        target.parent.glob(f"{glob.escape(target.name)}.loopin-*{_SUFFIX}"), reverse=True
    ):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            texts.append(backup.read_bytes().decode("utf-8"))
    return texts


def keep_backup(path: Path, text: str) -> Path:
    """Write the text of a file into a new file beside it, with the same mode.

    If it has an API key, other users get no rights.

    Raises:
        ConfigurationError: It cannot be written.
    """
    target = path.resolve()
    moment = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    names = (f"{target.name}.loopin-{moment}-{number:02}{_SUFFIX}" for number in count())
    with naming(path):
        mode = stat.S_IMODE(target.stat().st_mode) & (~ANY if KEY_VARIABLE in text else ~0)
        backup = next(it for it in map(target.with_name, names) if not it.exists())
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(backup, flags, _PRIVATE), "wb") as file:
            file.write(text.encode())
        backup.chmod(mode)
    return backup


def replace(path: Path, text: str | None, before: str | None) -> None:
    """Replace a file's text at once, or remove the file if the text is None.

    A link stays, and what it leads to is replaced. The mode stays; with an API key in the text,
    other users get no rights.

    Raises:
        ConfigurationError: The file has changed since it was read, or cannot be written.
    """
    target = path.resolve()
    if read_text(target) != before:
        raise ConfigurationError(f"{path} has just been changed by another program: try again.")
    with naming(path):
        if text is None:
            target.unlink()
            return
        for directory in reversed([it for it in target.parents if not it.exists()]):
            directory.mkdir(mode=0o700)
        mode = stat.S_IMODE(target.stat().st_mode) if before is not None else _PRIVATE
        _write(target, text, mode & ~ANY if KEY_VARIABLE in text else mode)


def _write(target: Path, text: str, mode: int) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(mode)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
