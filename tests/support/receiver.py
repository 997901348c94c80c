"""A receiver of callbacks and notifications that answers, refuses, hangs or is gone."""

import contextlib
import itertools
import json
import queue
import ssl
import threading
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from typing import Any
from unittest import mock

import anyio
import anyio.abc
import anyio.to_thread

from loopin_mcp.api.outbox import apprise_service as services
from loopin_mcp.api.outbox.callbacks import CallbackSender
from loopin_mcp.api.outbox.channels import Channels, load_channels
from loopin_mcp.api.outbox.delivery import Outbox
from loopin_mcp.api.outbox.destinations import Destinations, callback_client
from loopin_mcp.api.outbox.notifications import NotificationSender
from loopin_mcp.api.store.deliveries import Delivery, Outcome
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, PATIENCE_S, REVIEWER, START_TIMEOUT_S, new_interrupt

APPROVED = Decision(decision="approved", reason="ok", modified_params={"amount": 1})
# Parts of URLs that must not appear anywhere.
SECRETS = ("user-marker", "password-marker", "path-marker", "query-marker")

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
# Longer than any machine needs.
PATIENT_S = 600


class Names:
    """A name server with these names; `asked` counts its lookups."""

    def __init__(self, **addresses: Collection[str]) -> None:
        self.asked = 0
        self._addresses = {"127.0.0.1": ["127.0.0.1"], **addresses}

    async def __call__(self, host: str) -> Collection[str]:
        self.asked += 1
        if host not in self._addresses:
            raise OSError("Name or service not known")
        return self._addresses[host]


@dataclass(frozen=True)
class Received:
    """A request; the names of its headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever came
        """The value of the body."""
        return json.loads(self.body)


class Receiver(ThreadingHTTPServer):
    """A server on a free port; `answers` says how, one after the other, the last for good.

    An answer is a status, `hang` (nothing comes until `released`), `drip` (one byte at a time),
    `flood` (a success whose body does not end), `stall` (one that sends 64 KiB of its body, and a
    byte, and no more until `released`) or `cut` (one whose body ends too soon).
    """

    daemon_threads = True
    request_queue_size = 128
    block_on_close = False

    def __init__(
        self, *answers: int | str, port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.answers = list(answers) or [200]
        self.released = threading.Event()
        self._received: queue.SimpleQueue[Received] = queue.SimpleQueue()

    @property
    def url(self) -> str:
        """The Apprise URL of this receiver."""
        user, password, path, query = SECRETS
        return f"json://{user}:{password}@127.0.0.1:{self.server_port}/{path}?-key={query}&rto={PATIENT_S}&cto={PATIENT_S}"

    def keep(self, received: Received) -> str | int:
        """Keep a request; returns how to answer it."""
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self._received.put(received)
        return answer

    def next(self, within_s: float = PATIENCE_S) -> Any:  # noqa: ANN401 - whatever came
        """Wait for the next message."""
        return self.take(within_s).json

    def take(self, within_s: float = PATIENCE_S) -> Received:
        """Wait for the next request."""
        return self._received.get(timeout=within_s)

    @property
    def messages(self) -> list[Any]:
        """The messages since the last call."""
        return [received.json for received in self.received]

    @property
    def received(self) -> list[Received]:
        """The requests since the last call."""
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._received.get_nowait())
        return found


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        answer = self.server.keep(self._received())
        if answer == "hang":
            self.server.released.wait()
            answer = 200
        with contextlib.suppress(OSError):
            if answer == "drip":
                self._drip()
            elif answer in ("flood", "cut"):
                self._send_body(parts=None if answer == "flood" else 1)
            elif answer == "stall":
                self._send_body(parts=1, part=b"x" * (64 * 1024 + 1))
                self.server.released.wait()
            else:
                self.send_response(int(answer))
                self.send_header("Location", "/elsewhere")
                self.send_header("Set-Cookie", "session=1")
                self.send_header("Content-Length", "0")
                self.end_headers()

    def _drip(self) -> None:
        """Send a header without an end, until the server is released."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not self.server.released.wait(0.02):
            self.wfile.write(b"x")
        self.wfile.write(b"\r\nContent-Length: 0\r\n\r\n")

    def _send_body(self, parts: int | None, part: bytes = b"x" * 10_000) -> None:
        """Send a few parts of a long body, or parts without end until the client goes away."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        for _ in range(parts) if parts else itertools.repeat(None):
            self.wfile.write(part)

    def do_GET(self) -> None:
        # A client that follows a redirect sends GET.
        self.do_POST()

    def _received(self) -> Received:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Received(self.command, self.path, headers, body)

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002


@contextlib.contextmanager
def receiving(
    *answers: int | str, port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    """A receiver that runs until the block ends."""
    with Receiver(*answers, port=port, tls=tls) as receiver:
        thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield receiver
        finally:
            receiver.released.set()
            receiver.shutdown()
            thread.join()


def channels_to(*urls: str, high: str | None = None, send_s: float = PATIENT_S) -> Channels:
    """The channels of these settings."""
    with mock.patch.object(services, "SILENCE_S", PATIENT_S):
        channels = load_channels(" ".join(urls) or None, high, send_s)
    assert channels is not None
    return channels


@contextlib.asynccontextmanager
async def delivering(
    store: Store,
    *,
    names: Names | None = None,
    secret: bytes | None = None,
    send_s: float = PATIENT_S,
) -> AsyncIterator[Outbox]:
    """An outbox for the callbacks of a store, only to this machine."""
    destinations = Destinations(LOOPBACK, names or Names())
    async with callback_client(destinations) as http:
        yield Outbox(store, CallbackSender(store, http, secret, send_s))


class NoCallbacks:
    """A sender for stores without callbacks."""

    name = "Callback"

    def place_of(self, delivery: Delivery) -> str:
        raise AssertionError("there are no callbacks")

    async def send(self, delivery: Delivery) -> Outcome | None:
        raise AssertionError("there are no callbacks")


def outbox_to(store: Store, channels: Channels) -> Outbox:
    """An outbox for the notifications of a store, which go to these channels from now on."""
    store.deliveries.channels = channels.digests
    return Outbox(store, NoCallbacks(), NotificationSender(store, channels))


async def decide_with_callback(store: Store, url: str) -> str:
    """Create and decide an interrupt with this callback URL; returns its id."""
    new = new_interrupt(callback_url=url)
    interrupt_id = (await store.create_interrupt(new, AGENT)).interrupt_id
    await store.decide_interrupt(interrupt_id, APPROVED, REVIEWER)
    return interrupt_id


class _Counting:
    """A task group that counts its tasks."""

    def __init__(self, tasks: anyio.abc.TaskGroup) -> None:
        self.count = 0
        self._tasks = tasks

    def start_soon(self, *started: Any) -> None:  # noqa: ANN401 - passed on as it is
        self.count += 1
        self._tasks.start_soon(*started)


async def deliver_due(outbox: Outbox) -> None:
    """Deliver everything that is due now."""
    with anyio.fail_after(START_TIMEOUT_S):
        is_done = False
        while not is_done:
            async with anyio.create_task_group() as tasks:
                counting: Any = _Counting(tasks)
                await outbox.start_due(counting)
            is_done = counting.count == 0


async def arrivals(receiver: Receiver, number: int) -> list[Received]:
    """Wait for the next `number` requests."""
    return [await anyio.to_thread.run_sync(receiver.take) for _ in range(number)]
