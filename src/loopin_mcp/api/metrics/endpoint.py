"""`GET /metrics`, on the API's port and on one of its own."""

from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from loopin_mcp.api.access.limits import Waits
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import APIError
from loopin_mcp.version import how_to_add

if TYPE_CHECKING:
    from loopin_mcp.api.metrics.metrics import Metrics

NEEDED = f"Metrics need the extra `server`. {how_to_add('server')}"
# Of Prometheus's text format: https://prometheus.io/docs/instrumenting/exposition_formats/
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def can_measure() -> bool:
    """Whether there can be metrics."""
    return find_spec("prometheus_client") is not None


def metrics_of(store: Store, waits: Waits) -> "Metrics | None":
    """The metrics of an API, or None without the extra `server`."""
    if not can_measure():
        return None
    from loopin_mcp.api.metrics.metrics import Metrics

    return Metrics(store, waits)


def endpoint_of(metrics: "Metrics | None") -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of these metrics."""

    async def get_metrics(_request: Request) -> Response:
        """`GET /metrics`."""
        if metrics is None:
            raise APIError(NEEDED, 501)
        headers = {"Cache-Control": "no-store", "Content-Type": MEDIA_TYPE}
        return Response(await metrics.text(), headers=headers)

    return get_metrics
