"""A proxy with a path prefix, which it strips from requests."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

_HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding")


def under(prefix: str, app: ASGIApp) -> ASGIApp:
    """The app behind such a proxy, without sockets; it refuses paths without the prefix."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        path, raw_path = scope["path"], scope["raw_path"]
        assert path.startswith(f"{prefix}/"), path
        path, raw_path = path.removeprefix(prefix), raw_path.removeprefix(prefix.encode())
        await app({**scope, "path": path, "raw_path": raw_path}, receive, send)

    return answer


class _Proxy(BaseHTTPRequestHandler):
    prefix = ""
    target = ""

    def _pass_on(self) -> None:
        if not self.path.startswith(f"{self.prefix}/"):
            return self.send_error(404)
        path = self.path.removeprefix(self.prefix)
        api = http.client.HTTPConnection(str(urlsplit(self.target).netloc))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        api.request(self.command, path, body, dict(self.headers.items()))
        answer = api.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in (*_HOP_BY_HOP, "date"):
                self.send_header(name, value)
        self.end_headers()
        # Events have to be passed on as they come.
        try:
            while piece := answer.read1():
                self.wfile.write(piece)
        except OSError:
            pass
        finally:
            api.close()

    do_GET = do_POST = _pass_on  # noqa: N815 - named by http.server

    def log_message(self, *_: Any) -> None: ...  # noqa: ANN401 - those of http.server


class PrefixProxy:
    """Listens at once, and passes requests on inside of `to`."""

    def __init__(self, prefix: str) -> None:
        self._handler = type("_Handler", (_Proxy,), {"prefix": prefix})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_port}{prefix}"

    @contextmanager
    def before(self, api_url: str) -> Iterator[None]:
        """Pass requests on to this API until the block ends."""
        self._handler.target = api_url  # type: ignore[attr-defined]
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()
