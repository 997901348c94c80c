"""The tallies fit the interrupts whatever changes them; analytics are made from them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from loopin_mcp.api.database.steps import Database, execute
from loopin_mcp.api.serving.housekeeping import clean_up
from loopin_mcp.api.store.history.analytics import EVERYBODY
from loopin_mcp.api.store.store import Store
from loopin_mcp.settings.settings import Settings
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, REVIEWER, Clock, new_interrupt
from tests.support.auditing import audited, edit

APPROVED = Decision(decision="approved")
CHANGED = Decision(decision="approved", modified_params={"amount": 1})
DAY_S = 86_400
# Those of `edit` keep no rules, as a program that fills a database may.
FILL = """
    INSERT INTO interrupts (interrupt_id, agent_id, user_id, action, action_type, context, urgency,
        status, created_ms, expires_ms, decided_ms, settled_ms, payload_digest)
    VALUES ('filled', 'agent', 'user-1', 'Pay', 'Pay', '{}', 'low',
        'approved', 1000, 9000, 3500, 3500, 'x')
    """


async def wrong(settings: Settings) -> list[str]:
    """The figures that do not match the interrupts, as an audit says them."""
    _, said = await audited(settings)
    return [line for line in said if "figures" in line]


async def test_change_by_any_program_is_counted(
    store: Store, database: Database, settings: Settings
) -> None:
    created = await store.create_interrupt(new_interrupt(), AGENT)
    await edit(database, created.interrupt_id)

    await execute(database, FILL)
    filled = await store.get_interrupt_analytics("user-1")
    await execute(
        database, "UPDATE interrupts SET status = 'rejected' WHERE interrupt_id = 'filled'"
    )
    await execute(database, "UPDATE interrupts SET decided_ms = 5500 WHERE settled_ms = 3500")
    updated = await store.get_interrupt_analytics("user-1")
    assert await wrong(settings) == []
    await execute(database, "DELETE FROM interrupts WHERE interrupt_id = 'filled'")
    deleted = await store.get_interrupt_analytics("user-1")

    assert (filled.by_status, filled.p50_response_time_ms) == ({"approved": 1, "pending": 1}, 2500)
    assert (updated.by_status, updated.p50_response_time_ms) == (
        {"pending": 1, "rejected": 1},
        4500,
    )
    assert (deleted.by_status, deleted.p50_response_time_ms) == ({"pending": 1}, None)
    assert (deleted.by_urgency, await wrong(settings)) == ({"medium": 1}, [])


async def test_nothing_of_a_user_is_left_when_all_is_deleted(
    store: Store, database: Database, clock: Clock
) -> None:
    for decision in (APPROVED, CHANGED, Decision(decision="rejected", reason="no")):
        created = await store.create_interrupt(new_interrupt(), AGENT)
        clock.advance(1)
        await store.decide_interrupt(created.interrupt_id, decision, REVIEWER)
    clock.advance(DAY_S)

    await clean_up(store, 1)

    assert await database.read("SELECT * FROM tallies") == []


@pytest.mark.parametrize(
    ("change", "figures"),
    [
        ("UPDATE tallies SET count = count + 1 WHERE figure = 'urgency'", ["urgency"]),
        ("UPDATE tallies SET name = 'Pay' WHERE figure = 'action'", ["action"]),
        ("UPDATE tallies SET place = 1 WHERE figure = 'status'", ["status"]),
        ("UPDATE tallies SET total = 0 WHERE figure = 'response time'", ["response time"]),
        ("DELETE FROM tallies WHERE figure LIKE '%range'", ["response time range"]),
        ("INSERT INTO tallies VALUES ('user-1', 'mood', '', 0, 1, 0)", ["mood"]),
        (
            "DELETE FROM tallies WHERE TRUE",
            [
                "action",
                "agent approved",
                "agent asked",
                "agent changed",
                "hour",
                "response time",
                "response time range",
                "reviewer approved",
                "status",
                "type approved",
                "urgency",
            ],
        ),
    ],
)
async def test_edit_of_the_tallies_is_found_and_can_be_undone(
    store: Store,
    database: Database,
    settings: Settings,
    clock: Clock,
    change: str,
    figures: list[str],
) -> None:
    created = await store.create_interrupt(new_interrupt(), AGENT)
    clock.advance(2)
    await store.decide_interrupt(created.interrupt_id, CHANGED, REVIEWER)
    before = await store.get_interrupt_analytics("user-1")

    await execute(database, change)
    is_whole, said = await audited(settings)
    # A page shows figures that are wrong, and no error.
    await store.get_interrupt_analytics("user-1")
    await edit(database, created.interrupt_id)

    of_users = [line for line in said if line.startswith("User ")]
    assert (is_whole, of_users) == (
        False,
        [f"User user-1: the figures by {each} do not match the interrupts." for each in figures],
    )
    assert (await wrong(settings), await store.get_interrupt_analytics("user-1")) == ([], before)


async def test_of_many_wrong_figures_an_audit_names_some(
    store: Store, database: Database, settings: Settings
) -> None:
    for number in range(101):
        await execute(
            database, "INSERT INTO tallies VALUES (:user, 'mood', '', 0, 1, 0)", user=f"{number:03}"
        )

    lines = await wrong(settings)

    assert len(lines) == 101
    assert lines[98].startswith("User 09")
    assert lines[100] == "There are more figures that do not match."


async def test_edit_of_the_tallies_of_all_users_is_found(
    sqlite_store: Store, tmp_path: Path
) -> None:
    await sqlite_store.create_interrupt(new_interrupt(), AGENT)
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'loopin.db'}")

    with closing(sqlite3.connect(tmp_path / "loopin.db")) as connection, connection:
        connection.execute("UPDATE tallies SET count = 9 WHERE user_id = '' AND figure = 'action'")

    assert await wrong(settings) == [
        "All users: the figures by action do not match the interrupts."
    ]


async def test_changes_by_many_at_once_are_all_counted(
    store: Store, elsewhere: Store, database: Database, settings: Settings, clock: Clock
) -> None:
    """They lock the tallies of several users in their transactions, and none fails."""

    async def use(one: Store, number: int) -> None:
        for turn in range(4):
            kind = {"urgency": ("low", "high")[turn % 2], "action": f"Do {'ab'[number % 2]}"}
            for user in ("user-1", "user-2", "user-3"):
                asked = new_interrupt(**kind, user_id=user, expires_in=1)
                await one.create_interrupt(asked, AGENT)
            asked = new_interrupt(**kind, user_id=f"user-{number % 3}", expires_in=30 * DAY_S)
            created = await one.create_interrupt(asked, AGENT)
            clock.advance(1)
            await one.decide_interrupt(created.interrupt_id, APPROVED, REVIEWER)
            await one.expire_interrupts()
            clock.advance(DAY_S / 4)
            await clean_up(one, 1)

    async with anyio.create_task_group() as users:
        for number in range(8):
            users.start_soon(use, (store, elsewhere)[number % 2], number)

    [stored] = await database.read("SELECT COUNT(*) AS count FROM interrupts")
    assert (await store.figures.analytics(EVERYBODY)).total_interrupts == stored["count"]
    assert await wrong(settings) == []
