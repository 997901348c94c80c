"""Fixtures that more than one test file uses."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
import respx
from mcp import Client

from loopin_mcp import LoopinClient
from loopin_mcp.api.database.sqlite import SQLite
from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.store import Store
from loopin_mcp.mcp_server.tools import create_server
from loopin_mcp.settings.settings import Settings
from tests.support import KEY, PUBLIC_URL, START_TIMEOUT_S, Clock, Copies, api_client, missing
from tests.support.client import TLS, URL, Naps
from tests.support.host import Host
from tests.support.server import ERAS, HOST

pytest_plugins = [
    "tests.support.examples",
    "tests.support.markers",
    "tests.support.measuring",
    "tests.support.time_limits",
]

# A run in the background of a shell ignores it, and so would every program that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Put back what a command does on signals, where a test runs it in this process."""
    numbers = {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def anyio_backend() -> str:
    """The API runs on asyncio, as uvicorn does."""
    return "asyncio"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of our own, on a socket in a temporary directory."""
    if sys.platform == "win32":
        missing("PostgreSQL")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    path = os.pathsep.join([os.environ["PATH"], *map(str, found[-1:])])
    initdb, pg_ctl = shutil.which("initdb", path=path), shutil.which("pg_ctl", path=path)
    if initdb is None or pg_ctl is None:
        missing("PostgreSQL")
    # PostgreSQL refuses to run as root; its package made a user for it.
    user = "postgres" if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory() as home:
        if user:
            shutil.chown(home, user)
        data = f"{home}/data"
        options = f"-k {home} -c listen_addresses='' -c fsync=off"

        def run(*command: str) -> None:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, user=user, cwd=home)

        run(initdb, "-D", data, "-U", "loopin", "-A", "trust")
        run(pg_ctl, "-D", data, "-w", "-o", options, "-l", f"{home}/log", "start")
        yield f"postgresql://loopin@/postgres?host={home}"
        run(pg_ctl, "-D", data, "-m", "immediate", "stop")


@pytest.fixture
def empty_postgres_url(postgres_url: str) -> str:
    """The URL of that server, with an empty database."""
    if importlib.util.find_spec("psycopg") is None:
        missing("psycopg")
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return postgres_url


@pytest.fixture
def pooled_url(empty_postgres_url: str) -> Iterator[str]:
    """The URL of that database through a PgBouncer with four connections for all transactions."""
    found = shutil.which("pgbouncer", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
    if found is None:
        missing("PgBouncer")
    home = Path(empty_postgres_url.partition("?host=")[2])
    settings = home / "pgbouncer.ini"
    lines = [
        "[databases]",
        f"* = host={home} user=loopin",
        "[pgbouncer]",
        f"unix_socket_dir = {home}",
        "auth_type = any",
        "pool_mode = transaction",
        "default_pool_size = 4",
        "log_connections = 0",
        "log_disconnections = 0",
        "log_stats = 0",
    ]
    settings.write_text("\n".join(lines), encoding="utf-8")
    # It refuses to run as root, too.
    user = "postgres" if os.getuid() == 0 else None
    with subprocess.Popen([found, settings], stderr=subprocess.PIPE, text=True, user=user) as it:
        assert it.stderr is not None
        assert any("process up" in line for line in it.stderr)
        yield f"{empty_postgres_url}&port=6432"
        it.terminate()


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(
    request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[Database]:
    """An empty database of each kind."""
    opened: Database
    if request.param == "sqlite":
        opened = await open_sqlite(tmp_path / "loopin.db")
    else:
        url = request.getfixturevalue("empty_postgres_url")
        from loopin_mcp.api.store.opening import open_postgresql

        opened = await open_postgresql(url, START_TIMEOUT_S)
    yield opened
    await opened.aclose()


@pytest.fixture
def store(database: Database, clock: Clock) -> Store:
    """A store on each kind of database."""
    return Store(database, PUBLIC_URL, clock)


@pytest.fixture
async def elsewhere(
    database: Database, request: pytest.FixtureRequest, tmp_path: Path, clock: Clock
) -> AsyncIterator[Store]:
    """A second store on the same database with its own connections, as in another process."""
    other: Database
    if isinstance(database, SQLite):
        other = await open_sqlite(tmp_path / "loopin.db")
    else:
        from loopin_mcp.api.store.opening import open_postgresql

        other = await open_postgresql(request.getfixturevalue("postgres_url"), START_TIMEOUT_S)
    yield Store(other, PUBLIC_URL, clock)
    await other.aclose()


@pytest.fixture
async def sqlite_store(tmp_path: Path, anyio_backend: str, clock: Clock) -> AsyncIterator[Store]:
    """A store on SQLite, for tests that do not depend on the kind of database."""
    database = await open_sqlite(tmp_path / "loopin.db")
    yield Store(database, PUBLIC_URL, clock)
    await database.aclose()


@pytest.fixture
async def api(sqlite_store: Store) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API with its key, without sockets."""
    async with api_client(sqlite_store, api_key=KEY) as client:
        client.headers["X-API-Key"] = KEY
        yield client


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Start `loopin-mcp api` as a process of its own, on a free port; gives its URL."""
    from tests.support import ServedAPI

    started: list[ServedAPI] = []

    def start(**environment: str) -> str:
        started.append(ServedAPI(tmp_path / "served", environment))
        return started[-1].url

    yield start
    for served in started:
        served.stop()


@pytest.fixture
def copies() -> Iterator[Copies]:
    """Copies of the API in processes of their own, ended after the test."""
    started = Copies()
    yield started
    started.end()


@pytest.fixture
def naps() -> Naps:
    return Naps()


@pytest.fixture
async def client(naps: Naps, anyio_backend: str) -> AsyncIterator[LoopinClient]:
    """A client of a mocked API, whose sleeps return at once."""
    async with httpx.AsyncClient(verify=TLS) as http:
        yield LoopinClient(URL, KEY, http=http, sleep=naps)


@pytest.fixture
def route(respx_mock: respx.MockRouter) -> respx.Route:
    """All requests to any host."""
    respx_mock._assert_all_called = False
    return respx_mock.route()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    """Start the stdio server as a host does, with a data directory of its own."""
    hosts: list[Host] = []

    def start(*arguments: str, **environment: str) -> Host:
        defaults = {"LOOPIN_DATA_DIR": str(tmp_path / "data"), "LOOPIN_PORT": "0"}
        hosts.append(Host(*arguments, **(defaults | environment)))
        return hosts[-1]

    yield start
    for host in hosts:
        host.close()


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port on which only the test may listen."""
    with socket.socket() as holder:
        if sys.platform == "linux":
            # A server can still listen on it, and the system gives it to nobody else meanwhile.
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        if sys.platform != "linux":
            holder.close()
        yield port


@pytest.fixture
def silent_url() -> Iterator[str]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(params=ERAS)
async def mcp(
    request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[Client]:
    """A client of a server with the embedded API, in each era."""
    server = create_server(Settings(data_dir=tmp_path / "data", port=0, user_id="u"))
    async with Client(server, mode=request.param, client_info=HOST) as client:
        assert client.protocol_version == ERAS[request.param]
        yield client
