"""Tells pages that are open what changes, by server-sent events."""

from loopin_mcp.api.interrupts import Clock
from loopin_mcp.api.sessions import Sessions
from loopin_mcp.api.store import Store


class Live:
    """The event streams over a store. `clock` gives epoch milliseconds."""

    def __init__(self, store: Store, clock: Clock, sessions: Sessions) -> None:
        self._store = store
        self._clock = clock
        self._sessions = sessions

    @property
    def connected(self) -> int:
        """How many inbox pages are connected now."""
        return 0
