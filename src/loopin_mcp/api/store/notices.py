"""What humans are still to be told, row by row."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

from loopin_mcp.api.access.actors import SYSTEM
from loopin_mcp.api.audit.events import append, locked
from loopin_mcp.api.clock import Clock
from loopin_mcp.api.database.rows import Reading, number, whole
from loopin_mcp.api.database.steps import Database, Row, Statement, Steps, Value, single

_TAKE = """
    UPDATE interrupts SET notice_due_ms = :leased_until, notice_tries = notice_tries + 1
    WHERE notice_due_ms <= :now AND interrupt_id IN (
        SELECT interrupt_id FROM interrupts
        WHERE notice_due_ms <= :now AND status = 'pending' AND expires_ms > :now
            AND (urgency = 'high' OR :high_alone = 0)
        ORDER BY notice_tries > 0, urgency <> 'high', notice_due_ms LIMIT :limit)
    RETURNING interrupt_id, urgency, notice_due_ms, notices_sent, notice_tries, notice_reached
    """


@dataclass(frozen=True)
class Notice:
    """What a human is to be told of, and how often it was tried, this time included.

    It belongs to whoever took it until `leased_until_ms`. `reached` says which channels have it.
    """

    interrupt_id: str
    urgency: str
    is_reminder: bool
    tries: int
    reached: frozenset[str]
    leased_until_ms: int


class DueNotices:
    """Takes what is due by `clock`, one taker at a time."""

    def __init__(self, database: Database, reading: Reading, clock: Clock) -> None:
        self._database = database
        self._reading = reading
        self._clock = clock

    async def take_due_notices(
        self, *, lease_ms: int, limit: int, high_alone: bool
    ) -> list[Notice]:
        """Notices to be sent now, each given to one caller alone for `lease_ms`.

        What is new comes first, and of that what is urgent. With `high_alone` all else stays. What
        is no longer pending is not told.
        """
        now = self._clock()
        params: dict[str, Value] = {
            "now": now,
            "leased_until": now + lease_ms,
            "limit": limit,
            "high_alone": int(high_alone),
        }
        rows = await self._database.transact(partial(single, _TAKE, params))
        return self._reading.undamaged(rows, _notice)

    async def keep_reached(self, notice: Notice, reached: Collection[str], told: str) -> None:
        """Keep which channels have a notice, so that none is sent it again, and record the new one.

        `told` is what to call that one.
        """
        await self._database.transact(partial(_keep_reached, notice, reached, self._clock(), told))

    async def postpone_notice(
        self, notice: Notice, due_ms: int, tries: int, reached: Collection[str]
    ) -> None:
        """Have a notice sent again at `due_ms`; so far it was tried `tries` times."""
        await self._change(
            "notice_due_ms = :due_ms, notice_tries = :tries, notice_reached = :reached",
            notice,
            due_ms=due_ms,
            tries=tries,
            reached=json.dumps(sorted(reached)),
        )

    async def settle_notice(self, notice: Notice) -> None:
        """Send a notice no more: it arrived, or was given up.

        After the first of an interrupt, the reminder is due at half its life, if that is to come.
        """
        await self._change(
            """notices_sent = notices_sent + 1, notice_tries = 0, notice_reached = '[]',
            notice_due_ms = CASE WHEN notices_sent = 0 AND (created_ms + expires_ms) / 2 > :now
                THEN (created_ms + expires_ms) / 2 END""",
            notice,
            now=self._clock(),
        )

    async def _change(self, change: str, notice: Notice, **params: Value) -> None:
        sql, values = _change(change, notice, **params)
        await self._database.transact(partial(single, sql, values))


def _keep_reached(notice: Notice, reached: Collection[str], now: int, told: str) -> Steps[None]:
    row = yield from locked(notice.interrupt_id, now)
    yield _change("notice_reached = :reached", notice, reached=json.dumps(sorted(reached)))
    yield from append(row, "notified", now, SYSTEM, {"to": told, "isReminder": notice.is_reminder})


def _change(change: str, notice: Notice, **params: Value) -> Statement:
    """Changes a notice, unless its interrupt was settled or another caller has it by now."""
    return (
        f"""
        UPDATE interrupts SET {change}
        WHERE interrupt_id = :interrupt_id AND notice_due_ms = :leased_until
        """,  # noqa: S608 - constants alone
        {
            "interrupt_id": notice.interrupt_id,
            "leased_until": notice.leased_until_ms,
            **params,
        },
    )


def _notice(row: Row) -> Notice:
    with whole(row):
        return Notice(
            interrupt_id=str(row["interrupt_id"]),
            urgency=str(row["urgency"]),
            is_reminder=number(row["notices_sent"]) > 0,
            tries=number(row["notice_tries"]),
            reached=frozenset(json.loads(str(row["notice_reached"]))),
            leased_until_ms=number(row["notice_due_ms"]),
        )
