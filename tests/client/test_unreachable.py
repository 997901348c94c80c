"""No answer: the reason, and whether the request may have arrived."""

import httpx
import pytest
import respx

from loopin_mcp import LoopinClient, UnreachableError
from tests.support.client import DOUBT, KEYLESS, URL, Call, Naps


async def test_absent_api_is_told_with_its_address_and_the_reason(naps: Naps) -> None:
    def refuse(_request: httpx.Request) -> httpx.Response:
        reason = ConnectionRefusedError(111, "Connection refused")
        raise httpx.ConnectError("All connection attempts failed") from reason

    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as http:
        with pytest.raises(UnreachableError) as failure:
            await LoopinClient(URL, http=http, sleep=naps).cancel_interrupt("int-1")

    assert str(failure.value) == (
        f"No connection to the LoopIn API at {URL}: Connection refused. Check that it runs there, "
        "and that the address is right."
    )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (httpx.ConnectError("no route"), f"No connection to the LoopIn API at {URL}: no route."),
        (
            httpx.ConnectTimeout(""),
            f"No connection to the LoopIn API at {URL}: connecting took too long.",
        ),
        (
            httpx.ReadTimeout(""),
            f"The LoopIn API at {URL} did not answer GET /interrupts/int-1 within 10 s.",
        ),
        (
            httpx.ReadError(""),
            f"The LoopIn API at {URL} broke off its answer to GET /interrupts/int-1: the "
            "connection was lost.",
        ),
        (
            httpx.RemoteProtocolError("illegal status line: bytearray(b'secret')"),
            f"The LoopIn API at {URL} broke off its answer to GET /interrupts/int-1: it was cut "
            "short, or is not HTTP.",
        ),
    ],
)
async def test_lost_read_tells_why(
    client: LoopinClient, route: respx.Route, error: httpx.RequestError, reason: str
) -> None:
    route.side_effect = error

    with pytest.raises(UnreachableError) as failure:
        await client.get_interrupt_status("int-1")

    assert str(failure.value).startswith(f"{reason} Check ")
    assert DOUBT not in str(failure.value)


@pytest.mark.parametrize("call", KEYLESS)
@pytest.mark.parametrize(
    "error",
    [
        httpx.ReadTimeout(""),
        httpx.WriteError(""),
        httpx.ReadError(""),
        httpx.RemoteProtocolError(""),
        httpx.DecodingError(""),
    ],
)
async def test_write_without_a_key_that_may_have_arrived_is_sent_once_and_says_so(
    client: LoopinClient, route: respx.Route, call: Call, error: httpx.RequestError
) -> None:
    route.side_effect = error

    with pytest.raises(UnreachableError) as failure:
        await call(client)

    assert str(failure.value).endswith(DOUBT)
    assert route.call_count == 1
