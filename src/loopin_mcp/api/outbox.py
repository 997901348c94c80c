"""What is still to be told to the world, row by row: callbacks, and notices to humans."""

import json
from collections.abc import Collection
from dataclasses import dataclass

from loopin_mcp.api.database import Database, Row, Value
from loopin_mcp.api.rows import INTERRUPT, interrupt_of, number

# The fields of an interrupt that its callback tells.
_TOLD = {"interrupt_id", "status", "decision", "decided_at", "reason", "modified_params"}


@dataclass(frozen=True)
class Callback:
    """What is to be told, where, and how often it was tried with this time."""

    interrupt_id: str
    url: str
    tries: int
    body: str


@dataclass(frozen=True)
class Notice:
    """What a human is to be told of, and how often it was tried with this time.

    It belongs to whoever took it until `leased_until_ms`. `reached` says which channels have it.
    """

    interrupt_id: str
    urgency: str
    is_reminder: bool
    tries: int
    reached: frozenset[str]
    leased_until_ms: int


class Outbox:
    """Takes what is due, one taker at a time. `now` is epoch milliseconds."""

    def __init__(self, database: Database, public_url: str) -> None:
        self._database = database
        self._public_url = public_url

    async def take_due_callbacks(self, now: int, *, lease_ms: int, limit: int) -> list[Callback]:
        """Callbacks to be sent now, each given to one caller alone for `lease_ms`."""
        rows = await self._database.fetch(
            f"""
            UPDATE interrupts SET callback_due_ms = :leased_until,
                callback_tries = callback_tries + 1
            WHERE callback_due_ms <= :now AND interrupt_id IN (
                SELECT interrupt_id FROM interrupts WHERE callback_due_ms <= :now
                ORDER BY callback_due_ms LIMIT :limit)
            RETURNING callback_url, callback_tries, {INTERRUPT}
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
                body=interrupt_of(row, self._public_url).model_dump_json(
                    by_alias=True, include=_TOLD
                ),
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

    async def take_due_notices(
        self, now: int, *, lease_ms: int, limit: int, high_alone: bool
    ) -> list[Notice]:
        """Notices to be sent now, each given to one caller alone for `lease_ms`.

        What is new comes first, and of that what is urgent. With `high_alone` all else stays. What
        is no longer pending is not told.
        """
        rows = await self._database.fetch(
            """
            UPDATE interrupts SET notice_due_ms = :leased_until, notice_tries = notice_tries + 1
            WHERE notice_due_ms <= :now AND interrupt_id IN (
                SELECT interrupt_id FROM interrupts
                WHERE notice_due_ms <= :now AND status = 'pending' AND expires_ms > :now
                    AND (urgency = 'high' OR :high_alone = 0)
                ORDER BY notice_tries > 0, urgency <> 'high', notice_due_ms LIMIT :limit)
            RETURNING interrupt_id, urgency, notice_due_ms, notices_sent, notice_tries,
                notice_reached
            """,
            now=now,
            leased_until=now + lease_ms,
            limit=limit,
            high_alone=int(high_alone),
        )
        return [_notice(row) for row in rows]

    async def keep_reached(self, notice: Notice, reached: Collection[str]) -> None:
        """Keep which channels have a notice, so that none is sent it again."""
        await self._change_notice(
            "notice_reached = :reached", notice, reached=json.dumps(sorted(reached))
        )

    async def postpone_notice(
        self, notice: Notice, due_ms: int, tries: int, reached: Collection[str]
    ) -> None:
        """Have a notice sent again at `due_ms`; so far it was tried `tries` times."""
        await self._change_notice(
            "notice_due_ms = :due_ms, notice_tries = :tries, notice_reached = :reached",
            notice,
            due_ms=due_ms,
            tries=tries,
            reached=json.dumps(sorted(reached)),
        )

    async def settle_notice(self, notice: Notice, now: int) -> None:
        """Send a notice no more: it arrived, or was given up.

        After the first of an interrupt, the reminder is due at half its life, if that is to come.
        """
        await self._change_notice(
            """notices_sent = notices_sent + 1, notice_tries = 0, notice_reached = '[]',
            notice_due_ms = CASE WHEN notices_sent = 0 AND (created_ms + expires_ms) / 2 > :now
                THEN (created_ms + expires_ms) / 2 END""",
            notice,
            now=now,
        )

    async def _change_notice(self, change: str, notice: Notice, **params: Value) -> None:
        """Change a notice, unless its interrupt was settled or another caller has it by now."""
        await self._database.fetch(
            f"""
            UPDATE interrupts SET {change}
            WHERE interrupt_id = :interrupt_id AND notice_due_ms = :leased_until
            """,  # noqa: S608 - constants alone
            interrupt_id=notice.interrupt_id,
            leased_until=notice.leased_until_ms,
            **params,
        )


def _notice(row: Row) -> Notice:
    return Notice(
        interrupt_id=str(row["interrupt_id"]),
        urgency=str(row["urgency"]),
        is_reminder=number(row["notices_sent"]) > 0,
        tries=number(row["notice_tries"]),
        reached=frozenset(json.loads(str(row["notice_reached"]))),
        leased_until_ms=number(row["notice_due_ms"]),
    )
