"""What the errors of SQLite mean, and what to do about them."""

import sqlite3

from loopin_mcp.api.database.outages import Fault

PLACE = (
    "Let this user read and write it and its directory, or name another place by LOOPIN_DATA_DIR "
    "or DATABASE_URL"
)
_DAMAGED = (
    "it is damaged",
    "Stop all processes that use it, and put back a backup with loopin-mcp restore",
)
# By primary result codes: https://www.sqlite.org/rescode.html
_FAULTS = {
    sqlite3.SQLITE_BUSY: (
        "another process keeps it locked",
        "Find out which one; the file can be used again once that is done",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "it cannot be opened",
        f"{PLACE}; if it is there, this process may have too many files open",
    ),
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    # Of our own statements, SQLite refuses only those whose tables or columns are gone.
    sqlite3.SQLITE_ERROR: _DAMAGED,
    sqlite3.SQLITE_FULL: ("its disk is full", "Make room there"),
    sqlite3.SQLITE_IOERR: (
        "its disk is full, or cannot be read or written",
        "Make room there, or check that disk and its quota",
    ),
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_PERM: ("it may not be written", PLACE),
    sqlite3.SQLITE_READONLY: ("it may not be written", PLACE),
}
_LACKING = (
    "its file system lacks the locks or the shared memory that SQLite needs",
    f"Use a directory on a local disk, and no network drive. {PLACE}",
)
# For errors that Python raises by itself; SQLite's codes for errors begin at 1.
_NO_CODE = 0
_OTHER = ("SQLite refuses", "Look at what SQLite says")
# By extended result codes, and one primary.
_LACKS = (
    sqlite3.SQLITE_IOERR_LOCK,
    sqlite3.SQLITE_IOERR_SHMLOCK,
    sqlite3.SQLITE_IOERR_SHMMAP,
    sqlite3.SQLITE_PROTOCOL,
)


class MovedError(sqlite3.OperationalError):
    """Another file, or none, is at the path of one that was opened."""

    def __init__(self) -> None:
        super().__init__("its file, or the log beside it, was moved, deleted or replaced")


def fault_of(error: Exception) -> Fault | None:
    """The fault behind an error, or None if the error is not SQLite's."""
    if isinstance(error, MovedError):
        return Fault(str(error), "Put it back, or restart to use what is there now")
    if isinstance(error, UnicodeDecodeError):
        # SQLite's own text, which quotes damaged names of tables.
        return Fault(*_DAMAGED, is_damage=True)
    if not isinstance(error, sqlite3.Error):
        return None
    code = getattr(error, "sqlite_errorcode", _NO_CODE)
    what, remedy = found = _LACKING if code in _LACKS else _FAULTS.get(code & 0xFF, _OTHER)
    return Fault(f"{what} ({error})", remedy, is_damage=found is _DAMAGED)
