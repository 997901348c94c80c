"""The versions of the schema, and what leads from one to the next."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from loopin_mcp.api.database.steps import Steps
from loopin_mcp.errors import ConfigurationError, UnavailableError

SCHEMA_VERSION = 2
SCHEMAS = Path(__file__).with_name("schema")

_VERSIONS = "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL PRIMARY KEY)"

_T = TypeVar("_T")


@dataclass(frozen=True)
class Schema:
    """What SQL alone cannot do when a database is brought to a version, by that version.

    Each upgrade is given the name of the database.
    """

    upgrades: Mapping[int, Callable[[str], Steps[None]]]


def migrate(
    schema: Schema, dialect: str, database: str, split: Callable[[str], Iterable[str]]
) -> Steps[None]:
    """Bring a database of any earlier version, or a new one, to that of this program.

    `dialect` names the scripts of this kind of database, `split` makes statements of a script.

    Raises:
        ConfigurationError: It is newer than this program; the message has the `database`'s name.
    """
    yield _VERSIONS, {}
    known = yield from _version()
    if known > SCHEMA_VERSION:
        raise ConfigurationError(f"{_other(database, known)}.")
    if known == SCHEMA_VERSION:
        return
    # On PostgreSQL whoever looks there from now on, to take steps, waits until all this is done.
    yield "DROP TABLE schema_version", {}
    for version in range(known + 1, SCHEMA_VERSION + 1):
        yield from _run(SCHEMAS / f"{version}.sql", split)
        if upgrade := schema.upgrades.get(version):
            yield from upgrade(database)
        yield from _run(SCHEMAS / f"{version}.{dialect}.sql", split)
    yield _VERSIONS, {}
    yield "INSERT INTO schema_version VALUES (:version)", {"version": SCHEMA_VERSION}


def of_this_version(steps: Steps[_T]) -> Steps[_T]:
    """Steps that are taken on a database of this program's version alone.

    Raises:
        UnavailableError: A newer program has changed the schema, or none has brought it up yet.
    """
    known = yield from _version()
    if known != SCHEMA_VERSION:
        raise UnavailableError(_other("The database", known))
    return (yield from steps)


def _version() -> Steps[int]:
    [found] = yield "SELECT MAX(version) AS version FROM schema_version", {}
    return int(found["version"] or 0)


def _other(database: str, known: int) -> str:
    is_newer = known > SCHEMA_VERSION
    remedy = "update loopin-mcp" if is_newer else "start its API once, which brings it up"
    return (
        f"{database} has schema version {known}, and this loopin-mcp knows {SCHEMA_VERSION}: "
        f"{remedy}"
    )


def _run(script: Path, split: Callable[[str], Iterable[str]]) -> Steps[None]:
    if script.exists():
        for statement in split(script.read_text(encoding="utf-8")):
            yield statement, {}
