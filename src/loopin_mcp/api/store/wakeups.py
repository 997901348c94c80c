"""Waits for changes of interrupts, in this process or others, and their wake-ups."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from contextlib import contextmanager

import anyio
from anyio.lowlevel import checkpoint

from loopin_mcp.api.audit.replay import STATE
from loopin_mcp.api.audit.stored_trails import Trails
from loopin_mcp.api.clock import Clock
from loopin_mcp.api.database.rows import RowReader, Stored
from loopin_mcp.api.database.steps import Database, listed


class Waiter:
    """A wait for one interrupt; `found` is the settled interrupt once it is woken."""

    def __init__(self) -> None:
        self.found: Stored | None = None
        self._scope: anyio.CancelScope | None = None

    def until(self, deadline: float) -> anyio.CancelScope:
        """A scope that ends at the wake-up, or at `deadline` by the event loop's clock."""
        self._scope = anyio.CancelScope(deadline=deadline)
        return self._scope

    def wake(self, found: Stored | None) -> None:
        """End the wait; an earlier `found` stays."""
        self.found = found or self.found
        if self._scope is not None:
            # From within a task, anyio would spend most of the time on the cancel message.
            asyncio.get_running_loop().call_soon(self._scope.cancel)


class Bell:
    """An event that can happen again and again: wait for `next`."""

    def __init__(self) -> None:
        self._next: anyio.Event | None = None

    @property
    def next(self) -> anyio.Event:
        """Set by the next ring."""
        self._next = self._next or anyio.Event()
        return self._next

    def ring(self) -> None:
        """Set `next`, which is another event from then on."""
        if self._next:
            self._next.set()
            self._next = None


class Changes:
    """The waits of this process. The store publishes its own changes and those of other processes.

    `created` rings at each interrupt that is created here. Waiting for it does not make the store
    watch for changes of other processes.
    """

    def __init__(self) -> None:
        self.closed = False
        self._waiters: defaultdict[str, set[Waiter]] = defaultdict(set)
        self._next = Bell()
        self._next_is_wanted = False
        self.created = Bell()
        self._wanted = anyio.Event()

    @property
    def next(self) -> anyio.Event:
        """Set by the next change of any interrupt, and by `close`."""
        self._next_is_wanted = True
        self._wanted.set()
        return self._next.next

    @contextmanager
    def waiting_for(self, interrupt_id: str) -> Iterator[Waiter]:
        """A waiter that is woken when the interrupt is settled during this block."""
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
        """Those of these interrupts, or of all if None, that somebody waits for."""
        if interrupt_ids is None:
            return list(self._waiters)
        return [interrupt_id for interrupt_id in interrupt_ids if interrupt_id in self._waiters]

    async def wanted(self) -> None:
        """Return once somebody waits for a change."""
        if not self._waiters and not self._next_is_wanted:
            self._wanted = anyio.Event()
            await self._wanted.wait()

    def publish(self, *settled: Stored) -> None:
        """Wake the waits for any change, and for these interrupts, which are settled."""
        self.answer(*settled)
        self._next.ring()
        self._next_is_wanted = False

    def answer(self, *interrupts: Stored) -> None:
        """Wake the waits for these interrupts, even if they are still pending."""
        for interrupt in interrupts:
            self._wake(interrupt.interrupt_id, interrupt)

    def look_again(self, interrupt_ids: Iterable[str]) -> None:
        """Wake the waits for these interrupts, so that they read them."""
        for interrupt_id in interrupt_ids:
            self._wake(interrupt_id, None)

    def close(self) -> None:
        """Wake all waits, since no more changes will be published."""
        self.closed = True
        for interrupt_id in self._waiters:
            self._wake(interrupt_id, None)
        self._next.next.set()

    def _wake(self, interrupt_id: str, found: Stored | None) -> None:
        for waiter in self._waiters.get(interrupt_id, ()):
            waiter.wake(found)


class Awaited:
    """The interrupts that `changes` has waits for, which other processes may change."""

    def __init__(
        self, database: Database, reader: RowReader, trails: Trails, clock: Clock, changes: Changes
    ) -> None:
        self._database = database
        self._reader = reader
        self._trails = trails
        self._clock = clock
        self._changes = changes

    async def changed_elsewhere(self) -> Collection[str] | None:
        """Wait until another process may have changed interrupts: these, or None for any.

        Raises:
            UnavailableError: The database cannot tell right now.
        """
        return await self._database.changed(self._changes.wanted)

    async def read(
        self, interrupt_ids: list[str], *, only_settled: bool = False
    ) -> AsyncIterator[Stored]:
        """These interrupts as they are now, or only those that are settled.

        Those that are settled and cannot be trusted are left out; their waits are woken.
        """
        among, ids = listed("id", interrupt_ids)
        condition = "(status <> 'pending' OR expires_ms <= :now)" if only_settled else "TRUE"
        rows = await self._database.read(
            f"""
            SELECT {STATE} FROM interrupts WHERE {condition} AND interrupt_id IN ({among})
            """,  # noqa: S608 - constants and names made here
            now=self._clock(),
            **ids,
        )
        settled = [row for row in rows if row["status"] != "pending"]
        faults = await self._trails.faults(settled) if settled else {}
        self._changes.look_again(map(str, faults))
        for row in rows:
            if row["interrupt_id"] not in faults:
                for interrupt in self._reader.undamaged([row], self._reader.stored):
                    yield interrupt
            # To read many takes time, which must not delay other requests.
            await checkpoint()
