"""Shared parts of tests: a clock that stands still, sample data, APIs in processes."""

import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import anyio
import httpx
import pytest
from anyio.streams.text import TextReceiveStream

from loopin_mcp import Decision, LoopinClient
from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.access.keys import Sleep
from loopin_mcp.api.access.limits import Limits
from loopin_mcp.api.app import create_app
from loopin_mcp.api.database.steps import Load, Row, Steps, Value
from loopin_mcp.api.front import Front
from loopin_mcp.api.store.deliveries import Delivery
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import UnavailableError
from loopin_mcp.settings.api_options import Options
from loopin_mcp.settings.settings import Settings
from loopin_mcp.wire.models import NewInterrupt

T = TypeVar("T")

PUBLIC_URL = "http://127.0.0.1:3002"
KEY = "test-key-of-the-agents-long-enough"
USER = "accounting"
AGENT = Actor("api-key", "api")
REVIEWER = Actor("alice", "review-page")
MOMENT = datetime(2025, 6, 15, 15, 6, 40, tzinfo=UTC)
PATIENCE_S = 30.0
# A program needs time for its imports.
START_TIMEOUT_S = 120


class Clock:
    """A clock that stands still until a test moves it; gives epoch milliseconds."""

    def __init__(self) -> None:
        self.now = 1_750_000_000_000

    def __call__(self) -> int:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


class Served:
    """A server in a process of its own, which says its URL in its first line."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        found = re.search(r"http://[^\s/\\]+", self.process.stderr.readline())
        assert found is not None, self.process.stderr.read()
        self.url = found[0]

    def stop(self) -> str:
        """End it; returns the rest of its log."""
        self.process.terminate()
        _, logged = self.process.communicate(timeout=PATIENCE_S)
        return logged


class ServedAPI(Served):
    """`loopin-mcp api` in a process of its own, on a free port."""

    def __init__(
        self,
        data_dir: Path,
        environment: dict[str, str],
        *options: str,
        launcher: tuple[str, ...] = (),
        python: str = sys.executable,
    ) -> None:
        super().__init__(
            [*launcher, python, "-m", "loopin_mcp", "api", *options],
            clean_environment(LOOPIN_DATA_DIR=str(data_dir), PORT="0") | environment,
        )


class Copies:
    """Copies of the API in processes of their own."""

    def __init__(self) -> None:
        self._started: list[ServedAPI] = []

    def start(self, settings: Mapping[str, str]) -> ServedAPI:
        """Start one with these settings, of which one is the data directory."""
        copy = ServedAPI(Path(settings["LOOPIN_DATA_DIR"]), dict(settings))
        self._started.append(copy)
        return copy

    def end(self) -> None:
        """End those that still run."""
        for copy in self._started:
            copy.process.kill()
            copy.process.wait()
            assert copy.process.stderr is not None
            copy.process.stderr.close()


class Unmeasured:
    """What the databases of tests have in common: nobody measures or checks them."""

    async def check(self) -> None:
        raise UnavailableError("The database cannot be checked")

    def load(self) -> Load:
        return Load("none")

    async def size_bytes(self) -> int:
        raise UnavailableError("The database cannot be measured")


class Down(Unmeasured):
    """A database that cannot be used; `asked` is set once somebody has tried."""

    def __init__(self) -> None:
        self.asked = anyio.Event()

    async def read(self, sql: str, **params: Value) -> list[Row]:
        self.asked.set()
        raise UnavailableError("The database cannot be used right now")

    find = read

    async def transact(self, steps: Callable[[], Steps[T]]) -> T:
        self.asked.set()
        raise UnavailableError("The database cannot be used right now")

    async def changed(self, wanted: Callable[[], Awaitable[None]]) -> None:
        raise UnavailableError("The database cannot report changes right now")

    async def aclose(self) -> None: ...


async def take_due(store: Store, *, lease_ms: int = 1000, limit: int = 9) -> list[Delivery]:
    """The deliveries that are due, without a limit per host."""
    return await store.deliveries.take_due((), lease_ms=lease_ms, limit=limit, room=lambda _: limit)


def missing(what: str) -> NoReturn:
    """Skip the test because this machine lacks something; on CI, fail."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and on CI nothing is skipped")
    pytest.skip(f"{what} is missing")


def clean_environment(**variables: str) -> dict[str, str]:
    """This process's environment without the settings of loopin-mcp, and with these.

    No browser is opened, unless they say so.
    """
    own = Settings.all_variables()
    kept = {name: value for name, value in os.environ.items() if name not in own}
    return kept | {"LOOPIN_OPEN_REVIEW": "off"} | variables


def load_everywhere(environment: dict[str, str]) -> None:
    """Load the settings of an MCP server, and of an API."""
    Settings.load(environment)
    Settings.load(environment, "api")


def api_app(
    store: Store,
    *,
    listens_on: str = "127.0.0.1",
    limits: Limits | None = None,
    sleep: Sleep = anyio.sleep,
    **options: Any,  # noqa: ANN401 - those of Options
) -> Front:
    """The API's app with these options."""
    return create_app(store, Options(**options), listens_on, limits=limits, sleep=sleep).app


def api_client(
    store: Store,
    **options: Any,  # noqa: ANN401 - those of `api_app`
) -> httpx.AsyncClient:
    """A client of the API's app, without sockets."""
    transport = httpx.ASGITransport(api_app(store, **options), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=store.public_url)


def new_interrupt(**changes: Any) -> NewInterrupt:  # noqa: ANN401 - any field
    """A valid new interrupt, with `changes` of its fields."""
    fields: dict[str, Any] = {
        "agent_id": "agent-1",
        "user_id": "user-1",
        "action": "Transfer $4,200 to vendor account ending in 9821",
        "context": {"amount": 4200, "currency": "USD"},
    }
    return NewInterrupt(**fields | changes)


async def run_agent(script: list[str], api_url: str, decision: Decision) -> str:
    """The output of an agent whose interrupt gets this decision."""
    environment = clean_environment(
        LOOPIN_API_URL=api_url, LOOPIN_API_KEY=KEY, LOOPIN_USER_ID=USER, PYTHONUNBUFFERED="1"
    )
    command = [sys.executable, "-W", "error", *script]
    with anyio.fail_after(START_TIMEOUT_S):
        async with await anyio.open_process(command, env=environment, stderr=None) as agent:
            assert agent.stdout is not None
            printed, review_url = "", None
            async for text in TextReceiveStream(agent.stdout):
                printed += text
                if review_url is None and (review_url := re.search(r"/review/(\S+)\n", printed)):
                    async with LoopinClient(api_url, KEY) as human:
                        await human.decide_interrupt(review_url[1], decision)
            assert await agent.wait() == 0
    return printed
