"""Schema versions, and the steps from one to the next."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from secrets import randbelow
from typing import TypeVar

from loopin_mcp.api.database.steps import Steps
from loopin_mcp.errors import ConfigurationError, UnavailableError

SCHEMA_VERSION = 3
# Earlier versions whose programs may use a database of this version, because its scripts only add
# what they can ignore. So copies can be upgraded one by one.
BESIDE: tuple[int, ...] = ()
# The version of a database that `loopin-mcp migrate` has not finished: no program may use it.
UNFINISHED = 1_000_000
SCHEMAS = Path(__file__).with_name("schema")

# By version, the part of an upgrade that SQL cannot do. It is given the database's name.
Upgrades = Mapping[int, Callable[[str], Steps[None]]]

_VERSIONS = "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL PRIMARY KEY)"

_T = TypeVar("_T")


def migrate(
    upgrades: Upgrades, dialect: str, database: str, split: Callable[[str], Iterable[str]]
) -> Steps[None]:
    """Upgrade a database of any earlier version, or an empty one, to this program's version.

    `dialect` names the scripts of this kind of database, `split` splits a script into statements.

    Raises:
        ConfigurationError: It is newer than this program; the message has the `database`'s name.
    """
    yield _VERSIONS, {}
    versions = yield from _versions()
    if SCHEMA_VERSION in versions:
        return
    known = max(versions, default=0)
    if known > SCHEMA_VERSION:
        raise ConfigurationError(f"{_mismatch(database, known)}.")
    # On PostgreSQL this makes other processes, which read the version first, wait for the end.
    yield "DROP TABLE schema_version", {}
    for version in range(known + 1, SCHEMA_VERSION + 1):
        yield from _run(SCHEMAS / f"{version}.sql", split)
        if upgrade := upgrades.get(version):
            yield from upgrade(database)
        for part in (dialect, "end", f"end.{dialect}"):
            yield from _run(SCHEMAS / f"{version}.{part}.sql", split)
    yield _VERSIONS, {}
    for version in (*BESIDE, SCHEMA_VERSION):
        yield "INSERT INTO schema_version VALUES (:version)", {"version": version}


def require_this_version() -> Steps[None]:
    """Refuse a database that programs of this version must not use.

    Raises:
        UnavailableError: Another version made or upgraded it, which does not allow this one.
    """
    versions = yield from _versions()
    if SCHEMA_VERSION not in versions:
        raise UnavailableError(_mismatch("The database", max(versions, default=0)))


def of_this_version(steps: Steps[_T]) -> Steps[_T]:
    """Steps that run only on a database that this program may use; see `require_this_version`."""
    yield from require_this_version()
    return (yield from steps)


def change_nothing() -> Steps[None]:
    """Steps that store something and take it back: they need what every change needs."""
    # Processes that check at the same time must not wait for each other.
    version = {"version": -1 - randbelow(2**31)}
    yield "INSERT INTO schema_version VALUES (:version)", version
    yield "DELETE FROM schema_version WHERE version = :version", version


def _versions() -> Steps[set[int]]:
    """The versions whose programs may use the database; the newest is that of its tables."""
    rows = yield "SELECT version FROM schema_version", {}
    return {int(row["version"] or 0) for row in rows}


def _mismatch(database: str, known: int) -> str:
    if known == UNFINISHED:
        return f"{database} is not complete: run `loopin-mcp migrate` again, which continues"
    found = f"{database} has schema version {known}, and this loopin-mcp knows {SCHEMA_VERSION}"
    is_newer = known > SCHEMA_VERSION
    return f"{found}: {'update loopin-mcp' if is_newer else 'start its API once to upgrade it'}"


def _run(script: Path, split: Callable[[str], Iterable[str]]) -> Steps[None]:
    if script.exists():
        for statement in split(script.read_text(encoding="utf-8")):
            yield statement, {}
