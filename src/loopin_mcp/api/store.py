"""All SQL, and every change of state."""

import json
import uuid
from dataclasses import dataclass

from loopin_mcp.api.actions import action_type
from loopin_mcp.api.database import Database, Row, Value
from loopin_mcp.api.rows import cursor_at, json_text, moment, number, position_of, tally
from loopin_mcp.errors import ConflictError, NotFoundError
from loopin_mcp.fields import DEFAULT_PAGE
from loopin_mcp.models import (
    ActionCount,
    Analytics,
    Cancelled,
    Created,
    Decided,
    Decision,
    Interrupt,
    NewInterrupt,
    PendingPage,
)

TOP_ACTION_TYPES = 5

# The fields of an interrupt that its callback tells.
_TOLD = {"interrupt_id", "status", "decision", "decided_at", "reason", "modified_params"}

# From expires_ms on every read says expired, whether or not a sweep has stored it.
_STATUS = "CASE WHEN status = 'pending' AND expires_ms <= :now THEN 'expired' ELSE status END"
_STILL_PENDING = "interrupt_id = :interrupt_id AND status = 'pending' AND expires_ms > :now"
_INTERRUPT = f"""interrupt_id, agent_id, user_id, action, context, urgency, {_STATUS} AS status,
    created_ms, expires_ms, decided_ms, decided_by, reason, modified_params"""


@dataclass(frozen=True)
class Callback:
    """What is to be told, where, and how often it was tried with this time."""

    interrupt_id: str
    url: str
    tries: int
    body: str


class Store:
    """Interrupts in a database. `now` is epoch milliseconds; links begin with `public_url`."""

    def __init__(self, database: Database, public_url: str) -> None:
        self._database = database
        self.public_url = public_url

    async def create_interrupt(self, interrupt: NewInterrupt, now: int) -> Created:
        """Store a new question under a fresh random id."""
        interrupt_id = str(uuid.uuid4())
        expires_ms = now + interrupt.expires_in * 1000
        await self._database.fetch(
            """
            INSERT INTO interrupts (interrupt_id, agent_id, user_id, action, action_type, context,
                urgency, status, created_ms, expires_ms, callback_url)
            VALUES (:interrupt_id, :agent_id, :user_id, :action, :action_type, :context,
                :urgency, 'pending', :now, :expires_ms, :callback_url)
            """,
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
        )
        return Created(
            interrupt_id=interrupt_id,
            status="pending",
            expires_at=moment(expires_ms),
            review_url=self._review_url(interrupt_id),
        )

    async def get_interrupt_status(self, interrupt_id: str, now: int) -> Interrupt:
        """The interrupt as it is at `now`.

        Raises:
            NotFoundError: There is none of that id.
        """
        rows = await self._database.fetch(
            f"SELECT {_INTERRUPT} FROM interrupts WHERE interrupt_id = :interrupt_id",  # noqa: S608 - constants alone
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
            SELECT {_INTERRUPT} FROM interrupts
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
        rows = await self._database.fetch(
            f"""
            UPDATE interrupts SET status = :status, decided_ms = :now, decided_by = :decided_by,
                reason = :reason, modified_params = :modified_params,
                callback_due_ms = CASE WHEN callback_url IS NOT NULL THEN :now END
            WHERE {_STILL_PENDING} RETURNING interrupt_id
            """,  # noqa: S608 - constants alone
            interrupt_id=interrupt_id,
            status=decision.decision,
            now=now,
            decided_by=decided_by,
            reason=decision.reason,
            modified_params=json_text(decision.modified_params),
        )
        if not rows:
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
        rows = await self._database.fetch(
            f"UPDATE interrupts SET status = 'cancelled' WHERE {_STILL_PENDING} "  # noqa: S608 - constants alone
            "RETURNING interrupt_id",
            interrupt_id=interrupt_id,
            now=now,
        )
        if not rows:
            status = (await self.get_interrupt_status(interrupt_id, now)).status
            raise ConflictError(f"Cannot cancel an interrupt with status: {status}")
        return Cancelled(interrupt_id=interrupt_id, status="cancelled")

    async def get_interrupt_analytics(self, user_id: str, now: int) -> Analytics:
        """One user's figures, all from one look at the database."""
        groups = await self._database.fetch(
            f"""
            SELECT {_STATUS} AS status, urgency, action_type, COUNT(*) AS count,
                SUM(decided_ms - created_ms) AS response_ms
            FROM interrupts WHERE user_id = :user_id GROUP BY 1, urgency, action_type
            """,  # noqa: S608 - constants alone
            user_id=user_id,
            now=now,
        )
        by_status = tally(groups, "status")
        decided = by_status.get("approved", 0) + by_status.get("rejected", 0)
        response_ms = sum(number(group["response_ms"]) for group in groups)
        types = tally(groups, "action_type")
        top = sorted(types.items(), key=lambda item: (-item[1], item[0]))[:TOP_ACTION_TYPES]
        return Analytics(
            user_id=user_id,
            total_interrupts=sum(by_status.values()),
            approval_rate=by_status.get("approved", 0) / decided if decided else None,
            avg_response_time_ms=response_ms / decided if decided else None,
            by_status=by_status,
            by_urgency=tally(groups, "urgency"),
            top_action_types=tuple(ActionCount(action=name, count=count) for name, count in top),
        )

    async def expire_interrupts(self, now: int) -> None:
        """Store the expiry that reads show already, so that its callbacks become due."""
        await self._database.fetch(
            """
            UPDATE interrupts SET status = 'expired',
                callback_due_ms = CASE WHEN callback_url IS NOT NULL THEN expires_ms END
            WHERE status = 'pending' AND expires_ms <= :now
            """,
            now=now,
        )

    async def take_due_callbacks(self, now: int, *, lease_ms: int, limit: int) -> list[Callback]:
        """Callbacks to be sent now, each given to one caller alone for `lease_ms`."""
        rows = await self._database.fetch(
            f"""
            UPDATE interrupts SET callback_due_ms = :leased_until,
                callback_tries = callback_tries + 1
            WHERE callback_due_ms <= :now AND interrupt_id IN (
                SELECT interrupt_id FROM interrupts WHERE callback_due_ms <= :now
                ORDER BY callback_due_ms LIMIT :limit)
            RETURNING callback_url, callback_tries, {_INTERRUPT}
            """,  # noqa: S608 - constants alone
            now=now,
            leased_until=now + lease_ms,
            limit=limit,
        )
        return [
            Callback(
                interrupt_id=str(row["interrupt_id"]),
                url=str(row["callback_url"]),
                tries=number(row["callback_tries"]),
                body=self._interrupt(row).model_dump_json(by_alias=True, include=_TOLD),
            )
            for row in rows
        ]

    async def postpone_callback(self, interrupt_id: str, due_ms: int) -> None:
        """Have a callback sent again at `due_ms`."""
        await self._database.fetch(
            "UPDATE interrupts SET callback_due_ms = :due_ms WHERE interrupt_id = :interrupt_id",
            interrupt_id=interrupt_id,
            due_ms=due_ms,
        )

    async def settle_callback(self, interrupt_id: str) -> None:
        """Send a callback no more: it arrived, or was given up."""
        await self._database.fetch(
            "UPDATE interrupts SET callback_due_ms = NULL WHERE interrupt_id = :interrupt_id",
            interrupt_id=interrupt_id,
        )

    def _review_url(self, interrupt_id: Value) -> str:
        return f"{self.public_url}/review/{interrupt_id}"

    def _interrupt(self, row: Row) -> Interrupt:
        decided_ms, modified_params = row["decided_ms"], row["modified_params"]
        return Interrupt.model_validate(
            {
                **row,
                "context": json.loads(str(row["context"])),
                "created_at": moment(row["created_ms"]),
                "expires_at": moment(row["expires_ms"]),
                "review_url": self._review_url(row["interrupt_id"]),
                "decision": row["status"] if decided_ms is not None else None,
                "decided_at": moment(decided_ms) if decided_ms is not None else None,
                "modified_params": modified_params and json.loads(str(modified_params)),
            }
        )
