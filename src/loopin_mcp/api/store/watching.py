"""What can be watched of a store: its changes as they happen, their traces, and its workload."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from loopin_mcp.api.clock import Clock
from loopin_mcp.api.database.steps import Database, Load, Row, Value
from loopin_mcp.api.store.outbox import Kind, kept_ms
from loopin_mcp.telemetry.spans import add_span
from loopin_mcp.telemetry.traces import read_trace
from loopin_mcp.wire.fields import Urgency

URGENCIES: tuple[str, ...] = get_args(get_args(Urgency)[0])
KINDS: tuple[Kind, ...] = get_args(Kind)
Attempt = Literal["delivered", "failed", "given-up", "dropped"]
ATTEMPTS: tuple[Attempt, ...] = get_args(Attempt)
STATES = ("new", "retrying")
# The ranges of ages, and where each ends in seconds.
_ENDS = {"under 1m": 60, "1m to 10m": 600, "10m to 1h": 3600, "1h to 1d": 86_400}
_LAST = "over 1d"
AGES = (*_ENDS, _LAST)

_AGE = " ".join(f"WHEN created_ms > :now - {s * 1000} THEN '{age}'" for age, s in _ENDS.items())
# An index has all that this reads.
_PENDING = f"""
    SELECT urgency, CASE {_AGE} ELSE '{_LAST}' END AS age, COUNT(*) AS count,
        MIN(created_ms) AS oldest_ms
    FROM interrupts WHERE status = 'pending' AND expires_ms > :now GROUP BY 1, 2
    """  # noqa: S608 - constants
# A delivery is given up at a fixed time after it was first due.
_OUTBOX = """
    SELECT kind, answered IS NULL AS is_new, COUNT(*) AS count, MIN(given_up_ms) AS oldest_ms
    FROM deliveries WHERE NOT (kind = 'reminder' AND answered IS NULL AND due_ms > :now)
    GROUP BY 1, 2
    """


class Observer(Protocol):
    """Learns of the changes that a store has made, and of attempts to deliver."""

    def created(self, row: Row) -> None:
        """An interrupt was created."""
        ...

    def settled(self, row: Row) -> None:
        """An interrupt was decided, cancelled or has expired."""
        ...

    def tried(self, kind: str, outcome: Attempt) -> None:
        """A delivery was tried."""
        ...


class Unobserved:
    """An observer that ignores everything."""

    def created(self, row: Row) -> None:
        """See `Observer.created`."""

    def settled(self, row: Row) -> None:
        """See `Observer.settled`."""

    def tried(self, kind: str, outcome: Attempt) -> None:
        """See `Observer.tried`."""


def trace_decision(settled: Row) -> None:
    """Add the time until a decision to the trace of the request that asked; nothing without one."""
    if settled["decided_ms"] is None:
        return
    attributes = {
        "loopin.interrupt_id": str(settled["interrupt_id"]),
        "loopin.channel": str(settled["decided_via"]),
        "loopin.outcome": str(settled["status"]),
    }
    created_ms, decided_ms = int(settled["created_ms"] or 0), int(settled["decided_ms"])
    trace = read_trace(str(settled["traceparent"]))
    add_span("wait for decision", trace, created_ms, decided_ms, attributes)


@dataclass(frozen=True)
class Backlog:
    """What waits for people and receivers.

    `pending` counts interrupts by urgency and range of age, `outbox` deliveries by kind and state.
    The ages of the oldest are in seconds.
    """

    pending: Mapping[tuple[str, str], int]
    oldest_pending_s: Mapping[str, float]
    outbox: Mapping[tuple[str, str], int]
    oldest_delivery_s: Mapping[str, float]


class Workload:
    """How much waits in a database, and how large and how busy it is."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def backlog(self) -> Backlog:
        """What waits for people and receivers.

        Raises:
            UnavailableError: The database cannot be used right now.
        """
        now = self._clock()
        pending, outbox = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        oldest_pending = dict.fromkeys(URGENCIES, 0.0)
        oldest_delivery: dict[str, float] = dict.fromkeys(KINDS, 0.0)
        for row in await self._database.read(_PENDING, now=now):
            # Someone who can write the database could make up others.
            if (urgency := str(row["urgency"])) in oldest_pending:
                pending[urgency, str(row["age"])] = int(row["count"] or 0)
                age_s = _age_s(row["oldest_ms"], now)
                oldest_pending[urgency] = max(oldest_pending[urgency], age_s)
        for row in await self._database.read(_OUTBOX, now=now):
            for kind in (kind for kind in KINDS if kind == row["kind"]):
                outbox[kind, STATES[not row["is_new"]]] = int(row["count"] or 0)
                age_s = _age_s(int(row["oldest_ms"] or 0) - kept_ms(kind), now)
                oldest_delivery[kind] = max(oldest_delivery[kind], age_s)
        return Backlog(pending, oldest_pending, outbox, oldest_delivery)

    async def size_bytes(self) -> int:
        """See `Database.size_bytes`."""
        return await self._database.size_bytes()

    def load(self) -> Load:
        """See `Database.load`."""
        return self._database.load()


def _age_s(since_ms: Value, now: int) -> float:
    return max(0, now - int(since_ms or 0)) / 1000
