"""Where notices go in tests: a web server that answers, refuses, hangs, drips, or is gone."""

import contextlib
import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anyio

from loopin_mcp.api.channels import Bounds, Channels, load_channels
from loopin_mcp.api.notices import Notices
from tests.support import PATIENCE_S

# Parts of the URLs that must show up nowhere.
SECRETS = ("user-marker", "password-marker", "path-marker", "query-marker")


class Receiver(ThreadingHTTPServer):
    """A server on a free port; `answers` says how, one after the other, the last for good.

    An answer is a status, `hang` (nothing comes until `released`), or `drip` (one byte at a time).
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, *answers: int | str, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answers = list(answers) or [200]
        self.released = threading.Event()
        self._messages: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    @property
    def url(self) -> str:
        """The Apprise URL of this receiver."""
        user, password, path, query = SECRETS
        return f"json://{user}:{password}@127.0.0.1:{self.server_port}/{path}?-key={query}"

    def keep(self, message: dict[str, Any]) -> str | int:
        """Keep a message that came; gives how to answer it."""
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self._messages.put(message)
        return answer

    def next(self, within_s: float = PATIENCE_S) -> dict[str, Any]:
        """The next message, once it is there."""
        return self._messages.get(timeout=within_s)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages that came since last asked."""
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._messages.get_nowait())
        return found


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.server.keep(json.loads(body))
        if answer == "hang":
            self.server.released.wait()
            answer = 200
        with contextlib.suppress(OSError):
            if answer == "drip":
                self._drip()
            else:
                self.send_response(int(answer))
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

    def _drip(self) -> None:
        """Send a header that does not end as long as nobody has it end."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not self.server.released.wait(0.02):
            self.wfile.write(b"x")
        self.wfile.write(b"\r\nContent-Length: 0\r\n\r\n")

    def do_GET(self) -> None:
        self.server.keep({"followed": self.path})
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002


@contextlib.contextmanager
def receiving(*answers: int | str, port: int = 0) -> Iterator[Receiver]:
    """A receiver that runs as long as the block lasts."""
    with Receiver(*answers, port=port) as receiver:
        thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield receiver
        finally:
            receiver.released.set()
            receiver.shutdown()
            thread.join()


def channels_to(*urls: str, high: str | None = None, bounds: Bounds | None = None) -> Channels:
    """The channels that such settings name."""
    channels = load_channels(" ".join(urls) or None, high, bounds)
    assert channels is not None
    return channels


async def send_due(notices: Notices) -> None:
    """Send what is due now, and wait until that is over."""
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as sending:
            await notices.send_due(sending)
