"""Retries: which requests, how often, after how long, and to which address."""

import httpx
import pytest
import respx

from loopin_mcp import (
    Address,
    APIError,
    Interrupt,
    LoopinClient,
    LoopinError,
    NotFoundError,
    UnreachableError,
)
from loopin_mcp.client.retries import LONGEST_BACKOFF_S
from tests.support import KEY
from tests.support.client import (
    APPROVED,
    DATE,
    KEYLESS,
    READS,
    STATUS,
    TRACE,
    URL,
    WRITES,
    Call,
    Naps,
    answer,
)


@pytest.mark.parametrize("call", READS)
@pytest.mark.parametrize(
    "first",
    [
        httpx.ConnectError(""),
        httpx.ConnectTimeout(""),
        httpx.ReadError(""),
        httpx.RemoteProtocolError(""),
        answer({"error": "Too many"}, 429),
        httpx.Response(502, html=TRACE),
        answer({"error": "Restarting"}, 503, retry_after="0"),
        httpx.Response(504),
    ],
)
async def test_read_is_sent_again_after_a_passing_failure(
    client: LoopinClient,
    route: respx.Route,
    naps: Naps,
    call: Call,
    first: httpx.Response | httpx.RequestError,
) -> None:
    route.side_effect = [first, answer({"error": "Interrupt not found"}, 404)]

    with pytest.raises(NotFoundError):
        await call(client)

    assert route.call_count == 2
    assert [0.5 <= delay_s <= 1 for delay_s in naps.taken] == [True]


async def test_read_that_succeeds_at_last_is_a_success(
    client: LoopinClient, route: respx.Route, naps: Naps
) -> None:
    route.side_effect = [httpx.ReadError(""), httpx.Response(503), answer(APPROVED)]

    interrupt = await client.get_interrupt_status("int-1")

    assert interrupt == Interrupt.model_validate(APPROVED)
    assert [0.5 <= naps.taken[0] <= 1, 1 <= naps.taken[1] <= 2] == [True, True]


async def test_read_is_given_up_after_the_last_attempt(route: respx.Route, naps: Naps) -> None:
    route.side_effect = httpx.ConnectError("")

    async with LoopinClient(URL, attempts=8, sleep=naps) as client:
        with pytest.raises(UnreachableError):
            await client.get_interrupt_status("int-1")

    assert route.call_count == 8
    assert 0.5 * LONGEST_BACKOFF_S <= max(naps.taken) <= LONGEST_BACKOFF_S


@pytest.mark.parametrize(
    "headers",
    [
        {"retry-after": "5"},
        {"retry-after": "Sun, 15 Jun 2025 15:06:45 GMT", "date": DATE},
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_read_waits_as_long_as_it_is_asked_to(
    client: LoopinClient, route: respx.Route, naps: Naps, status: int, headers: dict[str, str]
) -> None:
    route.side_effect = [httpx.Response(status, headers=headers), answer(APPROVED)]

    await client.get_interrupt_status("int-1")

    assert [5.5 <= delay_s <= 6 for delay_s in naps.taken] == [True]


@pytest.mark.parametrize(
    "failure",
    [
        httpx.Response(429, html=TRACE, headers={"retry-after": "9"}),
        answer({"error": "Restarting"}, 503, retry_after="3600"),
        answer({"error": "Internal error"}, 500),
        answer({"error": "Not implemented"}, 501),
        answer({"error": "Interrupt not found"}, 404),
        httpx.ReadTimeout(""),
    ],
)
async def test_read_is_not_sent_again_where_that_is_of_no_use(
    client: LoopinClient,
    route: respx.Route,
    naps: Naps,
    failure: httpx.Response | httpx.RequestError,
) -> None:
    route.side_effect = [failure]

    with pytest.raises(LoopinError):
        await client.get_interrupt_status("int-1")

    assert (route.call_count, naps.taken) == (1, [])


@pytest.mark.parametrize("call", WRITES)
async def test_write_is_sent_again_where_no_connection_was_made(
    client: LoopinClient, route: respx.Route, call: Call
) -> None:
    route.side_effect = [
        httpx.ConnectError(""),
        httpx.ConnectTimeout(""),
        answer({"error": "Interrupt not found"}, 404),
    ]

    with pytest.raises(NotFoundError):
        await call(client)

    assert route.call_count == 3


@pytest.mark.parametrize("call", KEYLESS)
@pytest.mark.parametrize("status", [409, 429, 502, 503, 504])
async def test_write_without_a_key_that_was_answered_is_sent_once(
    client: LoopinClient, route: respx.Route, call: Call, status: int
) -> None:
    route.return_value = answer({"error": "Not now"}, status, retry_after="1")

    with pytest.raises(APIError):
        await call(client)

    assert route.call_count == 1


async def test_address_is_asked_for_before_every_attempt(
    respx_mock: respx.MockRouter, naps: Naps
) -> None:
    addresses = iter([Address("http://gone.test", "old"), Address(URL, KEY)])
    gone = respx_mock.get("http://gone.test/interrupts/int-1")
    gone.side_effect = httpx.ConnectError("")
    found = respx_mock.get(STATUS, headers={"x-api-key": KEY})
    found.return_value = answer(APPROVED)

    async def locate() -> Address:
        return next(addresses)

    async with LoopinClient(locate=locate, sleep=naps) as client:
        interrupt = await client.get_interrupt_status("int-1")

    assert interrupt == Interrupt.model_validate(APPROVED)
