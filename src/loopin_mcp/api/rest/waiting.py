"""Holds requests until their interrupt is settled; the change wakes them, wherever it is made."""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator

import anyio

from loopin_mcp.api.database.outages import Outage
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import LoopinError
from loopin_mcp.wire.models import Interrupt

# How many interrupts one look at the database is about.
LOOK_AT = 500
LOOK_AGAIN_S = 1.0

logger = logging.getLogger("loopin_mcp")


class Waiting:
    """Waits over a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def for_settled(
        self, interrupt_id: str, wait_s: float, gone: Callable[[], Awaitable[None]]
    ) -> Interrupt:
        """The interrupt once it has left pending, or as it is after `wait_s` seconds.

        It expires at its moment. The wait ends early when `gone` returns, since then nobody
        wants the answer, and when the API is stopped.

        Raises:
            NotFoundError: There is none of that id.
        """
        deadline = anyio.current_time() + wait_s
        changes = self._store.changes
        with changes.waiting_for(interrupt_id) as waiter:
            interrupt = await self._store.get_interrupt_status(interrupt_id)
            while interrupt.is_pending and anyio.current_time() < deadline and not changes.closed:
                wake_at = min(deadline, anyio.current_time() + self._store.seconds_left(interrupt))
                # It may be large, and thousands may wait.
                del interrupt
                if waiter.found is None:
                    with waiter.until(wake_at):
                        await gone()
                        deadline = anyio.current_time()
                interrupt = waiter.found or await self._store.get_interrupt_status(interrupt_id)
        return interrupt


async def follow_changes(store: Store) -> None:
    """Wake whom changes of other processes concern, until cancelled."""
    outage = Outage(logger, "Changes of other processes")
    while True:
        with outage.watched():
            changed = await store.changed_elsewhere()
            waited_for = store.changes.waited_for(changed)
            for ids in _portions(waited_for):
                store.changes.publish(*await store.get_interrupts(ids, only_settled=True))
            store.changes.publish()
        if outage.lasts:
            await anyio.sleep(LOOK_AGAIN_S)


async def let_go(store: Store) -> None:
    """Answer all who wait, who can ask whoever serves next, and have nobody wait any more."""
    changes = store.changes
    changes.closed = True
    try:
        # Where thousands wait, to have each look by itself would take too long.
        with contextlib.suppress(LoopinError):
            for ids in _portions(changes.waited_for(None)):
                changes.answer(*await store.get_interrupts(ids))
    finally:
        changes.close()


def _portions(ids: list[str]) -> Iterator[list[str]]:
    return (ids[start : start + LOOK_AT] for start in range(0, len(ids), LOOK_AT))
