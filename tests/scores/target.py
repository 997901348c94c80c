"""The servers that the suites run against: an API, and MCP over stdio and over HTTP."""

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from anyio.from_thread import start_blocking_portal

from tests.hosts.human import until
from tests.support import KEY, PATIENCE_S, clean_environment
from tests.support.tls import in_front_of, tls

LAUNCHER = str(Path(sys.executable).with_name("loopin-mcp"))
TOKEN = "token-of-the-hosts-that-is-long-enough"


@dataclass(frozen=True)
class Target:
    """How to start or reach the MCP server.

    Over stdio by `command`, with `variables` in its environment. Over HTTP at `url` with TOKEN as
    bearer token, and for suites that can send no token at `open_url`.
    """

    command: str
    variables: dict[str, str]
    url: str
    open_url: str


@contextmanager
def serving(place: Path) -> Iterator[Target]:
    """Serve an API with a key and one without, and MCP over HTTP in front of each.

    Their data and logs are in `place`.
    """
    with ExitStack() as served:

        def serve(name: str, *arguments: str, **variables: str) -> str:
            return served.enter_context(_server(place / name, arguments, variables))

        variables = {"LOOPIN_API_URL": serve("api", "api", API_KEY_SECRET=KEY)}
        variables |= {"LOOPIN_API_KEY": KEY, "LOOPIN_USER_ID": "user"}
        http = ("--transport", "http")
        url = serve("mcp", *http, LOOPIN_MCP_TOKEN=TOKEN, **variables)
        open_url = serve("open-mcp", *http, LOOPIN_API_URL=serve("open-api", "api"))
        yield Target(LAUNCHER, variables, url, open_url)


@contextmanager
def in_tls(url: str) -> Iterator[str]:
    """A reverse proxy with TLS in front of a URL, and its URL."""
    parts = urlsplit(url)
    assert parts.port
    with start_blocking_portal() as portal:
        proxy = in_front_of(parts.port, tls("127.0.0.1"))
        with portal.wrap_async_context_manager(proxy) as port:
            yield f"https://127.0.0.1:{port}{parts.path}"


@contextmanager
def _server(place: Path, arguments: Sequence[str], variables: dict[str, str]) -> Iterator[str]:
    """Run a server on a free port, and give its URL."""
    environment = clean_environment(LOOPIN_DATA_DIR=str(place), PORT="0", **variables)
    log = place.with_suffix(".log")
    with log.open("w") as stderr:
        process = subprocess.Popen([LAUNCHER, *arguments], env=environment, stderr=stderr)
    try:
        yield until(lambda: re.search(r"http://\S+", log.read_text(encoding="utf-8")))[0]
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
