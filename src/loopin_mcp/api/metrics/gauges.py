"""The metrics that are read for each scrape."""

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from loopin_mcp.api.database.steps import Load
from loopin_mcp.api.store.watching import AGES, KINDS, STATES, URGENCIES, Backlog
from loopin_mcp.version import __version__

# By metric and its text: the figure of psycopg's pool that it shows.
_POOL_GAUGES = (
    ("loopin_pool_connections_limit", "The most connections to PostgreSQL.", "pool_max"),
    ("loopin_pool_waiting", "Requests that wait for a connection.", "requests_waiting"),
)
# The same, with the divisor of the figure.
_POOL_COUNTERS = (
    ("loopin_pool_requests_total", "Requests for a connection.", "requests_num", 1),
    (
        "loopin_pool_wait_seconds_total",
        "Time that requests waited for a connection.",
        "requests_wait_ms",
        1000,
    ),
    ("loopin_pool_errors_total", "Requests that got no connection in time.", "requests_errors", 1),
)


@dataclass(frozen=True)
class Reading:
    """What the database said."""

    backlog: Backlog
    size_bytes: int


# A registry keeps collectors by identity.
@dataclass(frozen=True, eq=False)
class Scrape(Collector):
    """The figures of one scrape; there is no `reading` if the database did not answer in time."""

    requests: Sequence[Metric]
    reading: Reading | None
    load: Load
    waits: Mapping[str, int]
    most_waits: int

    def collect(self) -> Iterator[Metric]:
        """See `Collector.collect`."""
        yield from self.requests
        yield _gauge(
            "loopin_build_info",
            "The version of LoopIn and Python, and the kind of database. Its value is 1.",
            {(__version__, platform.python_version(), self.load.kind): 1},
            ("version", "python", "database"),
        )
        yield _gauge(
            "loopin_database_up",
            "Whether the database answered this scrape in time: 1 or 0.",
            {(): int(self.reading is not None)},
        )
        yield from _of_waits(self.waits, self.most_waits)
        if self.reading:
            yield _gauge(
                "loopin_database_size_bytes",
                "The size of the database.",
                {(): self.reading.size_bytes},
            )
            yield from _of_backlog(self.reading.backlog)
        yield from _of_pool(self.load.pool) if self.load.pool else _of_commits(self.load)


def _of_waits(waits: Mapping[str, int], most: int) -> Iterator[Metric]:
    yield _gauge(
        "loopin_waiters",
        "Requests that wait for a decision (calls), and pages that wait for changes (pages).",
        {(kind,): count for kind, count in waits.items()},
        ("kind",),
    )
    yield _gauge("loopin_waiters_limit", "The most that may wait at once.", {(): most})


def _of_backlog(backlog: Backlog) -> Iterator[Metric]:
    yield _gauge(
        "loopin_pending_interrupts",
        "Interrupts that wait for a decision, by the time since they were created.",
        {(urgency, age): backlog.pending[urgency, age] for urgency in URGENCIES for age in AGES},
        ("urgency", "age"),
    )
    yield _gauge(
        "loopin_oldest_pending_age_seconds",
        "The time since the oldest pending interrupt was created; 0 if none is pending.",
        {(urgency,): backlog.oldest_pending_s[urgency] for urgency in URGENCIES},
        ("urgency",),
    )
    yield _gauge(
        "loopin_outbox_deliveries",
        "Deliveries that are due and were not tried yet (new), or have failed (retrying).",
        {(kind, state): backlog.outbox[kind, state] for kind in KINDS for state in STATES},
        ("kind", "state"),
    )
    yield _gauge(
        "loopin_outbox_oldest_age_seconds",
        "The time since the oldest delivery in the outbox was due; 0 if there is none.",
        {(kind,): backlog.oldest_delivery_s[kind] for kind in KINDS},
        ("kind",),
    )


def _of_commits(load: Load) -> Iterator[Metric]:
    yield _counter("loopin_commits_total", "Commits of SQLite, which writers share.", load.commits)
    yield _counter(
        "loopin_committed_writes_total",
        "Writes in those commits: divided by them, the writers that share one.",
        load.writes,
    )


def _of_pool(pool: Mapping[str, int]) -> Iterator[Metric]:
    idle = pool.get("pool_available", 0)
    yield _gauge(
        "loopin_pool_connections",
        "Connections to PostgreSQL that are in use or idle.",
        {("idle",): idle, ("in use",): pool.get("pool_size", 0) - idle},
        ("state",),
    )
    for name, text, figure in _POOL_GAUGES:
        yield _gauge(name, text, {(): pool.get(figure, 0)})
    for name, text, figure, divisor in _POOL_COUNTERS:
        yield _counter(name, text, pool.get(figure, 0) / divisor)


def _gauge(
    name: str, text: str, values: Mapping[tuple[str, ...], float], labels: tuple[str, ...] = ()
) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for names, value in values.items():
        family.add_metric(names, value)
    return family


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)
