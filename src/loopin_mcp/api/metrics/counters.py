"""The metrics that count what this process does."""

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Histogram

from loopin_mcp.api.database.steps import Row
from loopin_mcp.api.store.approvals import CHANNEL as STANDING
from loopin_mcp.api.store.watching import ATTEMPTS, KINDS, URGENCIES, Attempt

# From ten seconds to a week: people answer.
DECISION_BUCKETS = (10, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 86_400, 7 * 86_400)

_CHANNELS = ("api", "inbox", "mcp", "review-page", STANDING)


class Counters:
    """Counts interrupts, decisions and deliveries, as a store's observer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, registry=registry)
        self._created = counter(
            "loopin_interrupts_created_total", "Interrupts that were created.", ("urgency",)
        )
        self._decisions = counter(
            "loopin_decisions_total",
            "Interrupts that were decided, by the channel of the decision.",
            ("channel", "outcome"),
        )
        self._undecided = counter(
            "loopin_interrupts_undecided_total",
            "Interrupts that were cancelled or have expired.",
            ("outcome",),
        )
        self._deliveries = counter(
            "loopin_deliveries_total",
            "Attempts to deliver callbacks, notifications and reminders.",
            ("kind", "outcome"),
        )
        self._decision_times = _decision_times(registry)
        self._begin_at_zero()

    def created(self, row: Row) -> None:
        """See `Observer.created`."""
        self._created.labels(row["urgency"]).inc()

    def settled(self, row: Row) -> None:
        """See `Observer.settled`."""
        if row["decided_ms"] is None:
            self._undecided.labels(row["status"]).inc()
            return
        self._decisions.labels(row["decided_via"], row["status"]).inc()
        # Nobody responded to what a standing approval covers.
        if row["covered_by"] is None:
            took_ms = int(row["decided_ms"]) - int(row["created_ms"] or 0)
            self._decision_times.labels(row["urgency"]).observe(took_ms / 1000)

    def tried(self, kind: str, outcome: Attempt) -> None:
        """See `Observer.tried`."""
        self._deliveries.labels(kind, outcome).inc()

    def _begin_at_zero(self) -> None:
        """Make the counters, so that Prometheus sees the first step of each."""
        for urgency in URGENCIES:
            self._created.labels(urgency)
            self._decision_times.labels(urgency)
        for channel in _CHANNELS:
            for decision in ("approved", "rejected"):
                self._decisions.labels(channel, decision)
        for outcome in ("cancelled", "expired"):
            self._undecided.labels(outcome)
        for kind in KINDS:
            for attempt in ATTEMPTS:
                self._deliveries.labels(kind, attempt)


def _decision_times(registry: CollectorRegistry) -> Histogram:
    return Histogram(
        "loopin_time_to_decision_seconds",
        "Time from the creation of an interrupt to a human's decision.",
        ("urgency",),
        buckets=DECISION_BUCKETS,
        registry=registry,
    )
