"""The store of interrupts: creates and settles them, and reads what agents ask for."""

from collections.abc import AsyncIterator, Collection
from functools import partial

import anyio.to_thread
from anyio.lowlevel import checkpoint

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.audit.audit_keys import NO_KEYS, AuditKeys
from loopin_mcp.api.audit.events import event_of
from loopin_mcp.api.audit.replay import STATE
from loopin_mcp.api.audit.stored_trails import Trails, seen, view
from loopin_mcp.api.audit.trail import Trail
from loopin_mcp.api.clock import Clock, epoch_ms, moment
from loopin_mcp.api.database.rows import INTERRUPT, RowReader
from loopin_mcp.api.database.steps import Database, Row, listed
from loopin_mcp.api.store.analytics import Figures
from loopin_mcp.api.store.creation import IdempotencyKey, create, create_once
from loopin_mcp.api.store.deliveries import Deliveries
from loopin_mcp.api.store.inbox_lists import Overview
from loopin_mcp.api.store.outcomes import cancel, decide, expire
from loopin_mcp.api.store.paging import next_cursor, page_of, position_of
from loopin_mcp.api.store.retention import Retention
from loopin_mcp.api.store.sessions import StoredSessions
from loopin_mcp.api.store.wakeups import Changes
from loopin_mcp.errors import ConflictError, NotFoundError
from loopin_mcp.wire.fields import DEFAULT_PAGE
from loopin_mcp.wire.models import (
    Analytics,
    Cancelled,
    Created,
    Decided,
    Decision,
    Event,
    Interrupt,
    NewInterrupt,
    PendingPage,
)

# How many expiries one transaction stores, so that other writers need not wait long.
EXPIRED_AT_ONCE = 100
_EXPIRED = f"""
    SELECT interrupt_id FROM interrupts WHERE status = 'pending' AND expires_ms <= :now
    ORDER BY expires_ms LIMIT {EXPIRED_AT_ONCE} OFFSET :damaged
    """  # noqa: S608 - a constant
_PENDING = page_of(
    INTERRUPT,
    """user_id = :user_id AND status = 'pending' AND expires_ms > :now
        AND (created_ms, ordinal) < (:created_ms, :ordinal)""",
    "created_ms DESC, ordinal DESC",
)


class Store:
    """Interrupts in a database, as of the time of `clock`; links begin with `public_url`.

    `changes` publishes every change once it is stored. `keys` make the hashes of events.
    """

    def __init__(
        self,
        database: Database,
        public_url: str,
        clock: Clock = epoch_ms,
        keys: AuditKeys = NO_KEYS,
    ) -> None:
        self._database = database
        self.clock = clock
        self.public_url = public_url
        self.changes = Changes()
        self._keys = keys
        self.deliveries = Deliveries(database, clock, keys)
        self._reader = RowReader(public_url)
        self.figures = Figures(database, clock)
        self.retention = Retention(database, clock, keys)
        self._trails = Trails(database, keys)
        self.overview = Overview(database, self._reader, self._trails, clock)
        self.sessions = StoredSessions(database, clock)
        self._in_flight: set[IdempotencyKey] = set()

    async def create_interrupt(self, interrupt: NewInterrupt, actor: Actor) -> Created:
        """Create an interrupt with a new random id.

        Raises:
            RateLimitedError: Its user has too many pending interrupts.
        """
        steps = partial(create, self._keys, interrupt, self.clock(), actor)
        row = await self._database.transact(steps)
        self._publish_new()
        return self._created(row)

    async def create_interrupt_once(
        self, interrupt: NewInterrupt, actor: Actor, key: IdempotencyKey
    ) -> tuple[Created, bool]:
        """Create an interrupt once for this key; returns it, and whether it existed before.

        Raises:
            ConflictError: The first request with the key is still in progress.
            UnprocessableError: The key was used with another payload.
            TamperedError: The interrupt that it created was tampered with.
            RateLimitedError: Its user has too many pending interrupts.
        """
        if key in self._in_flight:
            raise ConflictError(
                "A request with this Idempotency-Key is still in progress", retry_after_s=1
            )
        self._in_flight.add(key)
        try:
            steps = partial(create_once, self._keys, interrupt, self.clock(), actor, key)
            row, existed = await self._database.transact(steps)
        finally:
            self._in_flight.discard(key)
        if not existed:
            self._publish_new()
        return self._created(row), existed

    async def get_interrupt_status(self, interrupt_id: str) -> Interrupt:
        """The interrupt as it is now, checked against its trail.

        Raises:
            NotFoundError: There is no interrupt with this id.
            TamperedError: It was tampered with.
        """
        row = await self._row(interrupt_id)
        interrupt = self._reader.interrupt(row)
        await anyio.to_thread.run_sync((await self._trails.of(row)).require_whole)
        return interrupt

    async def get_trail(self, interrupt_id: str) -> tuple[Interrupt, Trail]:
        """The interrupt as it is now, even if it was tampered with, and its trail.

        Raises:
            NotFoundError: There is no interrupt with this id.
        """
        row = await self._row(interrupt_id)
        return self._reader.interrupt(row), await self._trails.of(row)

    async def list_pending_interrupts(
        self, user_id: str, *, limit: int = DEFAULT_PAGE, cursor: str | None = None
    ) -> PendingPage:
        """One page of a user's pending interrupts, newest first, from `cursor` on.

        Raises:
            InvalidRequestError: `cursor` does not come from an earlier page.
        """
        created_ms, ordinal = position_of(cursor) if cursor else (2**62, 0)
        rows = await self._database.read(
            _PENDING,
            user_id=user_id,
            now=self.clock(),
            created_ms=created_ms,
            ordinal=ordinal,
            limit=limit,
        )
        interrupts = self._reader.interrupts(rows)
        return PendingPage(
            user_id=user_id,
            count=len(interrupts),
            interrupts=tuple(interrupts),
            next_cursor=next_cursor(rows),
        )

    async def decide_interrupt(
        self, interrupt_id: str, decision: Decision, actor: Actor
    ) -> Decided:
        """Record the first decision; of two concurrent ones exactly one wins.

        Raises:
            NotFoundError: There is no interrupt with this id.
            ConflictError: It is no longer pending, or has another payloadDigest.
            TamperedError: It was tampered with.
        """
        steps = partial(decide, self._keys, interrupt_id, decision, self.clock(), actor)
        row = await self._database.transact(steps)
        self._publish(row)
        return Decided(
            interrupt_id=interrupt_id,
            status="resolved",
            decision=decision.decision,
            decided_at=moment(row["decided_ms"]),
        )

    async def cancel_interrupt(self, interrupt_id: str, actor: Actor) -> Cancelled:
        """Cancel an interrupt that is pending.

        Raises:
            NotFoundError: There is no interrupt with this id.
            ConflictError: It is no longer pending.
            TamperedError: It was tampered with.
        """
        steps = partial(cancel, self._keys, interrupt_id, self.clock(), actor)
        self._publish(await self._database.transact(steps))
        return Cancelled(interrupt_id=interrupt_id, status="cancelled")

    async def list_events(self, interrupt_id: str) -> tuple[Event, ...]:
        """The events of an interrupt, in order.

        Raises:
            NotFoundError: There is no interrupt with this id.
        """
        rows = await self._database.read(
            """
            SELECT events.* FROM interrupts LEFT JOIN events USING (interrupt_id)
            WHERE interrupts.interrupt_id = :interrupt_id ORDER BY sequence
            """,
            interrupt_id=interrupt_id,
        )
        if not rows:
            raise NotFoundError("Interrupt not found")
        return tuple(event_of(row) for row in rows if row["sequence"] is not None)

    async def record_view(self, interrupt_id: str, actor: Actor) -> None:
        """Record that someone has seen a pending interrupt, the first time.

        Raises:
            NotFoundError: There is no interrupt with this id.
            TamperedError: It was tampered with.
        """
        # A reload of the page must not cost a write.
        sql, params = seen(interrupt_id, actor)
        if not await self._database.read(sql, **params):
            steps = partial(view, self._keys, interrupt_id, self.clock(), actor)
            await self._database.transact(steps)

    async def get_interrupt_analytics(self, user_id: str) -> Analytics:
        """One user's figures, as of one moment."""
        return await self.figures.analytics(user_id)

    async def expire_interrupts(self) -> None:
        """Store the expiries that reads show already, so that their callbacks become due."""
        now, damaged = self.clock(), 0
        # Damaged ones stay due, and must not keep others from expiring.
        while due := await self._database.read(_EXPIRED, now=now, damaged=damaged):
            # All processes lock them in the same order, so that there are no deadlocks.
            ids = sorted(str(row["interrupt_id"]) for row in due)
            steps = partial(expire, self._keys, ids, now, self._reader)
            expired = await self._database.transact(steps)
            for row in expired:
                self._publish(row)
                # Those who wait are answered in between, and other requests too.
                await checkpoint()
            damaged += len(due) - len(expired)

    async def changed_elsewhere(self) -> Collection[str] | None:
        """Wait until another process may have changed interrupts: these, or None for any.

        Raises:
            UnavailableError: The database cannot tell right now.
        """
        return await self._database.changed(self.changes.wanted)

    def seconds_left(self, interrupt: Interrupt) -> float:
        """The time until an interrupt expires; negative if it has."""
        assert interrupt.expires_at is not None
        return interrupt.expires_at.timestamp() - self.clock() / 1000

    async def get_interrupts(
        self, interrupt_ids: list[str], *, only_settled: bool = False
    ) -> AsyncIterator[Interrupt]:
        """These interrupts as they are now, or only those that are no longer pending.

        Those that are settled and cannot be trusted are left out; their waits are woken.
        """
        among, ids = listed("id", interrupt_ids)
        condition = "(status <> 'pending' OR expires_ms <= :now)" if only_settled else "TRUE"
        rows = await self._database.read(
            f"""
            SELECT {STATE} FROM interrupts WHERE {condition} AND interrupt_id IN ({among})
            """,  # noqa: S608 - constants and names made here
            now=self.clock(),
            **ids,
        )
        settled = [row for row in rows if row["status"] != "pending"]
        faults = await self._trails.faults(settled) if settled else {}
        self.changes.look_again(map(str, faults))
        for row in rows:
            if row["interrupt_id"] not in faults:
                for interrupt in self._reader.interrupts([row]):
                    yield interrupt
            # To read many takes time, which must not delay other requests.
            await checkpoint()

    async def _row(self, interrupt_id: str) -> Row:
        rows = await self._database.read(
            f"SELECT {STATE} FROM interrupts WHERE interrupt_id = :interrupt_id",  # noqa: S608 - only constants
            interrupt_id=interrupt_id,
            now=self.clock(),
        )
        if not rows:
            raise NotFoundError("Interrupt not found")
        return rows[0]

    def _publish_new(self) -> None:
        self.deliveries.bell.ring()
        self.changes.created.ring()
        self.changes.publish()

    def _publish(self, settled: Row) -> None:
        self.deliveries.bell.ring()
        is_waited_for = self.changes.waited_for([str(settled["interrupt_id"])])
        self.changes.publish(*(self._reader.interrupts([settled]) if is_waited_for else ()))

    def _created(self, row: Row) -> Created:
        created = self._reader.interrupt(row)
        return Created(
            interrupt_id=created.interrupt_id,
            # A replay gives the first answer, whatever the status is now.
            status="pending",
            expires_at=moment(row["expires_ms"]),
            review_url=created.review_url,
        )
