"""Limits of connections: slow clients are disconnected, and many leave room for others."""

import asyncio
import json
import re
import sys
from pathlib import Path

import pytest

from loopin_mcp.api.access.limits import Limits
from loopin_mcp.api.serving.connection import MAX_IGNORED_BYTES, Connection
from loopin_mcp.api.serving.connections import Connections
from tests.support.loops import WITH_LEAPING_TIME, Backend
from tests.support.questions import NEW
from tests.support.sockets import GET_HEALTH, attacked, create, request

LIMITS = Limits()
OK = {"status": "ok", "service": "loopin-api"}


@pytest.fixture
def anyio_backend() -> Backend:
    return WITH_LEAPING_TIME


def is_well(answer: tuple[int, dict[str, str]]) -> bool:
    return answer[0] == 200 and answer[1].items() >= OK.items()


async def large_page(data_dir: Path) -> bytes:
    """Ask for a page of almost three megabytes, more than systems buffer."""
    async with attacked(data_dir, LIMITS) as api:
        # Each character is shown by its code.
        interrupt_id = await api.create(context={"text": "\x7f" * 40_000})
    return request("GET", f"/review/{interrupt_id}")


def length_in(head: str) -> int:
    found = re.search(r"content-length: (\d+)", head)
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /health HTTP/1.1\r\nHo",
        create(b"{", "Content-Length: 100"),
        create(b"1\r\n{\r\n", "Transfer-Encoding: chunked"),
        create(b"", "Content-Length: 100", "Expect: 100-continue"),
    ],
    ids=["nothing", "half a head", "half a body", "a chunk", "no body although it may"],
)
async def test_client_that_does_not_go_on_is_cut(tmp_path: Path, sent: bytes) -> None:
    async with attacked(tmp_path, LIMITS) as api:
        slow = await api.connect(sent)
        await api.pass_time(LIMITS.patience_s)

        assert await slow.until_cut() in (b"", b"HTTP/1.1 100 Continue\r\n\r\n")
        assert is_well(await api.ask(GET_HEALTH))


async def test_head_that_comes_byte_by_byte_is_cut_while_others_are_served(tmp_path: Path) -> None:
    async with attacked(tmp_path, LIMITS) as api:
        slow = await (await api.connect()).send(b"GET /health HTTP/1.1\r\nX: ")

        for _ in range(4):
            await slow.send(b"a")
            assert is_well(await api.ask(GET_HEALTH))
            await api.pass_time(LIMITS.patience_s / 4)

        assert await slow.until_cut() == b""


async def test_connection_that_is_used_no_more_is_closed(tmp_path: Path) -> None:
    async with attacked(tmp_path, LIMITS) as api:
        idle = await api.connect(GET_HEALTH)

        assert is_well(await idle.answer())
        await api.pass_time(LIMITS.patience_s)
        assert await idle.until_cut() == b""


async def test_remains_of_a_refused_body_are_taken_for_a_while_alone(tmp_path: Path) -> None:
    async with attacked(tmp_path, LIMITS) as api:
        refused = await api.connect(create(b"a" * 500_000, "Content-Length: 900000"))

        assert (await refused.answer())[0] == 413
        await api.pass_time(LIMITS.patience_s)
        assert await refused.until_cut() == b""


@pytest.mark.parametrize("more", ["X: y", "Connection: close", "Expect: 100-continue"])
@pytest.mark.parametrize(
    ("method", "kind", "status"),
    [("POST", "application/json", 413), ("POST", "text/plain", 415), ("PUT", "x/y", 405)],
)
async def test_client_that_sends_a_body_too_large_gets_to_read_the_refusal(
    tmp_path: Path, method: str, kind: str, status: int, more: str
) -> None:
    body = b"a" * 5_000_000
    chunked = b"".join(b"%x\r\n%b\r\n" % (len(body) // 10, body[::10]) for _ in range(10))
    headers = (f"Content-Type: {kind}", more)
    async with attacked(tmp_path, LIMITS) as api:
        for length, sent in (
            (f"Content-Length: {len(body)}", body),
            ("Transfer-Encoding: chunked", chunked + b"0\r\n\r\n"),
        ):
            asked = request(method, "/interrupts", *headers, length, body=sent)
            raw = await (await api.connect()).send(asked)

            head = await raw.head()
            if head == "HTTP/1.1 100 Continue":
                head = await raw.head()
            assert head.startswith(f"HTTP/1.1 {status} ")
            assert json.loads(await raw.until_cut())["error"]


async def test_refused_body_without_end_is_cut(tmp_path: Path) -> None:
    headers = ("Content-Length: 900000000", "Connection: close")
    async with attacked(tmp_path, LIMITS) as api:
        asked = request("PUT", "/interrupts", *headers, body=b"a" * (MAX_IGNORED_BYTES + 10**7))
        flood = await api.connect(asked)

        assert (await flood.answer())[0] == 405
        await flood.until_cut()
        assert is_well(await api.ask(GET_HEALTH))


async def test_request_that_waits_for_a_human_is_not_cut(tmp_path: Path) -> None:
    async with attacked(tmp_path, LIMITS) as api:
        interrupt_id = await api.create()
        waiting = await api.wait_for(interrupt_id)
        await api.pass_time(LIMITS.patience_s)

        await api.cancel(interrupt_id)

        assert (await waiting.answer())[1]["status"] == "cancelled"


async def test_body_without_end_of_a_request_that_waits_is_cut(tmp_path: Path) -> None:
    async with attacked(tmp_path, LIMITS) as api:
        wait = ("Prefer: wait=60", "Content-Length: 100000000")
        path = f"/interrupts/{await api.create()}"
        flood = await api.connect(request("GET", path, *wait, body=b"a" * 10**7))

        assert await flood.until_cut() == b""


async def test_bodies_that_are_refused_unread_do_not_add_up(tmp_path: Path) -> None:
    async with attacked(tmp_path, LIMITS) as api:
        unread = request("PUT", "/interrupts", "Content-Length: 20000", body=b"a" * 20_000)
        raw = await api.connect()

        for _ in range(10):
            await raw.send(unread)
            assert (await raw.answer())[0] == 405


async def test_newcomer_takes_the_place_of_whoever_has_been_idle_the_longest(
    tmp_path: Path,
) -> None:
    async with attacked(tmp_path, Limits(connections=3)) as api:
        interrupt_id = await api.create()
        waiting = await api.wait_for(interrupt_id)
        first = await api.connect(b"GET /")
        assert is_well(await api.ask(GET_HEALTH))
        second = await api.connect(GET_HEALTH[:10])

        assert is_well(await api.ask(GET_HEALTH))

        assert await first.until_cut() == b""
        assert is_well(await (await second.send(GET_HEALTH[10:])).answer())
        await api.cancel(interrupt_id)
        assert (await waiting.answer())[1]["status"] == "cancelled"


async def test_much_of_incomplete_requests_makes_room_for_more(tmp_path: Path) -> None:
    async with attacked(tmp_path, Limits(patience_s=60, held_bytes=100_000)) as api:
        body = json.dumps(NEW | {"context": {"text": "x" * 60_000}}).encode()
        asked = create(body, f"Content-Length: {len(body)}")
        first = await api.connect(asked[:-1])
        for _ in range(3):
            assert (await api.ask(asked))[0] == 201

        assert await first.until_cut() == b""
        head = await api.connect(GET_HEALTH.strip() + b"\r\nX: " + b"a" * 60_000)
        for _ in range(3):
            assert (await api.ask(asked))[0] == 201
        assert await head.until_cut() == b""


async def test_newcomer_is_told_when_nobody_is_idle(tmp_path: Path) -> None:
    async with attacked(tmp_path, Limits(connections=3)) as api:
        interrupt_id = await api.create()
        waiting = [await api.wait_for(interrupt_id) for _ in range(2)]
        await api.watch(interrupt_id)

        for _ in range(2):
            one_too_many = await api.connect(GET_HEALTH)
            refusal = {"error": "Too many connections: try again soon"}
            assert await one_too_many.answer() == (503, refusal)

        await waiting[0].stream.aclose()
        await one_too_many.stream.aclose()
        assert is_well(await api.ask(GET_HEALTH))


async def test_reader_that_takes_nothing_of_its_answer_is_cut(tmp_path: Path) -> None:
    asked = await large_page(tmp_path)
    async with attacked(tmp_path, LIMITS) as api:
        reader = await api.connect(asked)
        size = length_in(await reader.head())
        # The system buffered the first part.
        for _ in range(5):
            await api.pass_time(LIMITS.patience_s)

        assert len(await reader.until_cut()) < size


async def test_reader_that_takes_its_answer_slowly_gets_all_of_it(tmp_path: Path) -> None:
    asked = await large_page(tmp_path)
    async with attacked(tmp_path, LIMITS) as api:
        reader = await api.connect(asked)
        size = length_in(await reader.head())
        piece = size // 10
        for _ in range(9):
            await reader.receive(piece)
            await api.pass_time(LIMITS.patience_s)

        assert len(await reader.until_cut()) == size - 9 * piece


async def test_too_many_unread_answers_make_room_for_more(tmp_path: Path) -> None:
    asked = await large_page(tmp_path)
    async with attacked(tmp_path, Limits(unread_bytes=4 * 1024 * 1024)) as api:
        readers = []
        for _ in range(3):
            readers.append(await api.connect(asked))
            size = length_in(await readers[-1].head())
        idle = await api.connect()

        assert is_well(await api.ask(GET_HEALTH))
        assert is_well(await (await idle.send(GET_HEALTH)).answer())
        assert all([len(await reader.until_cut()) < size for reader in readers[:2]])
        assert all([len(await reader.receive(size)) == size for reader in readers[2:]])


async def test_small_headers_without_end_are_not_kept(tmp_path: Path) -> None:
    headers = [f"a{number}: b" for number in range(50_000)]
    flood = "\r\n".join(["GET /health HTTP/1.1", "Host: 127.0.0.1", *headers, "a"]).encode()
    async with attacked(tmp_path, LIMITS) as api:
        assert is_well(await api.ask(GET_HEALTH))
        before = sys.getallocatedblocks()
        connection = await api.connect(flood)
        assert is_well(await api.ask(GET_HEALTH))

        assert sys.getallocatedblocks() - before < len(headers) / 2
        status, _ = await (await connection.send(b": b\r\n\r\n")).answer()
        assert status == 431


async def test_what_comes_after_a_refusal_is_bounded() -> None:
    class Transport(asyncio.Transport):
        aborted = False

        def abort(self) -> None:
            self.aborted = True

    connection = Connection(Connections(LIMITS))
    connection.protocol = asyncio.Protocol()
    transport = Transport()
    connection._transport = transport
    connection._is_refused = True

    connection.data_received(b"a" * MAX_IGNORED_BYTES)
    assert not transport.aborted
    connection.data_received(b"a")
    assert transport.aborted
