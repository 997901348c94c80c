"""Callback URLs at create: refused if callbacks must not go there."""

import contextlib
import ipaddress
import sys
import threading
from collections.abc import Collection
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from loopin_mcp.api.outbox.destinations import Destinations
from loopin_mcp.api.outbox.lookups import Lookups
from loopin_mcp.api.store.store import Store
from loopin_mcp.settings.api_options import Options
from loopin_mcp.settings.settings import Settings
from tests.api.outbox.test_destinations import NOT_THERE, refusal
from tests.support import KEY, PATIENCE_S, api_client
from tests.support.receiver import Names

OFF = (
    "callbackUrl cannot be used here, so leave it out: this API sends no callbacks, unless "
    "LOOPIN_CALLBACK_ALLOW lists the network of the receiver"
)
NO_PASSWORD = (
    "callbackUrl must not hold a user name or password: take them out, and let the receiver check "
    "the signature that LOOPIN_CALLBACK_SECRET makes"
)


@pytest.mark.parametrize(
    ("allow", "alone", "embedded"),
    [
        (None, (True, 0), (False, 0)),
        ("off", (False, 0), (False, 0)),
        ("FALSE", (False, 0), (False, 0)),
        ("127.0.0.0/8, ::1", (True, 2), (False, 2)),
        ("public 10.1.0.0/16", (True, 1), (True, 1)),
    ],
)
def test_callbacks_go_where_the_settings_say(
    allow: str | None, alone: tuple[bool, int], embedded: tuple[bool, int]
) -> None:
    settings = Settings.load({"LOOPIN_CALLBACK_ALLOW": allow} if allow else {}, "api")

    options = Options.of(settings), Options.embedded_of(settings, KEY)

    assert [(each.calls_public, len(each.callback_allow)) for each in options] == [alone, embedded]


@pytest.mark.parametrize(
    "url",
    [
        "http://u:p@203.0.113.7/",
        "https://u@example.com/x",
        "http://:p@h.test",
        "http://example.com:80@127.0.0.1:80/",
    ],
)
async def test_password_in_a_url_is_refused_with_the_remedy(url: str) -> None:
    assert await refusal(url, Destinations((), Names())) == NO_PASSWORD


async def test_name_server_that_hangs_does_not_hold_a_create_for_long() -> None:
    async def hang(host: str) -> Collection[str]:
        await anyio.sleep_forever()
        return ()

    with anyio.fail_after(PATIENCE_S):
        assert await refusal("https://h.test/", Destinations((), hang, check_s=0.01)) is None


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("10.1.2.3", None),
        ("[::ffff:10.1.2.3]", None),
        ("10.2.0.1", NOT_THERE),
        ("[fd00:1::1]", None),
        ("[64:ff9b::a01:203]", NOT_THERE),
        ("127.0.0.1", NOT_THERE),
    ],
)
async def test_listed_network_may_be_used_too(host: str, told: str | None) -> None:
    listed = [ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00:1::/64")]
    destinations = Destinations(listed, Lookups().addresses_of, PATIENCE_S)

    assert await refusal(f"http://{host}/hook", destinations) == told


async def test_lookups_that_hang_are_bounded_in_number() -> None:
    lookups = Lookups(most_at_once=0)

    with pytest.raises(OSError, match="too many names are being looked up"):
        await lookups.addresses_of("localhost")


async def test_lookup_that_nobody_waits_for_any_more_makes_room_at_its_end() -> None:
    lookups = Lookups(most_at_once=1)
    with anyio.CancelScope() as gone:
        gone.cancel()
        await lookups.addresses_of("localhost")

    found: list[str] = []
    with anyio.fail_after(PATIENCE_S):
        while not found:
            await checkpoint()
            with contextlib.suppress(OSError):
                found = await lookups.addresses_of("localhost")

    assert "127.0.0.1" in found


async def test_name_that_cannot_be_is_not_known() -> None:
    with pytest.raises(OSError, match=r"\w"):
        await Lookups().addresses_of("a..b")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, NOT_THERE),
        ({"callback_allow": (ipaddress.ip_network("10.0.0.0/8"),)}, NOT_THERE),
        ({"callback_allow": (ipaddress.ip_network("127.0.0.1"),)}, None),
        (
            {"callback_allow": (ipaddress.ip_network("127.0.0.1"),), "calls_public": False},
            None,
        ),
        (
            {"callback_allow": (ipaddress.ip_network("10.0.0.0/8"),), "calls_public": False},
            NOT_THERE.replace("public, or ", ""),
        ),
        ({"calls_public": False}, OFF),
    ],
    ids=["public", "another network", "listed", "only listed", "only another", "off"],
)
async def test_create_is_refused_where_its_callback_may_not_go(
    sqlite_store: Store,
    options: dict[str, Any],
    told: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A create does not wait for a slow lookup.
    monkeypatch.setattr(Lookups, "addresses_of", Names(localhost=["127.0.0.1"]))
    question = {"agentId": "a", "userId": "u", "action": "Pay", "context": {}}

    async with api_client(sqlite_store, api_key=KEY, **options) as client:
        answer = await client.post(
            "/interrupts",
            json={**question, "callbackUrl": "http://localhost:9/hook?token=s3cret"},
            headers={"X-API-Key": KEY},
        )
        pending = (await sqlite_store.list_pending_interrupts("u")).count

    assert (answer.status_code, pending) == ((400, 0) if told else (201, 1))
    assert answer.json().get("error") == told


@pytest.mark.skipif(sys.platform == "win32", reason="Windows bounds the size of a stack")
async def test_create_goes_on_where_no_thread_can_be_started() -> None:
    destinations = Destinations((), Lookups().addresses_of)
    # No thread can have a stack of this size.
    size = threading.stack_size(2**60)
    try:
        refused = await refusal("https://h.test/", destinations)
    finally:
        threading.stack_size(size)

    assert refused is None
