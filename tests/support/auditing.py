"""For tests of audits: a database with a history, edits of it, and an audit."""

from collections.abc import Iterable

from loopin_mcp.api.audit.audit_keys import NO_KEYS, AuditKeys
from loopin_mcp.api.audit.commands import verify
from loopin_mcp.api.database.sqlite import SQLite
from loopin_mcp.api.database.steps import Database, execute
from loopin_mcp.api.store.opening import open_archive
from loopin_mcp.api.store.store import Store
from loopin_mcp.settings.settings import Settings
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, REVIEWER, Clock, new_interrupt

HOOK = "https://203.0.113.7/hook?token=s3cret"
# docs/security.md has these statements too.
COUNT_AGAIN = "INSERT INTO tallies SELECT * FROM counted_tallies"
DECISION = Decision(decision="approved", reason="ok", modified_params={"amount": 4000})


async def decided(store: Store, clock: Clock) -> str:
    """The id of a new interrupt that was viewed, and decided a second later."""
    asked = new_interrupt(callback_url=HOOK, expires_in=60)
    interrupt_id = (await store.create_interrupt(asked, AGENT)).interrupt_id
    await store.record_view(interrupt_id, REVIEWER)
    clock.advance(1)
    await store.decide_interrupt(interrupt_id, DECISION, REVIEWER)
    return interrupt_id


async def edit(database: Database, interrupt_id: str, *statements: str) -> None:
    """Edit an interrupt in the database as its owner can: without its rules, and all figures fit.

    The statements end in a condition.
    """
    if isinstance(database, SQLite):
        named = "SELECT name FROM sqlite_schema WHERE type = 'trigger'"
        drop = "DROP TRIGGER {name}"
    else:
        named = """
            SELECT tgname AS name, relname AS owner FROM pg_trigger JOIN pg_class
            ON tgrelid = pg_class.oid WHERE NOT tgisinternal
            """
        drop = "DROP TRIGGER {name} ON {owner}"
    for rule in await database.read(named):
        if not str(rule["name"]).startswith("tallies"):
            await execute(database, drop.format(**rule))
    for statement in statements:
        one = f"{statement} AND interrupt_id = :interrupt_id"
        await execute(database, one, interrupt_id=interrupt_id)
    await execute(database, "DELETE FROM tallies")
    await execute(database, COUNT_AGAIN)


async def audited(
    settings: Settings, heads: Iterable[str] | None = None, keys: AuditKeys = NO_KEYS
) -> tuple[bool, list[str]]:
    """Whether an audit finds no tampering, and its output."""
    said: list[str] = []
    async with open_archive(settings, embedded=False) as archive:
        is_whole = await verify(archive, keys, heads, said.append, said.append)
    return is_whole, said
