"""Invalid and ambiguous HTTP: refused, while the API continues to serve."""

import json
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

import pytest

from loopin_mcp.api.rest.requests import MAX_BODY_BYTES
from tests.support.questions import NEW
from tests.support.sockets import GET_HEALTH, Target, connecting, create, request

CHUNKED = "Transfer-Encoding: chunked"
CLOSE = "Connection: close"
LONG = b"a" * 10**6


@pytest.fixture
async def api(served: str, anyio_backend: str) -> AsyncIterator[Target]:
    async with connecting(urlsplit(served).port or 0) as target:
        yield target


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /" + LONG + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /?" + LONG + b" HTTP/1.1\r\n\r\n", 414),
        (request("GET", "/health", "X: " + "a" * 2 * 10**6), 431),
        (request("GET", "/health", "Cookie: " + "a" * 2 * 10**6), 431),
        (request("GET", "/health", *["X: a"] * 300_000), 431),
        (create(LONG, f"Content-Length: {len(LONG)}"), 413),
        (create((b"10000\r\n" + b"a" * 65_536 + b"\r\n") * 16, CHUNKED), 413),
    ],
    ids=["path", "query", "header", "cookies", "headers", "body", "chunks"],
)
async def test_too_long_a_request_is_refused_in_json(api: Target, sent: bytes, status: int) -> None:
    raw = await api.connect(sent)

    answer = await raw.answer()

    assert (answer[0], list(answer[1])) == (status, ["error"])
    assert (await api.ask(GET_HEALTH))[0] == 200


async def test_body_that_is_announced_as_too_long_is_refused_before_it_is_sent(
    api: Target,
) -> None:
    raw = await api.connect(create(b"", f"Content-Length: {MAX_BODY_BYTES + 1}"))

    assert await raw.answer() == (
        413,
        {"error": f"The body must be at most {MAX_BODY_BYTES} bytes"},
    )


async def test_nobody_is_told_to_send_again_what_is_too_long(api: Target) -> None:
    raw = await api.connect(b"GET /" + LONG + b" HTTP/1.1\r\n\r\n")

    assert "retry-after" not in (await raw.head()).lower()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\xff\xfe\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 500,
        LONG + b" / HTTP/1.1\r\n\r\n",
        request("GET", "/health", "no colon"),
        request("GET", "/health", "X: a\0b"),
        request("GET", "/interrupts/é"),
        create(b"{}", "Content-Length: -2"),
        create(b"{}", "Content-Length: +2"),
        create(b"{}", "Content-Length: " + "9" * 30),
        create(b"{}", "Content-Length: 2", "Content-Length: 1"),
        create(b"{}", "Transfer-Encoding: gzip"),
        create(b"0\r\n\r\n", CHUNKED, "Transfer-Encoding: identity"),
        create(b"zz\r\n{}", CHUNKED),
        create(b"1;" + LONG + b"\r\n{\r\n0\r\n\r\n", CHUNKED, CLOSE),
        create(b"1\r\n{\r\n0\r\n" + b"X: a\r\n" * 100_000 + b"\r\n", CHUNKED, CLOSE),
        request("CONNECT", "example.com:443", CLOSE),
        request("X" * 5000, "/health", CLOSE),
    ],
    ids=lambda sent: sent[:80],
)
async def test_what_makes_no_sense_is_refused_once_and_the_connection_ended(
    api: Target, sent: bytes
) -> None:
    raw = await api.connect(sent)

    told = await raw.until_cut()

    assert told.startswith(b"HTTP/1.1 4")
    assert told.count(b"HTTP/1.1 ") == 1
    assert (await api.ask(GET_HEALTH))[0] == 200


@pytest.mark.parametrize(
    "request_of",
    [
        lambda body: create(body, f"Content-Length: {len(body)}", CHUNKED),
        lambda body: create(body, "Content-Length: 5", CHUNKED),
        lambda body: create(body, CHUNKED).replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
)
async def test_body_that_ends_in_two_places_smuggles_nothing_in(
    api: Target, request_of: Callable[[bytes], bytes]
) -> None:
    raw = await api.connect(request_of(b"0\r\n\r\n" + GET_HEALTH))

    told = await raw.until_cut()

    assert told.startswith(b"HTTP/1.1 400 ")
    assert told.count(b"HTTP/1.1 ") == 1


async def test_body_in_chunks_is_refused_of_whoever_speaks_http_1_0(api: Target) -> None:
    body = json.dumps(NEW).encode()
    chunks = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"

    taken = await api.ask(create(chunks, CHUNKED))
    refused = await api.ask(create(chunks, CHUNKED).replace(b"HTTP/1.1", b"HTTP/1.0"))

    assert taken[0] == 201
    assert refused == (
        400,
        {"error": "Transfer-Encoding must be sent without Content-Length, over HTTP/1.1"},
    )


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("OPTIONS", "*", 404),
        ("TRACE", "/health", 405),
        ("GET", "http://127.0.0.1/nothing", 404),
        ("GET", "//health", 404),
        ("GET", "/static/../app.py", 404),
        ("GET", "/static/%2e%2e/app.py", 404),
        ("GET", "/static/%00", 404),
        ("GET", "/interrupts/%00", 404),
        ("GET", "/interrupts/%ff%zz%", 404),
        ("GET", "/interrupts/%ED%A0%80", 404),
        ("GET", "/interrupts/a%0d%0aX:%20y", 404),
        ("DELETE", "/interrupts/..%2f..", 404),
        ("GET", "/interrupts/pending/%ff", 400),
        ("GET", "/interrupts/pending/%ED%A0%80", 400),
        ("GET", "/interrupts/pending/%00", 400),
        ("GET", "/interrupts/pending/%E2%80%8B%E2%80%AE", 400),
        ("GET", "/interrupts/pending/u?cursor=%ff%00", 400),
        ("GET", "/interrupts/pending/u?limit=" + "9" * 5000, 400),
        ("GET", "/analytics/%ff", 400),
    ],
)
async def test_odd_target_is_answered_and_the_connection_goes_on(
    api: Target, method: str, target: str, status: int
) -> None:
    raw = await api.connect(request(method, target) + GET_HEALTH)

    answer = await raw.answer()

    assert (answer[0], list(answer[1])) == (status, ["error"])
    assert (await raw.answer())[0] == 200
