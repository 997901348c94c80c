"""Successful answers that cannot come from a LoopIn API."""

import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
import respx

from loopin_mcp import APIError, Decision, LoopinClient, UnreachableError
from loopin_mcp.client.transport import INTERRUPT_ANSWER, LIST_ANSWER, SMALL_ANSWER
from tests.support.client import NOT_LOOPIN, PENDING, STATUS, TRACE, URL, answer


class Endless(httpx.AsyncByteStream):
    """An endless body, which records whether it was closed."""

    closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield bytes(8 * 1024 * 1024)

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("body", "kind", "found"),
    [
        ("", "application/json", "nothing"),
        (" \n", "text/html", "nothing"),
        ("{}", "", "something unknown"),
        ("{}", "text/html secret<b>", "something unknown"),
        (TRACE, "Text/HTML; charset=utf-8", "text/html"),
        (
            '{"interruptId": "int-1", "sta',
            "application/json",
            "JSON of another kind, or cut short,",
        ),
        ('{"secret": 1}', "application/json", "JSON of another kind, or cut short,"),
        ('["secret"]', "application/json", "JSON of another kind, or cut short,"),
        ("[" * 100_000, "application/json", "JSON of another kind, or cut short,"),
        (
            json.dumps(PENDING | {"expiresAt": "0001-01-01T00:00:00+05:00"}),
            "application/problem+json",
            "JSON of another kind, or cut short,",
        ),
        (
            json.dumps(PENDING | {"interruptId": "int-2"}),
            "application/json",
            "another interrupt than the one asked for",
        ),
    ],
)
async def test_success_that_is_no_answer_of_loopin_is_refused(
    client: LoopinClient, route: respx.Route, body: str, kind: str, found: str
) -> None:
    route.return_value = httpx.Response(200, content=body, headers={"content-type": kind})

    with pytest.raises(APIError) as refusal:
        await client.get_interrupt_status("int-1")

    assert str(refusal.value) == f"GET {STATUS} answered {found} (HTTP 200), {NOT_LOOPIN}"


@pytest.mark.parametrize("status", [202, 206])
async def test_success_of_another_kind_is_no_answer_of_loopin(
    client: LoopinClient, route: respx.Route, status: int
) -> None:
    route.return_value = answer(PENDING, status)

    with pytest.raises(APIError) as refusal:
        await client.get_interrupt_status("int-1")

    assert str(refusal.value) == (
        f"GET {STATUS} answered JSON of another kind, or cut short, (HTTP {status}), {NOT_LOOPIN}"
    )


@respx.mock
async def test_receipt_for_another_interrupt_is_refused(client: LoopinClient) -> None:
    receipt = {"interruptId": "int-2", "status": "resolved", "decision": "approved"}
    respx.route().respond(200, json=receipt)
    other = "another interrupt than the one asked for"

    with pytest.raises(APIError, match=other):
        await client.decide_interrupt("int-1", Decision(decision="approved"))
    with pytest.raises(APIError, match=other):
        await client.cancel_interrupt("int-1")


@pytest.mark.parametrize(
    ("call", "asked", "longest"),
    [
        (lambda client: client.get_health(), "GET /health", SMALL_ANSWER),
        (lambda client: client.get_interrupt_analytics("u"), "GET /analytics/u", SMALL_ANSWER),
        (lambda client: client.get_interrupt_status("i"), "GET /interrupts/i", INTERRUPT_ANSWER),
        (
            lambda client: client.list_pending_interrupts("u"),
            "GET /interrupts/pending/u",
            LIST_ANSWER,
        ),
    ],
)
async def test_answer_longer_than_the_call_can_have_is_cut_off(
    client: LoopinClient,
    route: respx.Route,
    call: Callable[[LoopinClient], Awaitable[object]],
    asked: str,
    longest: int,
) -> None:
    endless = Endless()
    route.return_value = httpx.Response(200, stream=endless)

    with pytest.raises(UnreachableError) as failure:
        await call(client)

    assert str(failure.value) == (
        f"The answer of the LoopIn API at {URL} to {asked} cannot be read: more than "
        f"{longest} bytes. Check the API and any proxy before it."
    )
    assert (route.call_count, endless.closed) == (1, True)


async def test_compressed_answer_is_not_unpacked(client: LoopinClient, route: respx.Route) -> None:
    bomb = gzip.compress(gzip.compress(bytes(1_000_000)))
    headers = {"content-encoding": "gzip, gzip"}
    # The mock itself would decompress a response of bytes.
    route.return_value = httpx.Response(200, stream=httpx.ByteStream(bomb), headers=headers)

    with pytest.raises(UnreachableError, match="cannot be read: it is compressed"):
        await client.get_interrupt_status("int-1")


async def test_link_header_without_end_is_not_searched(
    client: LoopinClient, respx_mock: respx.MockRouter
) -> None:
    link = "<a>;" * 100_000 + '<b?cursor=c>; rel="next"'
    respx_mock.get(f"{URL}/interrupts/pending/u").respond(200, json=[], headers={"Link": link})

    page = await client.list_pending_interrupts("u")

    assert page.next_cursor is None


async def test_number_that_json_cannot_carry_is_no_answer(
    client: LoopinClient, route: respx.Route
) -> None:
    approved = json.dumps(PENDING | {"status": "approved", "modifiedParams": {"amount": 1}})
    route.respond(
        200,
        content=approved.replace('"amount": 1', '"amount": 1e999').encode(),
        content_type="application/json",
    )

    with pytest.raises(APIError, match="JSON of another kind"):
        await client.get_interrupt_status("int-1")


async def test_receipt_of_another_decision_is_refused(
    client: LoopinClient, respx_mock: respx.MockRouter
) -> None:
    receipt = {"interruptId": "int-1", "status": "resolved", "decision": "rejected"}
    respx_mock.post(f"{STATUS}/decide").respond(200, json=receipt)

    with pytest.raises(APIError, match="another decision than the one sent"):
        await client.decide_interrupt("int-1", Decision(decision="approved"))
