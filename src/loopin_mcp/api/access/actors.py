"""Actors: who did something to an interrupt, and through which channel."""

from dataclasses import dataclass, field

from loopin_mcp.telemetry.traces import Trace


@dataclass(frozen=True)
class Actor:
    """Someone as the API knows them by their key, never by a name in the request.

    `name` is a reviewer's name, or else `api-key`, `review-link` or `anonymous`. `channel` is
    `review-page`, `inbox`, `api`, `mcp`, or `system` for actions of the API itself. `trace` is that
    of the request, and says nothing of them.
    """

    name: str
    channel: str
    trace: Trace | None = field(default=None, compare=False, repr=False)


SYSTEM = Actor("loopin", "system")
