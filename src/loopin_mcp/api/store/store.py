"""Stores interrupts: their creation, every change of their state, and what agents read of them."""

from collections.abc import Collection
from functools import partial

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.audit.events import event_of, seen, trail, view
from loopin_mcp.api.clock import Clock, epoch_ms, moment
from loopin_mcp.api.database.rows import ALL_COLUMNS, INTERRUPT, RowReader, cursor_at, position_of
from loopin_mcp.api.database.steps import Database, Row, listed, named
from loopin_mcp.api.store.analytics import Figures
from loopin_mcp.api.store.creation import IdempotencyKey, create, create_once
from loopin_mcp.api.store.deliveries import Deliveries
from loopin_mcp.api.store.inbox_lists import Overview
from loopin_mcp.api.store.outcomes import cancel, decide, expire
from loopin_mcp.api.store.retention import Retention
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

# How many expiries one change stores, so that others need not wait long for their turn.
EXPIRED_AT_ONCE = 500


class Store:
    """Interrupts in a database, as they are by `clock`; links begin with `public_url`.

    Whatever is changed here, `changes` is told of once it is stored.
    """

    def __init__(self, database: Database, public_url: str, clock: Clock = epoch_ms) -> None:
        self._database = database
        self.clock = clock
        self.public_url = public_url
        self.changes = Changes()
        self.deliveries = Deliveries(database, clock)
        self._reader = RowReader(public_url)
        self.overview = Overview(database, self._reader, clock)
        self.figures = Figures(database, clock)
        self.retention = Retention(database, clock)
        self._in_flight: set[IdempotencyKey] = set()

    async def create_interrupt(self, interrupt: NewInterrupt, actor: Actor) -> Created:
        """Store a new question under a fresh random id.

        Raises:
            RateLimitedError: Too many wait for its user already.
        """
        row = await self._database.transact(partial(create, interrupt, self.clock(), actor))
        self._publish(row)
        return self._created(row)

    async def create_interrupt_once(
        self, interrupt: NewInterrupt, actor: Actor, key: IdempotencyKey
    ) -> tuple[Created, bool]:
        """Store a new question once for this key: its answer, and whether it was given before.

        Raises:
            ConflictError: The first request with the key is not answered yet.
            UnprocessableError: The key was used for another question.
            RateLimitedError: Too many wait for its user already.
        """
        if key in self._in_flight:
            raise ConflictError(
                "A request with this Idempotency-Key is still in progress", retry_after_s=1
            )
        self._in_flight.add(key)
        try:
            steps = partial(create_once, interrupt, self.clock(), actor, key)
            row, was_there = await self._database.transact(steps)
        finally:
            self._in_flight.discard(key)
        if not was_there:
            self._publish(row)
        return self._created(row), was_there

    async def get_interrupt_status(self, interrupt_id: str) -> Interrupt:
        """The interrupt as it is now.

        Raises:
            NotFoundError: There is none of that id.
        """
        rows = await self._database.read(
            f"SELECT {ALL_COLUMNS} FROM interrupts WHERE interrupt_id = :interrupt_id",  # noqa: S608 - constants alone
            interrupt_id=interrupt_id,
            now=self.clock(),
        )
        if not rows:
            raise NotFoundError("Interrupt not found")
        return self._reader.interrupt(rows[0])

    async def get_outcome(self, interrupt_id: str) -> Interrupt:
        """A settled interrupt as its callback tells it, with the eventsHead of its outcome.

        Raises:
            NotFoundError: There is none of that id.
            UnavailableError: What is stored of its outcome is damaged.
        """
        rows = await self._database.read(
            f"""
            SELECT {ALL_COLUMNS}, (SELECT hash FROM events
                WHERE events.interrupt_id = interrupts.interrupt_id
                    AND type IN ('decided', 'expired', 'migrated')
                ORDER BY sequence DESC LIMIT 1) AS outcome_head
            FROM interrupts WHERE interrupt_id = :interrupt_id
            """,  # noqa: S608 - constants alone
            interrupt_id=interrupt_id,
            now=self.clock(),
        )
        if not rows:
            raise NotFoundError("Interrupt not found")
        # A callback does not hold the context, so it does not matter what that is by now.
        outcome = {"context": "{}", "events_head": rows[0]["outcome_head"]}
        return self._reader.interrupt({**rows[0], **outcome})

    async def list_pending_interrupts(
        self, user_id: str, *, limit: int = DEFAULT_PAGE, cursor: str | None = None
    ) -> PendingPage:
        """One page of what waits for a user, newest first, from `cursor` on.

        Raises:
            InvalidRequestError: `cursor` is not one that an earlier page gave.
        """
        created_ms, last_id = position_of(cursor) if cursor else (2**62, "")
        rows = await self._database.read(
            f"""
            SELECT {INTERRUPT} FROM interrupts
            WHERE user_id = :user_id AND status = 'pending' AND expires_ms > :now
                AND (created_ms, interrupt_id) < (:created_ms, :last_id)
            ORDER BY created_ms DESC, interrupt_id DESC LIMIT :limit
            """,  # noqa: S608 - constants alone
            user_id=user_id,
            now=self.clock(),
            created_ms=created_ms,
            last_id=last_id,
            limit=limit + 1,
        )
        interrupts = self._reader.interrupts(rows[:limit])
        return PendingPage(
            user_id=user_id,
            count=len(interrupts),
            interrupts=tuple(interrupts),
            next_cursor=cursor_at(rows[limit - 1]) if len(rows) > limit else None,
        )

    async def decide_interrupt(
        self, interrupt_id: str, decision: Decision, actor: Actor
    ) -> Decided:
        """Record the first decision; of two at once exactly one wins.

        Raises:
            NotFoundError: There is none of that id.
            ConflictError: It is no longer pending, not what the decision is for, or was tampered
                with; nothing was changed.
        """
        steps = partial(decide, interrupt_id, decision, self.clock(), actor)
        row = await self._database.transact(steps)
        self._publish(row)
        return Decided(
            interrupt_id=interrupt_id,
            status="resolved",
            decision=decision.decision,
            decided_at=moment(row["decided_ms"]),
        )

    async def cancel_interrupt(self, interrupt_id: str, actor: Actor) -> Cancelled:
        """Withdraw a question that is still pending.

        Raises:
            NotFoundError: There is none of that id.
            ConflictError: It is no longer pending; nothing was changed.
        """
        steps = partial(cancel, interrupt_id, self.clock(), actor)
        self._publish(await self._database.transact(steps))
        return Cancelled(interrupt_id=interrupt_id, status="cancelled")

    async def list_events(self, interrupt_id: str) -> tuple[Event, ...]:
        """What happened to an interrupt, in its order.

        Raises:
            NotFoundError: There is none of that id.
        """
        sql, params = trail(interrupt_id)
        rows = await self._database.read(sql, **params)
        if not rows:
            raise NotFoundError("Interrupt not found")
        return tuple(event_of(row) for row in rows if row["sequence"] is not None)

    async def record_view(self, interrupt_id: str, actor: Actor) -> None:
        """Record that someone was shown an interrupt that is pending, the first time.

        Raises:
            NotFoundError: There is none of that id.
        """
        # To load the page anew costs no write.
        sql, params = seen(interrupt_id, actor)
        if not await self._database.read(sql, **params):
            await self._database.transact(partial(view, interrupt_id, self.clock(), actor))

    async def get_interrupt_analytics(self, user_id: str) -> Analytics:
        """One user's figures, all from one look at the database."""
        return await self.figures.analytics(user_id)

    async def expire_interrupts(self) -> None:
        """Store the expiry that reads show already, so that its callbacks become due."""
        now, damaged = self.clock(), 0
        # Damaged ones stay due, and must not keep those behind them from expiring.
        while due := await self._expired(now, damaged):
            # All take them in the same order, so that no two wait for each other.
            steps = partial(expire, sorted(due), now, self._reader)
            expired = await self._database.transact(steps)
            self._publish(*expired)
            damaged += len(due) - len(expired)

    async def changed_elsewhere(self) -> Collection[str] | None:
        """Wait until another process may have changed interrupts: these, or None for any.

        Raises:
            UnavailableError: The database cannot tell right now.
        """
        return await self._database.changed(self.changes.wanted)

    def seconds_left(self, interrupt: Interrupt) -> float:
        """How long it is until an interrupt expires; less than 0 once it has."""
        assert interrupt.expires_at is not None
        return interrupt.expires_at.timestamp() - self.clock() / 1000

    async def get_settled(self, interrupt_ids: list[str]) -> list[Interrupt]:
        """Those of these interrupts that are no longer pending."""
        return await self._among(interrupt_ids, "(status <> 'pending' OR expires_ms <= :now)")

    async def get_interrupts(self, interrupt_ids: list[str]) -> list[Interrupt]:
        """These interrupts as they are now."""
        return await self._among(interrupt_ids, "TRUE")

    async def _expired(self, now: int, damaged: int) -> list[str]:
        rows = await self._database.read(
            f"""
            SELECT interrupt_id FROM interrupts WHERE status = 'pending' AND expires_ms <= :now
            ORDER BY expires_ms LIMIT {EXPIRED_AT_ONCE} OFFSET :damaged
            """,  # noqa: S608 - a constant
            now=now,
            damaged=damaged,
        )
        return [str(row["interrupt_id"]) for row in rows]

    async def _among(self, interrupt_ids: list[str], which: str) -> list[Interrupt]:
        chosen = named(interrupt_ids)
        rows = await self._database.read(
            f"""
            SELECT {ALL_COLUMNS} FROM interrupts
            WHERE {which} AND interrupt_id IN ({listed(chosen)})
            """,  # noqa: S608 - constants and names made here
            now=self.clock(),
            **chosen,
        )
        return self._reader.interrupts(rows)

    def _publish(self, *rows: Row) -> None:
        self.deliveries.bell.ring()
        self.changes.publish(*self._reader.interrupts(rows))

    def _created(self, row: Row) -> Created:
        created = self._reader.interrupt(row)
        return Created(
            interrupt_id=created.interrupt_id,
            # It is the first answer, whatever has become of it meanwhile.
            status="pending",
            expires_at=moment(row["expires_ms"]),
            review_url=created.review_url,
        )
