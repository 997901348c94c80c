"""The metrics of one API, in the text format of Prometheus; needs the extra `server`."""

import asyncio
import contextlib

import anyio.to_thread
from prometheus_client import (
    CollectorRegistry,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from loopin_mcp.api.access.limits import Waits
from loopin_mcp.api.metrics.counters import Counters
from loopin_mcp.api.metrics.gauges import Reading, Scrape
from loopin_mcp.api.metrics.requests import Requests
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import UnavailableError

# Within this time, one look at the database answers all scrapes.
FRESH_MS = 2000
# How long a scrape waits for the database. Prometheus waits for 10 seconds by default.
LOOK_S = 3.0


class Metrics:
    """The metrics of a store and its API.

    The database is read at most once in `FRESH_MS`. If it does not answer within `look_s`
    seconds, a scrape gets everything else.
    """

    def __init__(self, store: Store, waits: Waits, look_s: float = LOOK_S) -> None:
        # They would double the number of samples.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._workload, self._clock = store.workload, store.clock
        self._waits = waits
        self._look_s = look_s
        self._look: asyncio.Task[Reading | None] | None = None
        self._looked_ms = 0
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.requests = Requests()
        self.counters = Counters(self._registry)
        store.observer = self.counters

    async def text(self) -> bytes:
        """All metrics as of now."""
        reading, waits = await self._reading(), self._waits
        requests = list(self.requests.metrics())
        scrape = Scrape(requests, reading, self._workload.load(), waits.by_kind(), waits.most)
        return await anyio.to_thread.run_sync(self._text_with, scrape)

    def _text_with(self, scrape: Scrape) -> bytes:
        gauges = CollectorRegistry()
        gauges.register(scrape)
        return generate_latest(self._registry) + generate_latest(gauges)

    async def _reading(self) -> Reading | None:
        """What the database says, or None; a look that hangs is not begun again."""
        look, age_ms = self._look, self._clock() - self._looked_ms
        # The clock may have been set back.
        if look is None or (look.done() and not 0 <= age_ms < FRESH_MS):
            look = self._look = asyncio.create_task(self._read())
        await asyncio.wait([look], timeout=self._look_s)
        return look.result() if look.done() else None

    async def _read(self) -> Reading | None:
        reading = None
        with contextlib.suppress(UnavailableError):
            reading = Reading(await self._workload.backlog(), await self._workload.size_bytes())
        self._looked_ms = self._clock()
        return reading
