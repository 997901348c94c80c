"""Web Push: encrypted, signed, sent once to each device, and only to devices of reviewers."""

import json
from base64 import urlsafe_b64decode

import pytest

from loopin_mcp.api.database.steps import Database, execute
from loopin_mcp.api.outbox import pushes as pushes_module
from loopin_mcp.api.outbox.delivery import NotSentError
from loopin_mcp.api.outbox.pushes import Subscription, count_devices
from loopin_mcp.api.outbox.web_push import VapidKeys
from loopin_mcp.api.store.browsers.devices import MOST_EACH
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import ConflictError, InvalidRequestError, NotFoundError
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, REVIEWER, Clock, new_interrupt
from tests.support.push import Device, base64url, device_at, outbox_of, pushes_of, subscribe
from tests.support.receiver import channels_to, deliver_due, outbox_to, receiving
from tests.support.visitors import BOBS_KEY

APPROVED = Decision(decision="approved")


def claims_of(authorization: str) -> dict[str, object]:
    """What a VAPID header claims."""
    claims = authorization.partition("t=")[2].split(".")[1]
    return dict(json.loads(urlsafe_b64decode(claims + "==")))


async def test_devices_are_counted_only_if_pushes_can_be_sent(
    store: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await subscribe(pushes_of(store), Device("https://8.8.8.8/phone"))

    with_extra = await database.transact(count_devices)
    monkeypatch.setattr(pushes_module, "is_installed", lambda: False)

    assert (with_extra, await database.transact(count_devices)) == (1, 0)


@pytest.mark.parametrize(
    ("urgency", "header"), [("low", "low"), ("medium", "normal"), ("high", "high")]
)
async def test_new_request_is_pushed_to_every_device_so_that_only_it_can_read_it(
    store: Store, clock: Clock, urgency: str, header: str
) -> None:
    pushes = pushes_of(store)
    with receiving(201) as receiver:
        outbox = outbox_of(store, pushes)
        mine, his = device_at(receiver, "mine"), device_at(receiver, "his")
        await subscribe(pushes, mine)
        await subscribe(pushes, his, "bob")
        created = await store.create_interrupt(new_interrupt(urgency=urgency), AGENT)
        await deliver_due(outbox)
        clock.advance(60)
        await deliver_due(outbox)
        received = {each.path: each for each in receiver.received}

    assert received.keys() == {"/mine", "/his"}
    assert (
        mine.read(received["/mine"])
        == his.read(received["/his"])
        == {
            "id": created.interrupt_id,
            "title": "Approval needed",
            "action": "Transfer $4,200 to vendor account ending in 9821",
            "agent": "agent-1",
            "urgency": urgency,
            "expiresMs": round(created.expires_at.timestamp() * 1000),
            "link": created.review_url,
        }
    )
    headers = received["/mine"].headers
    assert (headers["ttl"], headers["urgency"]) == ("3600", header)
    assert len(headers["topic"]) == 32
    assert claims_of(headers["authorization"]) == {
        "aud": f"http://127.0.0.1:{receiver.server_port}",
        "exp": clock.now // 1000 - 60 + 12 * 3600,
        "sub": "https://github.com/loopin-mcp/loopin-mcp",
    }
    # All messages are of one size.
    assert len({len(each.body) for each in received.values()}) == 1
    told = [
        event.detail["to"]
        for event in await store.list_events(created.interrupt_id)
        if event.type == "notified"
    ]
    assert sorted(map(str, told)) == ["Chrome on Android of alice", "Chrome on Android of bob"]


async def test_reminder_takes_the_place_of_the_first_push(
    sqlite_store: Store, clock: Clock
) -> None:
    pushes = pushes_of(sqlite_store)
    with receiving(201) as receiver:
        outbox, device = outbox_of(sqlite_store, pushes), device_at(receiver)
        await subscribe(pushes, device)
        await sqlite_store.create_interrupt(new_interrupt(expires_in=1000), AGENT)
        await deliver_due(outbox)
        clock.advance(500)
        await deliver_due(outbox)
        first, second = receiver.received

    assert device.read(second)["title"] == "Approval still needed"
    assert second.headers["topic"] == first.headers["topic"]
    assert (first.headers["ttl"], second.headers["ttl"]) == ("1000", "500")


async def test_agent_can_neither_hide_nor_imitate_anything(sqlite_store: Store) -> None:
    pushes = pushes_of(sqlite_store)
    with receiving(201) as receiver:
        outbox, device = outbox_of(sqlite_store, pushes), device_at(receiver)
        await subscribe(pushes, device)
        action = "Pay`\n[ok](http://evil.test) \u202eolleh" + "\U0001f600" * 500
        new = new_interrupt(action=action, agent_id="a" * 200)
        await sqlite_store.create_interrupt(new, AGENT)
        await deliver_due(outbox)
        [received] = receiver.received

    shown = device.read(received)
    assert shown["action"].startswith("Pay｀ ↵ ［ok］(http：//evil．test) ［U+202E］olleh")
    assert shown["action"].endswith(" … (cut here: the review page has the whole)")
    assert shown["agent"] == f"{'a' * 60} … (cut here: the review page has the whole)"


async def test_device_for_high_urgency_only_gets_no_other(sqlite_store: Store) -> None:
    pushes = pushes_of(sqlite_store)
    with receiving(201) as receiver:
        outbox, device = outbox_of(sqlite_store, pushes), device_at(receiver)
        device_id = await subscribe(pushes, device)
        await sqlite_store.devices.choose(device_id, urgent_only=True)
        for urgency in ("low", "medium", "high"):
            await sqlite_store.create_interrupt(new_interrupt(urgency=urgency), AGENT)
        await deliver_due(outbox)
        [received] = receiver.received

    assert device.read(received)["urgency"] == "high"


async def test_what_is_settled_is_not_pushed(store: Store) -> None:
    pushes = pushes_of(store)
    with receiving(201) as receiver:
        outbox = outbox_of(store, pushes)
        await subscribe(pushes, device_at(receiver))
        created = await store.create_interrupt(new_interrupt(), AGENT)
        await store.decide_interrupt(created.interrupt_id, APPROVED, REVIEWER)
        await deliver_due(outbox)

        assert receiver.received == []


@pytest.mark.parametrize("status", [404, 410])
async def test_device_that_ended_its_subscription_is_removed(store: Store, status: int) -> None:
    pushes = pushes_of(store)
    with receiving(status) as receiver:
        outbox = outbox_of(store, pushes)
        await subscribe(pushes, device_at(receiver))
        created = await store.create_interrupt(new_interrupt(), AGENT)
        await store.create_interrupt(new_interrupt(), AGENT)
        await deliver_due(outbox)

        assert len(receiver.received) <= 2
    assert await pushes.list_of("alice") == []
    events = await store.list_events(created.interrupt_id)
    assert [event.type for event in events] == ["created"]


@pytest.mark.parametrize("answer", [302, 403, 413, 429, 500, "hang", "gone"])
async def test_failed_push_is_tried_again_and_the_page_says_why(
    sqlite_store: Store, clock: Clock, answer: int | str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    # No machine answers a hanging request in no time.
    pushes = pushes_of(sqlite_store, send_s=0.2 if answer == "hang" else 10)
    with receiving(*([answer] if answer != "gone" else [500]), 201) as receiver:
        outbox = outbox_of(sqlite_store, pushes)
        device = (
            device_at(receiver) if answer != "gone" else Device("http://127.0.0.1:1/path-marker")
        )
        await subscribe(pushes, device)
        await sqlite_store.create_interrupt(new_interrupt(), AGENT)
        await deliver_due(outbox)
        [failed] = await pushes.list_of("alice")
        if answer != "gone":
            assert device.read(receiver.take())
            clock.advance(20)
            await deliver_due(outbox)
            assert device.read(receiver.take())

    assert failed.failed_ms is not None
    assert failed.sent_ms is None
    [row] = await pushes.list_of("alice")
    assert (row.failure is None) == (answer != "gone")
    assert f"will be tried again: {failed.failure}" in caplog.text
    assert "path-marker" not in caplog.text + str(failed.failure)
    await pushes.aclose()


async def test_devices_end_with_the_key_of_their_reviewer(store: Store) -> None:
    with receiving(201) as receiver:
        before = pushes_of(store)
        for name in ("alice", "bob"):
            await subscribe(before, device_at(receiver, name), name)
        # Alice has another key now, and bob is as before.
        after = pushes_of(store, {"alice": "another-key-that-is-long-enough-1", "bob": BOBS_KEY})
        outbox = outbox_of(store, after)
        assert await after.list_of("alice") == []
        await store.create_interrupt(new_interrupt(), AGENT)
        await deliver_due(outbox)

        assert [received.path for received in receiver.received] == ["/bob"]
    assert await store.devices.list_of("alice") == []


async def test_devices_without_keys_end_once_there_are_reviewers(sqlite_store: Store) -> None:
    with receiving(201) as receiver:
        before = pushes_of(sqlite_store, {})
        await subscribe(before, device_at(receiver), "anonymous")
        assert len(await before.list_of("anonymous")) == 1
        outbox = outbox_of(sqlite_store, pushes_of(sqlite_store))
        await sqlite_store.create_interrupt(new_interrupt(), AGENT)
        await deliver_due(outbox)

        assert receiver.received == []


@pytest.mark.parametrize("column", ["endpoint", "name", "seal"])
async def test_device_that_was_edited_in_the_database_gets_nothing(
    store: Store, database: Database, column: str
) -> None:
    pushes = pushes_of(store)
    with receiving(201) as receiver:
        outbox = outbox_of(store, pushes)
        await subscribe(pushes, device_at(receiver))
        url = f"http://127.0.0.1:{receiver.server_port}/\xe9"
        sql = f"UPDATE devices SET {column} = :url"  # noqa: S608 - a constant
        await execute(database, sql, url=url)
        await store.create_interrupt(new_interrupt(), AGENT)
        await deliver_due(outbox)

        assert receiver.received == []


@pytest.mark.parametrize("seal", ["", "-"])
async def test_device_of_nobody_that_was_added_in_the_database_gets_nothing(
    store: Store, database: Database, seal: str
) -> None:
    pushes = pushes_of(store)
    with receiving(201) as receiver:
        outbox = outbox_of(store, pushes)
        await subscribe(pushes, device_at(receiver))
        sql = "UPDATE devices SET subject = :subject, seal = :seal"
        await execute(database, sql, subject="nobody", seal=seal)
        await store.create_interrupt(new_interrupt(), AGENT)
        await deliver_due(outbox)

        assert receiver.received == []


async def test_device_of_an_earlier_key_of_the_api_has_to_be_added_again(
    sqlite_store: Store,
) -> None:
    with receiving(201) as receiver:
        before, device = pushes_of(sqlite_store), device_at(receiver)
        await subscribe(before, device)
        rotated = pushes_of(sqlite_store, secrets=("new", "secret"))
        unrelated = pushes_of(sqlite_store, secrets=("new",))
        [row] = await rotated.list_of("alice")

        # An earlier key that is still listed signs for it.
        assert await rotated.send_test(row)
        assert device.read(receiver.take())["title"] == "LoopIn test"
        with pytest.raises(NotSentError, match="turn notifications on again there"):
            await unrelated.send_test(row)


async def test_same_browser_is_one_device_of_the_last_who_added_it(store: Store) -> None:
    pushes, device = pushes_of(store), Device("https://8.8.8.8/push")

    await subscribe(pushes, device)
    await subscribe(pushes, device, "bob")

    assert await pushes.list_of("alice") == []
    [row] = await pushes.list_of("bob")
    with pytest.raises(NotFoundError):
        await pushes.get("alice", row.device_id)


async def test_reviewer_has_a_bounded_number_of_devices(store: Store) -> None:
    pushes = pushes_of(store)
    for place in range(MOST_EACH):
        await subscribe(pushes, Device(f"https://8.8.8.8/{place}"))

    with pytest.raises(ConflictError, match="remove one first"):
        await subscribe(pushes, Device("https://8.8.8.8/more"))

    await subscribe(pushes, Device("https://8.8.8.8/more"), "bob")
    assert len(await pushes.list_of("alice")) == MOST_EACH


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "push",
        "http://8.8.8.8/push",
        "https://10.0.0.1/push",
        "https://169.254.169.254/latest",
        "https://user:password@8.8.8.8/push",
        "https://[fe80::1]/push",
        "ftp://8.8.8.8/push",
        f"https://8.8.8.8/{'x' * 3000}",
        "https://8.8.8.8/\n",
        "https://[/",
    ],
)
async def test_endpoint_that_is_not_a_public_https_address_is_refused(
    sqlite_store: Store, endpoint: str
) -> None:
    pushes = pushes_of(sqlite_store)

    with pytest.raises(InvalidRequestError, match="address of the push service"):
        await subscribe(pushes, Device(endpoint))


async def test_endpoint_that_does_not_resolve_now_is_accepted(sqlite_store: Store) -> None:
    pushes = pushes_of(sqlite_store)

    await subscribe(pushes, Device("https://push.example/1"))

    [row] = await pushes.list_of("alice")
    # Nothing has been opened yet.
    await pushes.aclose()
    with pytest.raises(NotSentError, match="Name or service not known"):
        await pushes.send_test(row)


@pytest.mark.parametrize(
    "changes",
    [{"p256dh": "x"}, {"p256dh": base64url(b"\x04" * 65)}, {"auth": "AAAA"}, {"server_key": "x"}],
)
async def test_subscription_with_wrong_keys_is_refused(
    sqlite_store: Store, changes: dict[str, str]
) -> None:
    pushes = pushes_of(sqlite_store)
    right = Device("https://8.8.8.8/push").form | {"server_key": await pushes.public_key()}

    with pytest.raises(InvalidRequestError):
        await pushes.add("alice", "Chrome", Subscription(**right | changes))


async def test_keys_are_the_same_in_all_processes_and_not_in_the_database() -> None:
    first, second = VapidKeys(("secret",), b"stored"), VapidKeys(("secret",), b"stored")

    assert first.public_key == second.public_key
    assert VapidKeys((), b"stored").public_key != first.public_key
    assert VapidKeys(("secret",), b"other").public_key != first.public_key


async def test_channels_that_are_set_later_get_what_only_devices_got(
    sqlite_store: Store,
) -> None:
    pushes = pushes_of(sqlite_store)
    with receiving(500) as push_service, receiving() as receiver:
        outbox = outbox_of(sqlite_store, pushes)
        await subscribe(pushes, device_at(push_service))
        await sqlite_store.create_interrupt(new_interrupt(), AGENT)
        await deliver_due(outbox)
        outbox = outbox_to(sqlite_store, channels_to(receiver.url))
        await sqlite_store.deliveries.owe_untold()
        await deliver_due(outbox)

        assert len(receiver.messages) == 1
