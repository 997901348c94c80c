"""The store of interrupts: creates and settles them, and reads what agents ask for."""

from collections.abc import Callable
from functools import partial

from anyio.lowlevel import checkpoint

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.audit.audit_keys import NO_KEYS, AuditKeys
from loopin_mcp.api.audit.stored_trails import Trails
from loopin_mcp.api.audit.trail import Trail
from loopin_mcp.api.clock import Clock, epoch_ms, moment
from loopin_mcp.api.database.paging import next_cursor, page_of, position_of
from loopin_mcp.api.database.rows import INTERRUPT, RowReader, Stored
from loopin_mcp.api.database.steps import Database, Row
from loopin_mcp.api.store.approvals import Approvals
from loopin_mcp.api.store.browsers.devices import StoredDevices
from loopin_mcp.api.store.browsers.sessions import StoredSessions
from loopin_mcp.api.store.creation import Creation, IdempotencyKey, KeysInFlight
from loopin_mcp.api.store.deliveries import Deliveries
from loopin_mcp.api.store.history.analytics import Figures
from loopin_mcp.api.store.history.precedents import PrecedentFinder
from loopin_mcp.api.store.history.settled import SettledInterrupts
from loopin_mcp.api.store.inbox_lists import Overview
from loopin_mcp.api.store.keeping.retention import Retention
from loopin_mcp.api.store.outbox import NO_CHANNELS, ChannelDigests
from loopin_mcp.api.store.outcomes import Standing, cancel, decide, expire
from loopin_mcp.api.store.wakeups import Awaited, Changes
from loopin_mcp.api.store.watching import Observer, Unobserved, Workload, trace_decision
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
EXPIRED_AT_ONCE = 25
# All processes lock them and the tallies of their users in this order, so there are no deadlocks.
_EXPIRED = f"""
    SELECT interrupt_id FROM (
        SELECT interrupt_id, user_id FROM interrupts WHERE status = 'pending' AND expires_ms <= :now
        ORDER BY expires_ms LIMIT {EXPIRED_AT_ONCE} OFFSET :damaged) AS due
    ORDER BY user_id, interrupt_id
    """  # noqa: S608 - a constant
_PENDING = page_of(
    INTERRUPT,
    """user_id = :user_id AND status = 'pending' AND expires_ms > :now
        AND (created_ms, ordinal) < (:created_ms, :ordinal)""",
    "created_ms DESC, ordinal DESC",
)


class Store:
    """Interrupts in a database, as of the time of `clock`; links begin with `public_url`.

    `changes` publishes every change once it is stored, and the `observer` learns of those that are
    made here. `keys` make the hashes of events.
    Notifications of new interrupts go to `channels`.
    """

    def __init__(
        self,
        database: Database,
        public_url: str,
        clock: Clock = epoch_ms,
        keys: AuditKeys = NO_KEYS,
        channels: ChannelDigests = NO_CHANNELS,
    ) -> None:
        self._database = database
        self.clock = clock
        self.public_url = public_url
        self.changes = Changes()
        self.observer: Observer = Unobserved()
        self._keys = keys
        self.deliveries = Deliveries(database, clock, keys, channels)
        self._reader = RowReader(public_url)
        self.figures = Figures(database, clock)
        self.retention = Retention(database, clock, keys)
        self._trails = Trails(database, keys)
        self.history = SettledInterrupts(database, self._reader, self._trails, clock)
        self.overview = Overview(database, self._reader, self._trails, clock, self.history)
        self.precedents = PrecedentFinder(database, self._reader, self._trails, clock)
        self.approvals = Approvals(database, self._reader, self._trails, clock, keys)
        self.awaited = Awaited(database, self._reader, self._trails, clock, self.changes)
        self.workload = Workload(database, clock)
        self.sessions = StoredSessions(database, clock)
        self.devices = StoredDevices(database)
        self._in_flight = KeysInFlight()

    async def require_writable(self) -> None:
        """Make sure that the database can be used, also for changes.

        Raises:
            UnavailableError: It cannot, or another version has upgraded it.
        """
        await self._database.check()

    async def create_interrupt(self, interrupt: NewInterrupt, actor: Actor) -> Created:
        """Create an interrupt with a new random id.

        Raises:
            RateLimitedError: Its user has too many pending interrupts.
        """
        row = await self._database.transact(self._creation(interrupt, actor).create)
        self._publish_new(row)
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
        with self._in_flight.only(key):
            steps = partial(self._creation(interrupt, actor).create_once, key)
            row, existed = await self._database.transact(steps)
        if not existed:
            self._publish_new(row)
        return self._created(row), existed

    async def create_interrupt_for_call(
        self, interrupt: NewInterrupt, actor: Actor, count: Callable[[], None]
    ) -> tuple[Created, bool]:
        """The interrupt that answers a host's call or waits for it, or a new one.

        Returns it with its status, and whether it existed before. A new one is approved at once if
        a standing approval covers the call; otherwise `count` may refuse it.

        Raises:
            TamperedError: What was stored about this call was tampered with.
            RateLimitedError: Its user has too many pending interrupts, or `count` refuses it.
        """
        steps = partial(self._creation(interrupt, actor).create_for_call, count)
        row, existed = await self._database.transact(steps)
        if not existed:
            self._publish_new(row)
        return self._created(row, str(row.get("status", "pending"))), existed

    async def get_interrupt_status(self, interrupt_id: str) -> Interrupt:
        """The interrupt as it is now, checked against its trail.

        Raises:
            NotFoundError: No interrupt has this id.
            TamperedError: It was tampered with.
        """
        return (await self.read_interrupt(interrupt_id)).interrupt()

    async def read_interrupt(self, interrupt_id: str) -> Stored:
        """The same as it is stored, which takes less time."""
        return self._reader.stored(await self._trails.whole(interrupt_id, self.clock()))

    async def get_trail(self, interrupt_id: str) -> tuple[Interrupt, Trail]:
        """The interrupt as it is now, even if it was tampered with, and its trail.

        Raises:
            NotFoundError: No interrupt has this id.
        """
        trail = await self._trails.of(interrupt_id, self.clock())
        return self._reader.interrupt(trail.row), trail

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
        self,
        interrupt_id: str,
        decision: Decision,
        actor: Actor,
        standing: Standing | None = None,
    ) -> Decided:
        """Record the first decision; of two concurrent ones exactly one wins.

        Raises:
            NotFoundError: No interrupt has this id.
            InvalidRequestError: It makes a change that the request does not allow.
            ForbiddenError: It asks about a call, and an MCP server sent the decision.
            ConflictError: It is already settled, has another payloadDigest, or cannot stand.
            TamperedError: It was tampered with.
        """
        steps = partial(decide, self._keys, interrupt_id, decision, self.clock(), actor, standing)
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
            NotFoundError: No interrupt has this id.
            ConflictError: It is already settled.
            TamperedError: It was tampered with.
        """
        steps = partial(cancel, self._keys, interrupt_id, self.clock(), actor)
        self._publish(await self._database.transact(steps))
        return Cancelled(interrupt_id=interrupt_id, status="cancelled")

    async def list_events(self, interrupt_id: str) -> tuple[Event, ...]:
        """The events of an interrupt, in order.

        Raises:
            NotFoundError: No interrupt has this id.
        """
        trail = await self._trails.of(interrupt_id, self.clock())
        return tuple(trail.events)

    async def record_view(self, interrupt_id: str, actor: Actor) -> None:
        """See `Trails.record_view`."""
        await self._trails.record_view(interrupt_id, actor, self.clock())

    async def get_interrupt_analytics(self, user_id: str) -> Analytics:
        """One user's figures, as of one moment."""
        return await self.figures.analytics(user_id)

    async def expire_interrupts(self) -> None:
        """Store the expiries that reads show already, so that their callbacks become due."""
        now, damaged = self.clock(), 0
        # Damaged ones stay due, and must not keep others from expiring.
        while due := await self._database.read(_EXPIRED, now=now, damaged=damaged):
            ids = [str(row["interrupt_id"]) for row in due]
            steps = partial(expire, self._keys, ids, now, self._reader)
            expired = await self._database.transact(steps)
            for row in expired:
                self._publish(row)
                # Those who wait are answered in between, and other requests too.
                await checkpoint()
            damaged += len(due) - len(expired)

    def _creation(self, interrupt: NewInterrupt, actor: Actor) -> Creation:
        return Creation(self._keys, interrupt, self.clock(), actor, self.deliveries.channels)

    def _publish_new(self, created: Row) -> None:
        self.observer.created(created)
        if created.get("status", "pending") != "pending":
            self.observer.settled(created)
        channels = self.deliveries.channels
        if channels.devices or channels.of(created["urgency"]):
            self.deliveries.bell.ring()
        self.changes.created.ring()
        self.changes.publish()

    def _publish(self, settled: Row) -> None:
        self.observer.settled(settled)
        trace_decision(settled)
        if settled["callback_url"] is not None:
            self.deliveries.bell.ring()
        is_waited_for = self.changes.waited_for([str(settled["interrupt_id"])])
        found = [settled] if is_waited_for else []
        self.changes.publish(*self._reader.undamaged(found, self._reader.stored))

    def _created(self, row: Row, status: str = "pending") -> Created:
        """The receipt of a create; a replay has the first status, whatever it is now."""
        return Created(
            interrupt_id=str(row["interrupt_id"]),
            status=status,
            expires_at=moment(row["expires_ms"]),
            review_url=self._reader.review_url(row),
        )
