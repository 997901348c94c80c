"""The chain of events stays intact with any content, concurrent changes and failures."""

import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import ConflictError, NotFoundError
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, PUBLIC_URL, Clock, api_client, new_interrupt
from tests.support.questions import create
from tests.support.trails import told, trail_of

APPROVED = Decision(decision="approved")

HOSTILE = [
    '"},{"type":"decided"',
    '\\", \\"hash\\": \\"' + "0" * 64,
    "x\x1f\x7f\u2028\u202e\ud7ff\U0010ffff",
    "'; DELETE FROM events; --",
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_content_cannot_forge_an_event(store: Store, text: str) -> None:
    asked = new_interrupt(action=text, agent_id=text, user_id=text, context={text: [text, 1e22]})
    decision = Decision(decision="approved", reason=text, modified_params={text: {text: text}})
    created = await store.create_interrupt(asked, AGENT)
    await store.decide_interrupt(created.interrupt_id, decision, Actor("bob", "inbox"))

    async with api_client(store) as api:
        events = await trail_of(api, created.interrupt_id)

    assert told(events)[1:] == [
        (
            "decided",
            "bob",
            "inbox",
            {"decision": "approved", "reason": text, "modifiedParams": {text: {text: text}}},
        )
    ]


async def test_many_at_once_on_two_stores_leave_one_unbroken_chain(
    store: Store, elsewhere: Store
) -> None:
    created = await store.create_interrupt(new_interrupt(), AGENT)
    won: list[str] = []

    async def act(number: int) -> None:
        on, actor = (store, elsewhere)[number % 2], Actor(f"r{number}", "review-page")
        await on.record_view(created.interrupt_id, actor)
        try:
            await on.decide_interrupt(created.interrupt_id, APPROVED, actor)
            won.append(actor.name)
        except ConflictError:
            pass

    async with anyio.create_task_group() as reviewers:
        for number in range(20):
            reviewers.start_soon(act, number)

    async with api_client(store) as api:
        events = await trail_of(api, created.interrupt_id)
    assert [event["actor"] for event in events if event["type"] == "decided"] == won
    assert {event["type"] for event in events} == {"created", "viewed", "decided"}


async def test_view_of_what_is_not_there_is_not_recorded(store: Store) -> None:
    with pytest.raises(NotFoundError):
        await store.record_view("unknown", Actor("bob", "review-page"))


async def test_page_is_shown_though_nothing_can_be_recorded(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    database = await open_sqlite(tmp_path / "loopin.db", busy_timeout_s=0)
    async with api_client(Store(database, PUBLIC_URL, clock)) as api:
        interrupt_id = (await create(api))["interruptId"]
        with closing(sqlite3.connect(tmp_path / "loopin.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            answer = await api.get(f"/review/{interrupt_id}")
        events = await trail_of(api, interrupt_id)
    await database.aclose()

    assert answer.status_code == 200
    assert len(events) == 1
    [said] = [record.message for record in caplog.records if "opened" in record.message]
    assert said.startswith("Cannot record that a request was opened: The database cannot")
