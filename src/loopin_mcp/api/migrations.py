"""The versions of the schema, and what leads from one to the next."""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from loopin_mcp.api.actors import SYSTEM
from loopin_mcp.api.clock import epoch_ms
from loopin_mcp.api.events import append
from loopin_mcp.api.rows import number
from loopin_mcp.api.settling import owe_callback
from loopin_mcp.api.statements import Row, Steps
from loopin_mcp.api.states import STATE, state_of
from loopin_mcp.errors import ConfigurationError, UnavailableError

SCHEMA_VERSION = 3
SCHEMAS = Path(__file__).with_name("schema")
# How many interrupts are brought up at a time.
PORTION = 500
# More of them take longer than a second.
MANY = 1000

_VERSIONS = "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL PRIMARY KEY)"

_T = TypeVar("_T")

logger = logging.getLogger(__name__)


def migrate(dialect: str, database: str, split: Callable[[str], Iterable[str]]) -> Steps[None]:
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
        if version == 3:
            yield from _begin_trails(database)
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
    return number(found["version"])


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


def _begin_trails(database: str) -> Steps[None]:
    """Give every interrupt of an earlier version its digest and the first event of its trail."""
    now, last = epoch_ms(), ""
    [found] = yield "SELECT COUNT(*) AS count FROM interrupts", {}
    if number(found["count"]) >= MANY:
        logger.info("%s: a trail is begun for %s interrupts", database, found["count"])
    while True:
        rows = yield (
            f"""
            SELECT callback_url, callback_due_ms, {STATE} FROM interrupts
            WHERE interrupt_id > :last ORDER BY interrupt_id LIMIT {PORTION}
            """,  # noqa: S608 - constants alone
            # What is stored is told, and not what it reads as by now.
            {"last": last, "now": 0},
        )
        for row in rows:
            yield from _begin_trail(row, now)
        if len(rows) < PORTION:
            return
        last = str(rows[-1]["interrupt_id"])


def _begin_trail(row: Row, now: int) -> Steps[None]:
    try:
        state = state_of(row)
    except UnavailableError as error:
        # The others are not to be kept from their reviewers by it.
        logger.error("%s, and gets no trail", error)
        return
    found = str(state["payloadDigest"])
    row = yield from append(row, "migrated", now, SYSTEM, state, payload_digest=found)
    if row["callback_due_ms"] is not None:
        yield from owe_callback(row, now)
