"""What the errors of SQLite say about a file, and what can be done."""

import sqlite3

from loopin_mcp.api.breakdowns import Fault

# Where the remedy is another place.
PLACE = (
    "Let this user read and write it and its directory, or name another place by LOOPIN_DATA_DIR "
    "or DATABASE_URL"
)
_DAMAGED = (
    "it is damaged",
    "Stop all who use it and put a backup in its place, without the -wal and -shm beside it",
)
# By primary result codes: https://www.sqlite.org/rescode.html
_FAULTS = {
    sqlite3.SQLITE_BUSY: (
        "another process keeps it locked",
        "Find out which has it open: it can be used again once that lets go",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "it cannot be opened",
        f"{PLACE}; if it is there, this process may have too many files open",
    ),
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_FULL: ("its disk is full", "Make room there"),
    sqlite3.SQLITE_IOERR: (
        "its disk is full, or cannot be read or written",
        "Make room there, or check that disk and its quota",
    ),
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_PERM: ("it may not be written", PLACE),
    sqlite3.SQLITE_READONLY: ("it may not be written", PLACE),
}
_OTHER = ("SQLite refuses", "Look at what SQLite says")


class MovedError(sqlite3.OperationalError):
    """A file that was opened is no longer at its path."""

    def __init__(self) -> None:
        super().__init__("its file, or the log beside it, was moved, deleted or replaced")


def fault_of(error: Exception) -> Fault | None:
    """What is wrong with the file, or None where the error is not SQLite's."""
    if isinstance(error, MovedError):
        return Fault(str(error), "Put it back, or restart to go on with what is there now")
    if not isinstance(error, sqlite3.Error):
        return None
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    what, remedy = found = _FAULTS.get(code & 0xFF, _OTHER)
    return Fault(f"{what} ({error})", remedy, is_damage=found is _DAMAGED)
