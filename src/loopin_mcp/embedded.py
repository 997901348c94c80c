"""The embedded API: finds the one on this machine, serves it, or takes it over."""

import contextlib
import hmac
import logging
import math
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.abc
import anyio.to_thread

from loopin_mcp.client.addresses import Address, Locate
from loopin_mcp.client.client import LoopinClient
from loopin_mcp.client.transport import BrokenError, NotConnectedError
from loopin_mcp.errors import LoopinError, first_of, ungrouped
from loopin_mcp.settings.api_options import Options
from loopin_mcp.settings.base_urls import LOOPBACK
from loopin_mcp.settings.data_dir import EMBEDDED_FILE, PORT_FILE
from loopin_mcp.settings.embedded_files import load_api_key, noted_port
from loopin_mcp.settings.settings import Settings
from loopin_mcp.wire.siblings import proof_of_key, sibling_key

PROBE_TIMEOUT_S = 2.0
# How often to probe a port whose owner is stopping, and how long to ignore a stranger's port.
LOOKS = 20
LOOK_AGAIN_S = 0.05
# Looks at the usual and the noted port together may take as long as this many probes.
LOOKS_PER_PROBE = 1.5
# Systems take the ports of outgoing connections from above these.
SPARE_PORTS = range(20_000, 30_000)
STRANGER_S = 30.0

logger = logging.getLogger("loopin_mcp")


@asynccontextmanager
async def embedded_api(
    settings: Settings, probe_timeout_s: float = PROBE_TIMEOUT_S
) -> AsyncIterator[Locate]:
    """Provide an API on this machine until the block ends; the first `locate` starts it.

    All copies of this server on this account share one API. The first to bind the port serves; the
    others check that the listener there has the key of the same data directory, and use it. When
    it is gone, the next copy that needs it binds the port. If another program has the port, the
    copies try the port noted in the data directory, some that follow from the key, and then any
    free one. A listener that does not answer within `probe_timeout_s` seconds counts as another
    program, and so does one that refuses nothing and accepts nothing.
    """
    async with anyio.create_task_group() as tasks:
        copy = Copy(settings, tasks, probe_timeout_s)
        try:
            yield copy.locate
        finally:
            await copy.aclose()
            tasks.cancel_scope.cancel()


class Copy:
    """One copy of the server: it finds the shared API, or serves it until `tasks` is cancelled."""

    def __init__(
        self,
        settings: Settings,
        tasks: anyio.abc.TaskGroup,
        probe_timeout_s: float = PROBE_TIMEOUT_S,
    ) -> None:
        self._settings = settings
        self._tasks = tasks
        self._probe_timeout_s = probe_timeout_s
        self._turn = anyio.Lock()
        self._own: Address | None = None
        self._probes: dict[int, LoopinClient] = {}
        self._proven: int | None = None
        self._strangers: dict[int, float] = {}
        self._note = settings.data_dir / PORT_FILE
        self._looks_end = math.inf
        self._spare: list[int] = []

    async def locate(self) -> Address:
        """The address of the API, which this starts if it is not running.

        Raises:
            ConfigurationError: The data directory cannot be used.
        """
        async with self._turn:
            return self._own or await self._find_or_serve()

    async def aclose(self) -> None:
        """Close the connections to other copies."""
        for probe in self._probes.values():
            await probe.aclose()

    async def _find_or_serve(self) -> Address:
        api_key = await anyio.to_thread.run_sync(load_api_key, self._settings.data_dir)
        self._looks_end = anyio.current_time() + LOOKS_PER_PROBE * self._probe_timeout_s
        self._spare = _spare_ports(api_key) if self._settings.port else []
        noted = noted_port(self._settings.data_dir)
        # Another copy may have another LOOPIN_PORT, and its API may be running.
        if noted and not self._is_avoided(noted) and await self._is_sibling(noted, api_key):
            return self._met(noted, api_key)
        # A copy that only uses the API of another one does not need the parts that serve.
        started = anyio.current_time()
        from loopin_mcp.api.serving.loopback import listen_anywhere, listen_if_free

        self._looks_end += anyio.current_time() - started
        for port in self._candidates(noted):
            for _ in range(LOOKS):
                if listener := listen_if_free(port):
                    return await self._serve(listener, api_key)
                is_sibling = await self._is_sibling(port, api_key)
                if is_sibling:
                    return self._met(port, api_key)
                if is_sibling is False:
                    break
                # Its owner is stopping, and another copy may take over.
                await anyio.sleep(LOOK_AGAIN_S)
        return await self._serve(listen_anywhere(), api_key)

    def _candidates(self, noted: int | None) -> list[int]:
        """The ports to try, without those of other programs: first the one that worked last.

        Copies that start together and find a stranger on the usual port agree on the next one.
        """
        usual = self._settings.port
        ports = dict.fromkeys(filter(None, (self._proven, usual, noted, *self._spare)))
        return [port for port in ports if not self._is_avoided(port)]

    def _is_avoided(self, port: int) -> bool:
        now = anyio.current_time()
        return self._strangers.get(port, now) > now

    def _met(self, port: int, api_key: str) -> Address:
        self._proven = port
        return Address(f"http://{LOOPBACK}:{port}", api_key)

    async def _serve(self, listener: socket.socket, api_key: str) -> Address:
        from loopin_mcp.api.serving.serving import port_of

        with contextlib.suppress(OSError):
            self._note.touch(mode=0o600)
            self._note.write_text(str(port_of(listener)), encoding="ascii")
        with ungrouped():
            address: Address = await self._tasks.start(self._run, listener, api_key)
        return address

    async def _run(
        self, listener: socket.socket, api_key: str, *, task_status: anyio.abc.TaskStatus[Address]
    ) -> None:
        """Serve until cancelled. If that fails, the next `locate` starts it again."""
        from loopin_mcp.api.access.limits import raise_file_limit
        from loopin_mcp.api.audit.audit_keys import AuditKeys
        from loopin_mcp.api.outbox.channels import channels_of
        from loopin_mcp.api.serving.loopback import check_loopback
        from loopin_mcp.api.serving.serving import port_of, serving
        from loopin_mcp.api.store.opening import open_sqlite

        # A host may allow few open files, and the agents of all copies wait here.
        raise_file_limit()
        with listener:
            await check_loopback(port_of(listener), self._probe_timeout_s)
            channels = await channels_of(self._settings)
            options = Options.embedded_of(self._settings, api_key)
            keys = AuditKeys(options.audit_keys)
            database = await open_sqlite(self._settings.data_dir / EMBEDDED_FILE, keys=keys)
            try:
                async with serving(listener, database, options, channels) as url:
                    self._own = Address(url, api_key, is_here=True)
                    task_status.started(self._own)
                    await anyio.sleep_forever()
            # A background task must not end the server.
            except Exception as error:
                if self._own is None:
                    raise
                self._own = None
                name = type(first_of(error)).__name__
                logger.error("The local API failed: %s. The next call restarts it", name)

    async def _is_sibling(self, port: int, api_key: str) -> bool | None:
        """Whether a copy with the same key listens there, or None if nothing answers.

        What does not answer in time is another program, which is left alone for a while.
        """
        is_sibling: bool | None = False
        left_s = self._looks_end - anyio.current_time()
        # Strangers hardly ever use a spare port, so a copy there may take its time.
        most_s = self._probe_timeout_s if port in self._spare else left_s
        with anyio.move_on_after(min(self._probe_timeout_s, most_s)):
            is_sibling = await self._prove(port, api_key)
        if is_sibling is False:
            self._strangers[port] = anyio.current_time() + STRANGER_S
        return is_sibling

    async def _prove(self, port: int, api_key: str) -> bool | None:
        """Ask the listener for a proof of the key, without sending the key itself."""
        probe = self._probes.setdefault(
            port,
            LoopinClient(f"http://{LOOPBACK}:{port}", timeout_s=self._probe_timeout_s, attempts=1),
        )
        challenge = secrets.token_hex(16)
        try:
            health = await probe.get_health(challenge)
        except (NotConnectedError, BrokenError):
            return None
        except LoopinError:
            return False
        shared = sibling_key(api_key, self._settings.reviewer_keys or {})
        proof = proof_of_key(shared, challenge, port)
        return hmac.compare_digest(proof.encode(), (health.proof or "").encode())


def _spare_ports(api_key: str) -> list[int]:
    """The ports for copies with this key if a stranger has the usual one."""
    digest = hmac.digest(api_key.encode(), b"loopin-mcp ports", "sha256")
    numbers = (int.from_bytes(digest[start : start + 4], "big") for start in (0, 4, 8))
    return [SPARE_PORTS[number % len(SPARE_PORTS)] for number in numbers]
