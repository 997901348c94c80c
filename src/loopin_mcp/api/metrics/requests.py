"""The metrics of requests. They are plain numbers: every request counts, and locks take time."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

# Up to so many seconds.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LABELS = ("route", "method")


@dataclass
class _Times:
    """The requests to a route: their durations together, and how many are in each bucket."""

    total_s: float = 0.0
    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))


class Requests:
    """Counts requests, all from one thread."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, int]] = Counter()
        self._times: defaultdict[tuple[str, str], _Times] = defaultdict(_Times)

    def count(self, route: str, method: str, status: int, duration_s: float | None) -> None:
        """Count one more; its duration counts if it has one."""
        self._counts[route, method, status // 100] += 1
        if duration_s is not None:
            times = self._times[route, method]
            times.total_s += duration_s
            times.counts[bisect_left(BUCKETS, duration_s)] += 1

    def metrics(self) -> Iterator[Metric]:
        """The metrics as of now."""
        requests = CounterMetricFamily(
            "loopin_http_requests_total",
            "Requests, by route, method and class of status.",
            labels=(*_LABELS, "status"),
        )
        for (route, method, status), count in self._counts.items():
            requests.add_metric((route, method, f"{status}xx"), count)
        yield requests
        durations = HistogramMetricFamily(
            "loopin_http_request_duration_seconds",
            "Time to answer requests, except those that wait for a decision or a change.",
            labels=_LABELS,
        )
        for key, times in self._times.items():
            bounds = map(str, (*BUCKETS, "+Inf"))
            buckets = list(zip(bounds, accumulate(times.counts), strict=True))
            durations.add_metric(key, buckets, times.total_s)
        yield durations
