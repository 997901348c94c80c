"""Copies of SQLite files, and putting one in the place of a database."""

import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import chain, count
from pathlib import Path

from loopin_mcp.api.database.read_only import SQLiteArchive, open_to_read
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.wire.plain_text import plain_text

if sys.platform != "win32":
    import fcntl

# Between two calls of `progress`, some 16 MB.
PAGES_AT_ONCE = 4096
# The bytes that every connection to a file with a write-ahead log locks for as long as it is open:
# https://www.sqlite.org/walformat.html and PENDING_BYTE in SQLite's os.h.
_LOCKED_FROM, _LOCKED_BYTES = 0x4000_0002, 510
_BESIDE = ("-wal", "-shm", "-journal")
_RULES = "SELECT name, sql FROM sqlite_schema WHERE type IN ('trigger', 'view')"

# The pages that are copied, and the number of all.
Progress = Callable[[int, int], None]


def require_database(path: Path) -> Path:
    """The path of a SQLite database, if it is there.

    Raises:
        ConfigurationError: It is not.
    """
    if not path.exists():
        raise ConfigurationError(
            f"No database at {path}. Set LOOPIN_DATA_DIR or DATABASE_URL as its API does. For the "
            "API that an MCP host started, use --embedded."
        )
    return path


@contextmanager
def room_beside(path: Path) -> Iterator[Path]:
    """A path for a new file, which can then be moved to `path`; what is left there is deleted.

    Raises:
        ConfigurationError: Its directory does not exist, or this user may not write to it.
    """
    # A link may lead to another file system.
    path = path.resolve()
    try:
        room = tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent)
    except OSError as error:
        raise ConfigurationError(
            f"Nothing can be written to {path.parent}: {error.strerror}. Name a directory that "
            "exists and that this user can write to."
        ) from error
    with room as directory:
        yield Path(directory, path.name)


def copy_database(source: Path, target: Path, progress: Progress) -> None:
    """Copy a database as of one moment, while others may write to it, to a new private file.

    The copy is on the disk when this returns, and needs no other file beside it.

    Raises:
        ConfigurationError: The source is not a database of LoopIn, or is damaged, or the copy
            cannot be written.
    """
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with closing(open_to_read(source)) as reader, closing(sqlite3.connect(target)) as writer:
            # Without a transaction, every write of others would make the copy begin again.
            reader.execute("BEGIN")
            reader.execute("SELECT 1 FROM sqlite_schema").fetchall()
            reader.backup(
                writer,
                pages=PAGES_AT_ONCE,
                progress=lambda _, left, pages: progress(pages - left, pages),
            )
            writer.execute("PRAGMA journal_mode=DELETE")
    except (OSError, sqlite3.Error) as error:
        raise ConfigurationError(
            f"{source} cannot be copied: {error}. It must be a database of LoopIn that this user "
            "can read, and there must be room for the copy."
        ) from error
    with closing(SQLiteArchive(target)) as archive:
        archive.require_undamaged()


def refuse_foreign_rules(copy: Path, new: Path) -> None:
    """Refuse a copy with triggers or views that a new database of LoopIn does not have.

    They would run with every change, and could undo it.

    Raises:
        ConfigurationError: It has one.
    """
    with closing(open_to_read(copy)) as given, closing(open_to_read(new)) as made:
        own = made.execute(_RULES).fetchall()
        foreign = [row["name"] for row in given.execute(_RULES) if row not in own]
    if foreign:
        raise ConfigurationError(
            f"The backup has a trigger or view that LoopIn did not make, {plain_text(foreign[0])}: "
            "use another backup."
        )


def refuse_use(path: Path) -> None:
    """Refuse a database that another program has open. On Windows, nothing is checked.

    This program must not have it open: closing a file here would release its locks, too.

    Raises:
        ConfigurationError: Another program has it open.
    """
    if sys.platform == "win32":
        return
    try:
        with path.open("r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCKED_BYTES, _LOCKED_FROM)
    except BlockingIOError as error:
        raise _in_use(path) from error
    # What is not there, or may not be written, is not in use.
    except OSError:
        return


def _in_use(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"Another program uses {path}: stop its API, or the MCP hosts that started it, and run "
        "this again. Nothing was changed."
    )


def put_in_place(new: Path, path: Path, keep_as: str | None = None) -> Path | None:
    """Put a file at a path durably. A database that was there is kept, if `keep_as` names it.

    Returns where: the name gets a number if another file has it. Whenever this is interrupted,
    there is a whole file at the path.

    Raises:
        ConfigurationError: Another program has the database open, or it cannot be replaced.
    """
    path = path.resolve()
    kept = _keep(path, keep_as) if keep_as and path.exists() else None
    try:
        new.replace(path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be replaced: {error.strerror}.") from error
    _sync(path.parent)
    return kept


def _keep(path: Path, name: str) -> Path:
    _move_log(path)
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    kept = next(place for each in names if not (place := path.with_name(each)).exists())
    try:
        kept.hardlink_to(path)
    # FAT, exFAT and some network file systems have no hard links.
    except OSError:
        os.close(os.open(kept, os.O_CREAT, 0o600))
        shutil.copyfile(path, kept)
    for suffix in _BESIDE:
        # Beside another database, they would be applied to that.
        with suppress(FileNotFoundError):
            Path(f"{path}{suffix}").replace(f"{kept}{suffix}")
    return kept


def _move_log(path: Path) -> None:
    """Move the log of a database into its file; one that is damaged stays as it is."""
    try:
        # Beside what is not a database, SQLite would delete the log.
        open_to_read(path).close()
        with closing(sqlite3.connect(path, timeout=0)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise _in_use(path) from error


def _sync(directory: Path) -> None:
    """Store the names in a directory durably."""
    if sys.platform != "win32":
        descriptor = os.open(directory, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
