"""Serves the API on a socket, with the loops that run beside the requests."""

import gc
import ipaddress
import logging
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial

import anyio
import anyio.to_thread

from loopin_mcp.api.access.limits import Limits, raise_file_limit
from loopin_mcp.api.app import API, create_app
from loopin_mcp.api.audit.audit_keys import AuditKeys
from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.metrics.endpoint import NEEDED, can_measure
from loopin_mcp.api.outbox.callbacks import CallbackSender
from loopin_mcp.api.outbox.channels import Channels, channels_of
from loopin_mcp.api.outbox.delivery import Outbox
from loopin_mcp.api.outbox.destinations import callback_client
from loopin_mcp.api.outbox.notifications import NotificationSender
from loopin_mcp.api.outbox.pushes import count_devices
from loopin_mcp.api.rest.waiting import follow_changes, let_go
from loopin_mcp.api.serving.banner import banner
from loopin_mcp.api.serving.housekeeping import keep_house
from loopin_mcp.api.serving.inbox_opener import open_when_created
from loopin_mcp.api.serving.mcp_app import MakeMCP, with_mcp
from loopin_mcp.api.serving.metrics_port import metrics_on
from loopin_mcp.api.serving.uvicorn_server import running
from loopin_mcp.api.store.opening import open_database
from loopin_mcp.api.store.outbox import NO_CHANNELS
from loopin_mcp.api.store.store import Store
from loopin_mcp.desktop import start_browser
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.api_options import GRACE_S, Options
from loopin_mcp.settings.base_urls import is_loopback
from loopin_mcp.settings.settings import Settings
from loopin_mcp.settings.values import MAKE_ONE, SHORTEST_KEY

logger = logging.getLogger("loopin_mcp")

SEND_BUFFER_BYTES = 128 * 1024
# How many new objects start a garbage collection. With Python's 700, reading a stored context of
# 10,000 values would take ten times as long.
OBJECTS_BETWEEN_COLLECTIONS = 20_000
# The pause before a failed loop is run again.
AGAIN_S = 10.0

Loop = Callable[[], Coroutine[object, object, None]]


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free port.

    Raises:
        OSError: The address cannot be used, mostly because another program uses it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only if the protocol is named.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform == "win32":
            # On Windows, SO_REUSEADDR would let another program take over the port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it. With a larger buffer a client that does not read is found late.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        listener.bind((host, port))
        # Two sockets can bind the same port, but only one can listen.
        listener.listen()
    except BaseException:
        listener.close()
        raise
    return listener


def port_of(listener: socket.socket) -> int:
    """The port of a listening socket."""
    port: int = listener.getsockname()[1]
    return port


@asynccontextmanager
async def serving(
    listener: socket.socket,
    database: Database,
    options: Options,
    channels: Channels | None = None,
    limits: Limits | None = None,
    metrics: socket.socket | None = None,
    make_mcp: MakeMCP | None = None,
) -> AsyncIterator[str]:
    """Serve the API on `listener` until the block ends, then close the listener and the database.

    Yields the URL. Notifications go to `channels`. The default `limits` are those of the process.
    The listener `metrics`, if there is one, serves only metrics, without a key.
    """
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    limits = limits or Limits.of_process()
    host, port = listener.getsockname()[:2]
    url = url_of(listener)
    keys, digests = AuditKeys(options.audit_keys), channels.digests if channels else NO_CHANNELS
    store = Store(database, options.public_url or url, keys=keys, channels=digests)
    try:
        page_key = await store.sessions.page_key()
        api = create_app(store, options, host, port, limits, page_key=page_key)
        store.deliveries.channels = replace(digests, devices=api.pushes.is_installed)
        await api.sessions.start()
        loops = _loops(store, options, api, channels)
        async with (
            beside(loops),
            with_mcp(api, make_mcp, store.public_url, limits) as (app, end_mcp),
            running(app, listener, options.grace_s, limits),
            metrics_on(metrics, api.metrics),
        ):
            try:
                yield url
            finally:
                # Requests that wait for a decision would otherwise hold up the end.
                end_mcp()
                with anyio.move_on_after(GRACE_S, shield=True):
                    await let_go(store)
    finally:
        with anyio.CancelScope(shield=True):
            await database.aclose()


def _loops(store: Store, options: Options, api: API, channels: Channels | None) -> dict[str, Loop]:
    """The loops that run beside the requests, by their names in logs."""
    deliver = partial(_deliver, store, api, options.callback_secret, channels)
    loops: dict[str, Loop] = {
        "Sending callbacks and notifications": deliver,
        "Following changes": partial(follow_changes, store),
        "Housekeeping": partial(keep_house, store, options.retention_days),
    }
    if options.opens_inbox:
        opener = partial(open_when_created, store, api.sessions, api.live, start_browser)
        loops["Opening the inbox"] = opener
    return loops


async def _deliver(store: Store, api: API, secret: bytes | None, channels: Channels | None) -> None:
    async with callback_client(api.destinations) as http, aclosing(api.pushes):
        callbacks = CallbackSender(store, http, secret)
        notifications = NotificationSender(store, channels, api.pushes)
        await Outbox(store, callbacks, notifications).run()


@asynccontextmanager
async def beside(loops: Mapping[str, Loop], again_s: float = AGAIN_S) -> AsyncIterator[None]:
    """Run loops until the block ends, and run failed ones again: none may end the API."""
    async with anyio.create_task_group() as tasks:
        for name, loop in loops.items():
            tasks.start_soon(_keep_up, name, loop, again_s)
        try:
            yield
        finally:
            tasks.cancel_scope.cancel()


async def _keep_up(name: str, loop: Loop, again_s: float) -> None:
    while True:
        try:
            await loop()
        # Loops handle expected errors themselves.
        except Exception as error:
            logger.error("%s failed and will be tried again: %s", name, type(error).__name__)
        await anyio.sleep(again_s)


def url_of(listener: socket.socket) -> str:
    """The URL of a listener, with the machine's name if it listens on all addresses."""
    host, port = listener.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = socket.gethostname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve_alone(
    settings: Settings,
    *,
    insecure: bool,
    say: Callable[[str], None],
    make_mcp: MakeMCP | None = None,
) -> None:
    """Serve the API until cancelled; `say` prints to the operator what it serves.

    Raises:
        ConfigurationError: The settings cannot be used, or would let everybody in.
    """
    check_keys(settings, insecure=insecure)
    if settings.metrics_port is not None and not can_measure():
        raise ConfigurationError(f"METRICS_PORT cannot be used. {NEEDED}")
    raise_file_limit()
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(await listen_at(settings.host, settings.port, "PORT"))
        metrics = None
        if settings.metrics_port is not None:
            listening = await listen_at(settings.host, settings.metrics_port, "METRICS_PORT")
            metrics = stack.enter_context(listening)
        channels = await channels_of(settings)
        options = Options.of(settings)
        keys = AuditKeys(options.audit_keys)
        database = await open_database(settings.database_url, settings.data_dir, keys)
        serve = partial(serving, listener, database, options, channels, make_mcp=make_mcp)
        async with serve(metrics=metrics) as url:
            devices = await database.transact(count_devices)
            metrics_url = url_of(metrics) if metrics else None
            say(banner(url, settings, channels, devices, metrics_url))
            await anyio.sleep_forever()


async def listen_at(host: str, port: int, variable: str) -> socket.socket:
    """A listening socket at the address of the settings HOST and `variable`.

    Raises:
        ConfigurationError: The address cannot be used.
    """
    try:
        # HOST may be a name, and resolving it blocks.
        return await anyio.to_thread.run_sync(listen, host, port, abandon_on_cancel=True)
    except (OSError, TypeError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(
            f"Cannot listen on {host} port {port}: {reason}. Set {variable} or HOST to another."
        ) from error


def check_keys(settings: Settings, *, insecure: bool) -> None:
    """Warn of a short API key, and refuse to serve other machines without a key.

    Raises:
        ConfigurationError: HOST is public, there is no key, and `insecure` is not set.
    """
    if settings.api_key_secret and len(settings.api_key_secret) < SHORTEST_KEY:
        logger.warning(
            "API_KEY_SECRET has fewer than %d characters, so it could be guessed. %s",
            SHORTEST_KEY,
            MAKE_ONE,
        )
    if not (settings.api_key_secret or insecure or is_loopback(settings.host)):
        raise ConfigurationError(
            f"HOST {settings.host} can be reached from other machines, and without a key "
            "everybody there could use this API: set API_KEY_SECRET. (--insecure serves anyway.)"
        )
