"""What the endpoints and the loops of one API share."""

from dataclasses import dataclass
from typing import Self

from loopin_mcp.api.clock import Clock
from loopin_mcp.api.destinations import Destinations
from loopin_mcp.api.keys import Keys
from loopin_mcp.api.limits import Limits, Waits
from loopin_mcp.api.live import HEARTBEAT_S, Live
from loopin_mcp.api.options import Options
from loopin_mcp.api.sessions import Sessions
from loopin_mcp.api.store import Store


@dataclass(frozen=True)
class Shared:
    """Made once for each API: a second of one would not know what the first has counted."""

    keys: Keys
    destinations: Destinations
    waits: Waits
    sessions: Sessions
    live: Live

    @classmethod
    def of(
        cls,
        store: Store,
        options: Options,
        clock: Clock,
        limits: Limits,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> Self:
        """That of an API on such options. `clock` gives epoch milliseconds."""
        keys, waits = Keys.of(options), Waits(limits)
        sessions = Sessions(keys, clock, store.public_url)
        live = Live(store, clock, sessions, waits, heartbeat_s)
        return cls(keys, Destinations.of(options), waits, sessions, live)
