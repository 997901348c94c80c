"""Who waits for what to change, and the waking of them."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import anyio

from loopin_mcp.wire.models import Interrupt


class Waiter:
    """One who waits for one interrupt; `found` is what it was found to be, when woken."""

    def __init__(self) -> None:
        self.found: Interrupt | None = None
        self._scope: anyio.CancelScope | None = None

    def until(self, deadline: float) -> anyio.CancelScope:
        """A scope that ends when woken, and at `deadline` by the event loop's clock."""
        self._scope = anyio.CancelScope(deadline=deadline)
        return self._scope

    def wake(self, found: Interrupt | None) -> None:
        """End the wait; what was found already stays."""
        self.found = found or self.found
        if self._scope is not None:
            # Within a task, anyio would spend more on describing that than all else here takes.
            asyncio.get_running_loop().call_soon(self._scope.cancel)


class Bell:
    """Rings for everybody who waits for `next`."""

    def __init__(self) -> None:
        self.next = anyio.Event()

    def ring(self) -> None:
        """Wake those who wait; from now on `next` is the ring after this one."""
        self.next.set()
        self.next = anyio.Event()


class Changes:
    """Wakes those who wait, at the change itself.

    The store tells what it changes here, and what other processes have changed. `created` rings
    at each interrupt that is created here; to wait for it does not have other processes watched.
    """

    def __init__(self) -> None:
        self.closed = False
        self._waiters: defaultdict[str, set[Waiter]] = defaultdict(set)
        self._next = anyio.Event()
        self._next_is_wanted = False
        self.created = Bell()
        self._wanted = anyio.Event()

    @property
    def next(self) -> anyio.Event:
        """Is set by the next change of any interrupt, and when there will be no more."""
        self._next_is_wanted = True
        self._wanted.set()
        return self._next

    @contextmanager
    def waiting_for(self, interrupt_id: str) -> Iterator[Waiter]:
        """Be woken when this interrupt leaves pending, as long as the block lasts."""
        waiter = Waiter()
        self._waiters[interrupt_id].add(waiter)
        self._wanted.set()
        try:
            yield waiter
        finally:
            self._waiters[interrupt_id].discard(waiter)
            if not self._waiters[interrupt_id]:
                del self._waiters[interrupt_id]

    def waited_for(self, interrupt_ids: Collection[str] | None) -> list[str]:
        """Those of these interrupts, or of all, that somebody waits for."""
        if interrupt_ids is None:
            return list(self._waiters)
        return [interrupt_id for interrupt_id in interrupt_ids if interrupt_id in self._waiters]

    async def wanted(self) -> None:
        """Return once somebody waits for anything."""
        if not self._waiters and not self._next_is_wanted:
            self._wanted = anyio.Event()
            await self._wanted.wait()

    def publish(self, *changed: Interrupt) -> None:
        """Wake those who wait for one of these that is settled, and those who wait for any."""
        for interrupt in changed:
            if interrupt.is_pending:
                self.created.ring()
            else:
                self._wake(interrupt.interrupt_id, interrupt)
        self._next.set()
        self._next = anyio.Event()
        self._next_is_wanted = False

    def answer(self, *interrupts: Interrupt) -> None:
        """Wake those who wait for one of these, whatever it is now."""
        for interrupt in interrupts:
            self._wake(interrupt.interrupt_id, interrupt)

    def close(self) -> None:
        """Wake everybody: nothing will change any more that is known here."""
        self.closed = True
        for interrupt_id in self._waiters:
            self._wake(interrupt_id, None)
        self._next.set()

    def _wake(self, interrupt_id: str, found: Interrupt | None) -> None:
        for waiter in self._waiters.get(interrupt_id, ()):
            waiter.wake(found)
