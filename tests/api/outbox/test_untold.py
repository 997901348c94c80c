"""Requests that were created without channels are notified of once there are some."""

import anyio

from loopin_mcp.api.access.actors import SYSTEM
from loopin_mcp.api.audit.audit_keys import NO_KEYS
from loopin_mcp.api.audit.trail import locked_trail
from loopin_mcp.api.database.steps import Database, Steps
from loopin_mcp.api.store.outbox import ChannelDigests
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, PUBLIC_URL, REVIEWER, Clock, new_interrupt


async def owed(database: Database) -> list[tuple[str, str]]:
    rows = await database.read("SELECT interrupt_id, destination FROM deliveries")
    return [(str(row["interrupt_id"]), str(row["destination"])) for row in rows]


async def test_what_nobody_was_notified_of_is_owed_once(database: Database, clock: Clock) -> None:
    def notify(interrupt_id: str) -> Steps[None]:
        trail = yield from locked_trail(NO_KEYS, interrupt_id, clock())
        assert trail is not None
        yield from trail.append("notified", clock(), SYSTEM, {})

    before = Store(database, PUBLIC_URL, clock)
    untold, told, decided = [
        (await before.create_interrupt(new_interrupt(), AGENT)).interrupt_id for _ in range(3)
    ]
    await database.transact(lambda: notify(told))
    await before.decide_interrupt(decided, Decision(decision="approved"), REVIEWER)
    await before.deliveries.owe_untold()
    assert await owed(database) == []

    after = Store(database, PUBLIC_URL, clock, channels=ChannelDigests(("phone",)))
    async with anyio.create_task_group() as tasks:
        # As two processes that start at once.
        tasks.start_soon(after.deliveries.owe_untold)
        tasks.start_soon(after.deliveries.owe_untold)

    assert await owed(database) == [(untold, "phone")]
