"""A copy that is killed while it sends: another one, or the same after its restart, sends again."""

import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from standardwebhooks import Webhook

from loopin_mcp.api.database.steps import execute
from loopin_mcp.api.store.opening import open_database
from tests.api.outbox.test_signatures import SECRET
from tests.support import PATIENCE_S, PUBLIC_URL, Copies, ServedAPI, web
from tests.support.questions import NEW
from tests.support.receiver import Received, Receiver, receiving

pytestmark = pytest.mark.subprocess


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver whose first answer never comes."""
    with receiving("hang", 200) as receiver:
        yield receiver


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path, receiver: Receiver) -> dict[str, str]:
    """The settings of all copies, with one database of each kind."""
    common = {
        "LOOPIN_DATA_DIR": str(tmp_path),
        "LOOPIN_BASE_URL": PUBLIC_URL,
        "CALLBACK_ALLOW": "127.0.0.0/8",
        "CALLBACK_SECRET": SECRET,
    }
    if request.param == "postgresql":
        common["DATABASE_URL"] = request.getfixturevalue("empty_postgres_url")
    return common


async def end_leases(settings: dict[str, str]) -> None:
    """Let the time pass for which a copy reserves what it sends."""
    database = await open_database(settings.get("DATABASE_URL"), Path(settings["LOOPIN_DATA_DIR"]))
    await execute(database, "UPDATE deliveries SET due_ms = 0")
    await database.aclose()


def events_once_delivered(copy: ServedAPI, interrupt_id: str, wanted: str) -> list[str]:
    """The types of its events, as soon as the wanted one is there."""
    deadline = time.monotonic() + PATIENCE_S
    events: list[str] = []
    while wanted not in events and time.monotonic() < deadline:
        answer = web.get(f"{copy.url}/interrupts/{interrupt_id}/events")
        events = [event["type"] for event in answer.json()]
    return events


def sent_twice(
    copies: Copies, killed: ServedAPI, settings: dict[str, str], receiver: Receiver
) -> tuple[Received, Received, ServedAPI]:
    """What a copy sent before it was killed, what another one sent then, and that one."""
    first = receiver.take()
    other = copies.start(settings)
    killed.process.kill()
    killed.process.communicate()
    anyio.run(end_leases, settings)
    return first, receiver.take(), other


def test_callback_is_sent_again_with_the_same_id_and_recorded_once(
    copies: Copies, settings: dict[str, str], receiver: Receiver
) -> None:
    hook = {"callbackUrl": f"http://127.0.0.1:{receiver.server_port}/hook"}
    killed = copies.start(settings)
    interrupt_id = web.post(f"{killed.url}/interrupts", json=NEW | hook).json()["interruptId"]
    decide = f"{killed.url}/interrupts/{interrupt_id}/decide"
    web.post(decide, json={"decision": "approved"}).raise_for_status()

    first, second, other = sent_twice(copies, killed, settings, receiver)
    events = events_once_delivered(other, interrupt_id, "callback-delivered")

    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    for each in (first, second):
        Webhook(SECRET).verify(each.body, dict(each.headers))
    assert events == ["created", "decided", "callback-delivered"]
    assert receiver.received == []


def test_notification_is_sent_again_and_recorded_once(
    copies: Copies, settings: dict[str, str], receiver: Receiver
) -> None:
    settings["LOOPIN_NOTIFY"] = receiver.url
    killed = copies.start(settings)
    interrupt_id = web.post(f"{killed.url}/interrupts", json=NEW).json()["interruptId"]

    first, second, other = sent_twice(copies, killed, settings, receiver)
    events = events_once_delivered(other, interrupt_id, "notified")

    assert first.json["message"] == second.json["message"]
    assert events == ["created", "notified"]
    assert receiver.received == []
