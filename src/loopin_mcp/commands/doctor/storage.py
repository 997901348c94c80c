"""Checks the data directory of the embedded API: who can use it, its space, its database."""

import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from loopin_mcp.api.database.read_only import SQLiteArchive
from loopin_mcp.commands.doctor.checks import Finding, problem
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.data_dir import EMBEDDED_FILE, KEY_FILE, PORT_FILE, require_home
from loopin_mcp.settings.private_files import (
    ANY,
    OTHERS_WRITE,
    WRITE,
    refuse_open_directory,
    refuse_open_file,
)

DIRECTORY, SPACE, DATABASE = "Data directory", "Free space", "Database"
# Below the first LoopIn still works for a while; below the second it may stop at any time.
SPARSE, NONE = 200 * 1024**2, 10 * 1024**2
CHECK_WITHIN_S = 3.0

_FILES = {KEY_FILE: ANY, PORT_FILE: OTHERS_WRITE, EMBEDDED_FILE: WRITE}
_REMEDY = "Give it to this user and keep others out, or set LOOPIN_DATA_DIR to another directory."
_RESTORE = "Quit all hosts, and put back a backup: loopin-mcp restore --embedded FILE."


def check_storage(data_dir: Path) -> Sequence[Finding]:
    """The directory, the space on its disk, and its database if there is one."""
    directory = _check_directory(data_dir)
    if directory.status == "failure":
        return [directory]
    database = data_dir / EMBEDDED_FILE
    checked = [_check_database(database)] if database.exists() else []
    return [directory, _check_space(data_dir), *checked]


def _check_directory(data_dir: Path) -> Finding:
    try:
        require_home(data_dir)
        if not data_dir.exists() and not data_dir.is_symlink():
            return Finding(DIRECTORY, "pass", f"{data_dir} will be created at first use")
        _refuse_odd_files(data_dir)
        refuse_open_directory(data_dir)
        for name, rights in _FILES.items():
            refuse_open_file(data_dir / name, rights)
    except ConfigurationError as error:
        return problem(DIRECTORY, error, _REMEDY)
    except OSError as error:
        found = f"{data_dir} cannot be used: {error.strerror}"
        return Finding(DIRECTORY, "failure", found, _REMEDY)
    return Finding(DIRECTORY, "pass", f"{data_dir}, only for this user")


def _refuse_odd_files(data_dir: Path) -> None:
    """Refuse what is not a file, such as a named pipe: opening it could take for ever."""
    if not data_dir.is_dir():
        raise ConfigurationError(f"{data_dir} is not a directory. {_REMEDY}")
    for path in (data_dir / name for name in _FILES):
        if path.exists() and not path.is_file():
            raise ConfigurationError(f"{path} is not a file. Move it away.")


def _check_space(data_dir: Path) -> Finding:
    place = next(each for each in (data_dir, *data_dir.parents) if each.exists())
    free = shutil.disk_usage(place).free
    found = f"{free / 1024**2:,.0f} MB"
    if free >= SPARSE:
        return Finding(SPACE, "pass", found)
    return Finding(SPACE, "warning" if free >= NONE else "failure", found, "Make room there.")


def _check_database(path: Path) -> Finding:
    try:
        with closing(SQLiteArchive(path)) as archive:
            said = archive.check(CHECK_WITHIN_S)
    except ConfigurationError as error:
        return problem(DATABASE, error, _RESTORE)
    if said is None:
        found = f"{path.name} opens; checking all of it would take too long"
        return Finding(DATABASE, "pass", found)
    if said == "ok":
        return Finding(DATABASE, "pass", f"{path.name} opens, and has no damage")
    return Finding(DATABASE, "failure", f"{path.name} is damaged: {said.splitlines()[0]}", _RESTORE)
