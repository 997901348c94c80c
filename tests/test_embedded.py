"""The embedded API: copies share it, check it, and take it over."""

import os
import socket
import stat
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    suppress,
)
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import httpx
import pytest
import uvicorn
from anyio.abc import SocketStream

from loopin_mcp.client.addresses import Address, Locate
from loopin_mcp.client.client import LoopinClient
from loopin_mcp.embedded import embedded_api
from loopin_mcp.errors import ConfigurationError, UnauthorizedError
from loopin_mcp.settings.embedded_files import load_api_key
from loopin_mcp.settings.settings import Settings
from loopin_mcp.wire.models import Decision
from tests.support import PATIENCE_S, new_interrupt
from tests.support.loops import WITH_LEAPING_TIME, Backend, leap
from tests.support.tls import answering


@pytest.fixture
def anyio_backend() -> Backend:
    return WITH_LEAPING_TIME


def copy_of(settings: Settings) -> AbstractAsyncContextManager[Locate]:
    """Another copy of the server, with a long probe timeout."""
    return embedded_api(settings, PATIENCE_S)


@asynccontextmanager
async def silence_on(port: int) -> AsyncIterator[list[SocketStream]]:
    """A listener that stays silent until its client gives up; yields the connections."""
    visits: list[SocketStream] = []

    async def say_nothing(stream: SocketStream) -> None:
        visits.append(stream)
        # Longer than one probe, and shorter than all looks together.
        leap(PATIENCE_S)
        async with stream:
            await anyio.sleep_forever()

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, say_nothing)
        yield visits
        tasks.cancel_scope.cancel()


def port_in(address: Address) -> int:
    return int(address.base_url.rpartition(":")[2])


@pytest.fixture
def settings(tmp_path: Path, free_port: int) -> Settings:
    return Settings(data_dir=tmp_path / "data", port=free_port)


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[tuple[int, list[str | None]]]:
    """A stranger on a port that passes every GET on to `target`."""
    seen: list[str | None] = []

    class Relay(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("X-API-Key"))
            target = (tmp_path / "target").read_text()
            answer = httpx.get(target + self.path, trust_env=False, timeout=PATIENCE_S)
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002

    with ThreadingHTTPServer(("127.0.0.1", 0), Relay) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, seen
        server.shutdown()
        thread.join()


async def test_copies_share_one_api_on_the_usual_port(settings: Settings) -> None:
    async with copy_of(settings) as first, copy_of(settings) as second:
        addresses = [await locate() for locate in (first, second, first)]

    assert len(set(addresses)) == 1
    assert port_in(addresses[0]) == settings.port


async def test_nothing_starts_before_it_is_asked_for(settings: Settings) -> None:
    async with copy_of(settings):
        assert not settings.data_dir.exists()


async def test_another_copy_takes_the_port_over_and_links_stay_good(settings: Settings) -> None:
    async with copy_of(settings) as second:
        async with copy_of(settings) as first, LoopinClient(locate=first) as client:
            created = await client.create_interrupt(new_interrupt())
            before = await second()
        async with LoopinClient(locate=second) as client:
            read = await client.get_interrupt_status(created.interrupt_id)
            async with httpx.AsyncClient(trust_env=False) as browser:
                page = await browser.get(created.review_url or "")

    assert port_in(before) == settings.port
    assert (read.status, read.review_url) == ("pending", created.review_url)
    assert page.status_code == 200


async def test_many_copies_that_start_at_once_end_up_with_one_api(settings: Settings) -> None:
    found: list[Address] = []

    async with AsyncExitStack() as stack:
        copies = [await stack.enter_async_context(copy_of(settings)) for _ in range(5)]
        async with anyio.create_task_group() as starts:
            for locate in copies:

                async def start(locate: Locate = locate) -> None:
                    found.append(await locate())

                starts.start_soon(start)

    assert len(found) == 5
    assert len(set(found)) == 1


async def test_interrupts_and_key_survive_a_restart(settings: Settings) -> None:
    async with copy_of(settings) as locate, LoopinClient(locate=locate) as client:
        created = await client.create_interrupt(new_interrupt())
        await client.decide_interrupt(created.interrupt_id, Decision(decision="approved"))
        key = (await locate()).api_key
    async with copy_of(settings) as locate, LoopinClient(locate=locate) as client:
        read = await client.get_interrupt_status(created.interrupt_id)

        assert (await locate()).api_key == key
    assert read.status == "approved"


@pytest.mark.parametrize("stranger", ["silent", "another data directory"])
async def test_stranger_on_the_port_is_recognised_and_left_alone(
    settings: Settings, tmp_path: Path, stranger: str
) -> None:
    async with AsyncExitStack() as stack:
        if stranger == "silent":
            await stack.enter_async_context(silence_on(settings.port))
        else:
            other = Settings(data_dir=tmp_path / "other", port=settings.port)
            await (await stack.enter_async_context(embedded_api(other)))()
        first = await stack.enter_async_context(copy_of(settings))
        second = await stack.enter_async_context(copy_of(settings))
        addresses = [await first(), await second()]

    assert port_in(addresses[0]) != settings.port
    assert addresses[0] == addresses[1]


async def test_relayed_proof_is_no_proof_and_the_key_is_not_sent(
    settings: Settings, relay: tuple[int, list[str | None]], tmp_path: Path
) -> None:
    relay_port, keys_seen = relay
    async with copy_of(settings) as real:
        (tmp_path / "target").write_text((await real()).base_url)
        # It would lead to the real one.
        (settings.data_dir / "port").unlink()
        fooled = Settings(data_dir=settings.data_dir, port=relay_port)
        async with embedded_api(fooled) as locate:
            address = await locate()

    assert port_in(address) not in (relay_port, settings.port)
    assert keys_seen == [None]


async def test_api_asks_for_the_key(settings: Settings) -> None:
    async with copy_of(settings) as locate:
        address = await locate()
        async with LoopinClient(address.base_url, "another-key") as client:
            with pytest.raises(UnauthorizedError):
                await client.list_pending_interrupts("u")


async def test_review_links_begin_with_the_public_url(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, port=0, public_url="https://loopin.example.com/x")
    async with copy_of(settings) as locate, LoopinClient(locate=locate) as client:
        created = await client.create_interrupt(new_interrupt())

    assert created.review_url == f"https://loopin.example.com/x/review/{created.interrupt_id}"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_key_is_made_once_and_private(tmp_path: Path) -> None:
    data_dir = tmp_path / "new" / "data"
    keys: list[str] = []
    copies = [
        threading.Thread(target=lambda: keys.append(load_api_key(data_dir))) for _ in range(8)
    ]
    for copy in copies:
        copy.start()
    for copy in copies:
        copy.join()

    assert len(keys) == 8
    assert len(set(keys)) == 1
    assert len(keys[0]) >= 43
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((data_dir / "api-key").stat().st_mode) == 0o600
    assert [file.name for file in data_dir.iterdir()] == ["api-key"]


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff", b"a b\nc"])
def test_unusable_key_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "api-key").write_bytes(content)
    (tmp_path / "api-key").chmod(0o600)

    with pytest.raises(ConfigurationError, match=str(tmp_path)):
        load_api_key(tmp_path)


async def test_unusable_note_of_a_port_is_passed_over(settings: Settings) -> None:
    settings.data_dir.mkdir()
    (settings.data_dir / "port").write_text("99999")
    async with silence_on(settings.port), copy_of(settings) as locate:
        address = await locate()

    assert (settings.data_dir / "port").read_text() == str(port_in(address))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
async def test_note_of_a_port_is_private_with_any_umask(settings: Settings) -> None:
    before = os.umask(0)
    try:
        async with silence_on(settings.port), copy_of(settings) as locate:
            await locate()
    finally:
        os.umask(before)

    assert stat.S_IMODE((settings.data_dir / "port").stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604])
def test_key_that_others_may_know_is_refused(tmp_path: Path, mode: int) -> None:
    load_api_key(tmp_path)
    (tmp_path / "api-key").chmod(mode)

    with pytest.raises(ConfigurationError, match="Other users can read .*api-key: delete it"):
        load_api_key(tmp_path)


def test_key_that_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "api-key").mkdir()

    with pytest.raises(ConfigurationError, match="api-key is not a file: delete it"):
        load_api_key(tmp_path)


async def test_stranger_that_was_recognised_is_left_alone_for_a_while(settings: Settings) -> None:
    async with (
        silence_on(settings.port) as visits,
        copy_of(settings) as first,
        copy_of(settings) as second,
    ):
        addresses = [await first()]
        # It would lead to the first copy at once.
        (settings.data_dir / "port").unlink()
        addresses += [await second() for _ in range(3)]

    assert len(set(addresses)) == 1
    assert len(visits) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse what does not fit")
async def test_copies_agree_in_time_if_the_port_neither_accepts_nor_refuses(
    settings: Settings,
) -> None:
    with ExitStack() as sockets:
        stalled = sockets.enter_context(socket.create_server(("127.0.0.1", settings.port)))
        stalled.listen(0)
        for _ in range(3):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", settings.port))
        found: list[Address] = []
        async with AsyncExitStack() as stack:
            copies = [await stack.enter_async_context(embedded_api(settings, 2)) for _ in range(3)]

            async def find(locate: Locate) -> None:
                found.append(await locate())

            with anyio.fail_after(PATIENCE_S):
                async with anyio.create_task_group() as starts:
                    for locate in copies:
                        starts.start_soon(find, locate)

    assert len(found) == 3
    assert len(set(found)) == 1
    assert port_in(found[0]) != settings.port


async def test_port_of_another_web_server_is_left_alone(settings: Settings) -> None:
    async with answering({"status": "ok"}) as port, AsyncExitStack() as stack:
        locate = await stack.enter_async_context(copy_of(replace(settings, port=port)))
        address = await locate()

    assert port_in(address) != port


async def test_api_that_cannot_start_fails_the_call_and_not_the_server(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_server: uvicorn.Server, sockets: object) -> None:
        raise ZeroDivisionError

    async with copy_of(settings) as locate:
        with monkeypatch.context() as fault:
            fault.setattr(uvicorn.Server, "startup", fail)
            with pytest.raises(ZeroDivisionError):
                await locate()
        address = await locate()

    assert address.is_here


async def test_copy_with_another_port_in_its_settings_finds_the_running_api(
    settings: Settings,
) -> None:
    async with copy_of(settings) as of_host, copy_of(replace(settings, port=0)) as of_shell:
        addresses = [await of_host(), await of_shell()]

    assert addresses[0] == addresses[1]


async def test_api_that_fails_is_started_again_by_the_next_call(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failed = anyio.Event()

    async def fail(_server: uvicorn.Server, _counter: int) -> bool:
        failed.set()
        raise ZeroDivisionError

    async with copy_of(settings) as locate, LoopinClient(locate=locate) as client:
        created = await client.create_interrupt(new_interrupt())
        with monkeypatch.context() as fault, anyio.fail_after(PATIENCE_S):
            fault.setattr(uvicorn.Server, "on_tick", fail)
            await failed.wait()
        read = await client.get_interrupt_status(created.interrupt_id)

    assert read.status == "pending"
    assert [record.getMessage() for record in caplog.records] == [
        "The local API failed: ZeroDivisionError. The next call restarts it"
    ]


async def test_port_whose_owner_breaks_off_is_looked_at_again(settings: Settings) -> None:
    owner = socket.create_server(("127.0.0.1", settings.port))

    def go() -> None:
        connection, _ = owner.accept()
        owner.close()
        connection.close()

    going = threading.Thread(target=go)
    going.start()
    async with copy_of(settings) as locate:
        address = await locate()
    going.join()

    assert port_in(address) == settings.port


async def test_port_whose_owner_always_breaks_off_is_left(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", settings.port)) as owner:

        def hang_up() -> None:
            with suppress(OSError):
                while True:
                    owner.accept()[0].close()

        hanging_up = threading.Thread(target=hang_up)
        hanging_up.start()
        async with copy_of(settings) as locate:
            address = await locate()
        owner.shutdown(socket.SHUT_RDWR)
        hanging_up.join()

    assert port_in(address) != settings.port


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
async def test_port_is_taken_also_where_it_cannot_be_noted(settings: Settings) -> None:
    load_api_key(settings.data_dir)
    (settings.data_dir / "port").mkdir()
    async with silence_on(settings.port), copy_of(settings) as locate:
        address = await locate()

    assert port_in(address) != settings.port
