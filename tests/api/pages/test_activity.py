"""The activity on a page: events with time, actor and channel, and the tamper check."""

import httpx
import pytest

from loopin_mcp.api.access.actors import SYSTEM, Actor
from loopin_mcp.api.audit.audit_keys import NO_KEYS
from loopin_mcp.api.audit.trail import locked_trail
from loopin_mcp.api.database.steps import Database, Steps
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision
from tests.support import Clock, api_client
from tests.support.auditing import edit
from tests.support.page import Page, ask

DIFFERS = "the request differs from the one that was created"
INTACT = "Tamper check passed: every entry is chained to the one before."
NOW = "now 15 June 2025, 15:06:40 UTC"


async def test_page_tells_each_step_with_its_hash(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store)
    interrupt_id = path.split("/")[-1]
    await api.get(path)
    decision = Decision(decision="approved")
    await sqlite_store.decide_interrupt(interrupt_id, decision, Actor("alice", "mcp"))

    page = Page(await api.get(path))

    hashes = [event.hash[:12] for event in await sqlite_store.list_events(interrupt_id)]
    assert page["li"] == [
        f"Requested API key, via the API {NOW} {hashes[0]}",
        f"Opened Someone with the link, on this page {NOW} {hashes[1]}",
        f"Approved alice, via an MCP server {NOW} {hashes[2]}",
    ]
    assert INTACT in page["p"]
    assert page["alert"] == []


@pytest.mark.parametrize("how", ["cancelled", "expired"])
async def test_page_tells_how_it_ended_without_a_decision(
    api: httpx.AsyncClient, sqlite_store: Store, clock: Clock, how: str
) -> None:
    path = await ask(sqlite_store, expires_in=60)
    if how == "cancelled":
        await api.delete(path.replace("/review/", "/interrupts/"))
    else:
        clock.advance(60)
        await sqlite_store.expire_interrupts()

    last = Page(await api.get(path))["li"][-1]

    assert last.startswith({"cancelled": "Cancelled API key", "expired": "Expired LoopIn"}[how])


async def test_page_tells_nothing_that_is_written_in_an_event(
    store: Store, database: Database, clock: Clock
) -> None:
    def happen() -> Steps[None]:
        for kind in ("notified", "callback-delivered", "callback-given-up", "migrated", "<b>odd"):
            trail = yield from locked_trail(NO_KEYS, interrupt_id, clock())
            assert trail is not None
            digest = trail.row["payload_digest"]
            told = {"to": "s3cret", "reason": "s3cret", "payloadDigest": digest}
            # The last one is from a later version.
            yield from trail.append(kind, clock(), SYSTEM, told)  # type: ignore[arg-type]

    path = await ask(store)
    interrupt_id = path.split("/")[-1]
    await database.transact(happen)

    async with api_client(store) as browser:
        answer = await browser.get(path)

    page = Page(answer)
    assert [line.rpartition(f" LoopIn {NOW}")[0] for line in page["li"][1:]] == [
        "Notification sent",
        "Callback delivered",
        "Callback failed",
        "Imported from an earlier version",
        "<b>odd",
    ]
    assert "s3cret" not in answer.text
    assert page["fault"] == [
        "The callback was not delivered within three days: no answer came.",
        "Tamper check failed: event 3 reports a callback before an outcome.",
    ]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("UPDATE events SET actor = 'bob' WHERE sequence = 2", "event 2 was changed"),
        ("DELETE FROM events WHERE sequence = 2", "it has 1 events and should have 2"),
        ("DELETE FROM events WHERE sequence = 1", "event 1 is missing"),
        (
            "UPDATE interrupts SET context = '{}' WHERE TRUE",
            "its payloadDigest does not match what it asks",
        ),
    ],
)
async def test_page_says_that_somebody_changed_what_is_stored(
    store: Store, database: Database, change: str, fault: str
) -> None:
    async with api_client(store) as browser:
        path = await ask(store)
        await browser.get(path)
        await edit(database, path.split("/")[-1], change)

        page = Page(await browser.get(path))

    assert page["alert"] == [
        "The stored data of this request has been changed: "
        f"{fault}. Do not rely on what you read here, and do not decide. "
        "Tell your LoopIn administrator."
    ]
    assert page["button"] == []
    assert page["fault"] == [f"Tamper check failed: {fault}."]
    assert INTACT not in page["p"]
