"""Stores interrupts: their creation, every change of their state, and what agents read of them."""

import json
import uuid
from collections.abc import Collection

from loopin_mcp.api.actions import action_type
from loopin_mcp.api.changes import Changes
from loopin_mcp.api.database import Database, Row, Value
from loopin_mcp.api.figures import Figures
from loopin_mcp.api.outbox import Outbox
from loopin_mcp.api.overview import Overview
from loopin_mcp.api.rows import (
    INTERRUPT,
    cursor_at,
    interrupt_of,
    json_text,
    moment,
    position_of,
)
from loopin_mcp.api.searching import searched_text
from loopin_mcp.errors import ConflictError, NotFoundError
from loopin_mcp.fields import DEFAULT_PAGE
from loopin_mcp.models import (
    Analytics,
    Cancelled,
    Created,
    Decided,
    Decision,
    Interrupt,
    NewInterrupt,
    PendingPage,
)


class Store:
    """Interrupts in a database. `now` is epoch milliseconds; links begin with `public_url`.

    Whatever is changed here, `changes` is told of once it is stored.
    """

    def __init__(self, database: Database, public_url: str) -> None:
        self._database = database
        self.public_url = public_url
        self.changes = Changes()
        self.outbox = Outbox(database, public_url)
        self.overview = Overview(database, public_url)
        self.figures = Figures(database)

    async def create_interrupt(self, interrupt: NewInterrupt, now: int) -> Created:
        """Store a new question under a fresh random id."""
        interrupt_id = str(uuid.uuid4())
        expires_ms = now + interrupt.expires_in * 1000
        [row] = await self._database.fetch(
            f"""
            INSERT INTO interrupts (interrupt_id, agent_id, user_id, action, action_type, context,
                urgency, status, created_ms, expires_ms, notice_due_ms, callback_url, search_text)
            VALUES (:interrupt_id, :agent_id, :user_id, :action, :action_type, :context,
                :urgency, 'pending', :now, :expires_ms, :now, :callback_url, :search_text)
            RETURNING {INTERRUPT}
            """,  # noqa: S608 - constants alone
            interrupt_id=interrupt_id,
            agent_id=interrupt.agent_id,
            user_id=interrupt.user_id,
            action=interrupt.action,
            action_type=action_type(interrupt.action),
            context=json.dumps(interrupt.context),
            urgency=interrupt.urgency,
            now=now,
            expires_ms=expires_ms,
            callback_url=interrupt.callback_url,
            search_text=searched_text(interrupt),
        )
        created = self._interrupt(row)
        self.changes.tell(created)
        return Created(
            interrupt_id=created.interrupt_id,
            status=created.status,
            expires_at=moment(expires_ms),
            review_url=created.review_url,
        )

    async def get_interrupt_status(self, interrupt_id: str, now: int) -> Interrupt:
        """The interrupt as it is at `now`.

        Raises:
            NotFoundError: There is none of that id.
        """
        rows = await self._database.fetch(
            f"SELECT {INTERRUPT} FROM interrupts WHERE interrupt_id = :interrupt_id",  # noqa: S608 - constants alone
            interrupt_id=interrupt_id,
            now=now,
        )
        if not rows:
            raise NotFoundError("Interrupt not found")
        return self._interrupt(rows[0])

    async def list_pending_interrupts(
        self, user_id: str, now: int, *, limit: int = DEFAULT_PAGE, cursor: str | None = None
    ) -> PendingPage:
        """One page of what waits for a user, newest first, from `cursor` on.

        Raises:
            InvalidRequestError: `cursor` is not one that an earlier page gave.
        """
        created_ms, last_id = position_of(cursor) if cursor else (2**62, "")
        rows = await self._database.fetch(
            f"""
            SELECT {INTERRUPT} FROM interrupts
            WHERE user_id = :user_id AND status = 'pending' AND expires_ms > :now
                AND (created_ms, interrupt_id) < (:created_ms, :last_id)
            ORDER BY created_ms DESC, interrupt_id DESC LIMIT :limit
            """,  # noqa: S608 - constants alone
            user_id=user_id,
            now=now,
            created_ms=created_ms,
            last_id=last_id,
            limit=limit + 1,
        )
        page = rows[:limit]
        return PendingPage(
            user_id=user_id,
            count=len(page),
            interrupts=tuple(self._interrupt(row) for row in page),
            next_cursor=cursor_at(page[-1]) if len(rows) > limit else None,
        )

    async def decide_interrupt(
        self, interrupt_id: str, decision: Decision, now: int, decided_by: str
    ) -> Decided:
        """Record the first decision; of two at once exactly one wins.

        Raises:
            NotFoundError: There is none of that id.
            ConflictError: It is no longer pending; nothing was changed.
        """
        changed = await self._change(
            """status = :status, decided_ms = :now, decided_by = :decided_by, reason = :reason,
            modified_params = :modified_params,
            callback_due_ms = CASE WHEN callback_url IS NOT NULL THEN :now END""",
            interrupt_id=interrupt_id,
            status=decision.decision,
            now=now,
            decided_by=decided_by,
            reason=decision.reason,
            modified_params=json_text(decision.modified_params),
        )
        if not changed:
            status = (await self.get_interrupt_status(interrupt_id, now)).status
            raise ConflictError(f"Interrupt is already {status}")
        return Decided(
            interrupt_id=interrupt_id,
            status="resolved",
            decision=decision.decision,
            decided_at=moment(now),
        )

    async def cancel_interrupt(self, interrupt_id: str, now: int) -> Cancelled:
        """Withdraw a question that is still pending.

        Raises:
            NotFoundError: There is none of that id.
            ConflictError: It is no longer pending; nothing was changed.
        """
        if not await self._change("status = 'cancelled'", interrupt_id=interrupt_id, now=now):
            status = (await self.get_interrupt_status(interrupt_id, now)).status
            raise ConflictError(f"Cannot cancel an interrupt with status: {status}")
        return Cancelled(interrupt_id=interrupt_id, status="cancelled")

    async def get_interrupt_analytics(self, user_id: str, now: int) -> Analytics:
        """One user's figures, all from one look at the database."""
        return await self.figures.analytics(user_id, now)

    async def expire_interrupts(self, now: int) -> None:
        """Store the expiry that reads show already, so that its callbacks become due."""
        expired = await self._database.fetch(
            """
            UPDATE interrupts SET status = 'expired', settled_ms = expires_ms, notice_due_ms = NULL,
                callback_due_ms = CASE WHEN callback_url IS NOT NULL THEN expires_ms END
            WHERE status = 'pending' AND expires_ms <= :now RETURNING interrupt_id
            """,
            now=now,
        )
        if expired:
            # Who waits has come back by itself at the moment of expiry, unless the clock jumped, as
            # it does while the machine sleeps.
            waited_for = self.changes.waited_for([str(row["interrupt_id"]) for row in expired])
            self.changes.tell(*(await self.get_settled(waited_for, now) if waited_for else ()))

    async def changed_elsewhere(self) -> Collection[str] | None:
        """Wait until another process may have changed interrupts: these, or None for any.

        Raises:
            UnavailableError: The database cannot tell right now.
        """
        return await self._database.changed(self.changes.wanted)

    async def get_settled(self, interrupt_ids: list[str], now: int) -> list[Interrupt]:
        """Those of these interrupts that are no longer pending."""
        return await self._among(interrupt_ids, now, "(status <> 'pending' OR expires_ms <= :now)")

    async def get_interrupts(self, interrupt_ids: list[str], now: int) -> list[Interrupt]:
        """These interrupts as they are at `now`."""
        return await self._among(interrupt_ids, now, "TRUE")

    async def _among(self, interrupt_ids: list[str], now: int, which: str) -> list[Interrupt]:
        named = {f"id_{place}": interrupt_id for place, interrupt_id in enumerate(interrupt_ids)}
        rows = await self._database.fetch(
            f"""
            SELECT {INTERRUPT} FROM interrupts
            WHERE {which} AND interrupt_id IN ({", ".join(f":{name}" for name in named)})
            """,  # noqa: S608 - constants and names made here
            now=now,
            **named,
        )
        return [self._interrupt(row) for row in rows]

    async def _change(self, change: str, **params: Value) -> bool:
        """Settle an interrupt if it is still pending."""
        rows = await self._database.fetch(
            f"""
            UPDATE interrupts SET {change}, settled_ms = :now, notice_due_ms = NULL
            WHERE interrupt_id = :interrupt_id AND status = 'pending' AND expires_ms > :now
            RETURNING {INTERRUPT}
            """,  # noqa: S608 - constants alone
            **params,
        )
        if rows:
            self.changes.tell(self._interrupt(rows[0]))
        return bool(rows)

    def _interrupt(self, row: Row) -> Interrupt:
        return interrupt_of(row, self.public_url)
