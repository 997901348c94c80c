"""Deliveries of what is in the outbox: who makes which, and what came of it."""

import contextlib
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from loopin_mcp.api.access.actors import SYSTEM
from loopin_mcp.api.audit.audit_keys import AuditKeys
from loopin_mcp.api.audit.events import EventType
from loopin_mcp.api.audit.trail import locked_trail
from loopin_mcp.api.clock import Clock
from loopin_mcp.api.database.steps import Database, Steps, execute, listed
from loopin_mcp.api.store.outbox import DEVICE, IS_DEVICE, UNTOLD, ChannelDigests, owe, owe_untold
from loopin_mcp.api.store.wakeups import Bell
from loopin_mcp.errors import TamperedError, UnavailableError
from loopin_mcp.wire.fields import JSONObject

Outcome = tuple[EventType, JSONObject]

# No retry or reminder is due later than this. If one is, the clock was set back.
LONGEST_DELAY_MS = 8 * 3600 * 1000
FURTHEST_REMINDER_MS = 15 * 24 * 3600 * 1000
_TOO_LATE = f"""WHERE due_ms > :now
    + CASE kind WHEN 'reminder' THEN {FURTHEST_REMINDER_MS} ELSE {LONGEST_DELAY_MS} END"""

# How many interrupts one transaction adds notifications of, so that other writers need not wait.
OWED_AT_ONCE = 25


@dataclass(frozen=True)
class Delivery:
    """A callback or notification that one caller holds until `leased_until_ms`.

    `channel` is the digest of a notification's, or names a device. `tries` includes the current
    one. The delivery is given up at `given_up_ms`. Anyone who can write the database can edit it:
    it only says that something may be due, and never what is sent or where a callback goes.
    """

    delivery_id: str
    interrupt_id: str
    kind: str
    channel: str
    host: str
    tries: int
    given_up_ms: int
    leased_until_ms: int

    @property
    def device_id(self) -> str | None:
        """The device that a notification is for, or None."""
        _, _, device_id = self.channel.partition(DEVICE)
        return device_id if self.channel.startswith(DEVICE) else None


class Deliveries:
    """The outbox. Only one caller at a time holds a delivery.

    Notifications of what is created here go to `channels`, and only those to them are taken here.
    `bell` rings when this process may have made a delivery due.
    """

    def __init__(
        self, database: Database, clock: Clock, keys: AuditKeys, channels: ChannelDigests
    ) -> None:
        self._database = database
        self._clock = clock
        self._keys = keys
        self.channels = channels
        self.bell = Bell()

    async def owe_untold(self) -> None:
        """Add the notifications of pending interrupts that were created without any channel."""
        if not self.channels.all:
            return
        rows = await self._database.read(UNTOLD, now=self._clock())
        for start in range(0, len(rows), OWED_AT_ONCE):
            portion = rows[start : start + OWED_AT_ONCE]
            steps = partial(owe_untold, portion, self.channels, self._clock())
            await self._database.transact(steps)

    async def take_due(
        self,
        full: Collection[str],
        *,
        lease_ms: int,
        limit: int,
        room: Callable[[str], int],
    ) -> list[Delivery]:
        """Take up to `limit` due callbacks and notifications for `lease_ms`.

        First attempts come before retries, urgent ones first. A host gets no more than it has
        `room` for, and none if it is `full`. Unless the result is empty, more may be due.
        """
        now, busy = self._clock(), Counter[str]()
        sql, hosts = _due_query(full, self.channels)
        rows = await self._database.read(sql, now=now, limit=limit, **hosts)
        chosen = []
        for row in rows:
            host = str(row["host"])
            busy[host] += 1
            if busy[host] <= room(host):
                chosen.append(str(row["delivery_id"]))
        if not chosen:
            return []
        return await self._database.transact(partial(_take, chosen, now, now + lease_ms))

    async def bring_forward(self) -> None:
        """Make deliveries due that would be due too late because the clock was set back."""
        now = self._clock()
        # It looks through all deliveries, and a read delays no write.
        if await self._database.read(f"SELECT 1 FROM deliveries {_TOO_LATE} LIMIT 1", now=now):  # noqa: S608 - constants
            sql = f"UPDATE deliveries SET due_ms = :now {_TOO_LATE}"  # noqa: S608 - constants
            await execute(self._database, sql, now=now)
            self.bell.ring()

    async def postpone(self, delivery: Delivery, due_ms: int, answered: int = 0) -> None:
        """Send a delivery again at `due_ms`, unless another caller has taken it meanwhile.

        `answered` is the HTTP status that it got, or 0.
        """
        sql = """
            UPDATE deliveries SET due_ms = :due_ms, answered = :answered
            WHERE delivery_id = :id AND due_ms = :leased_until
            """
        await execute(
            self._database,
            sql,
            id=delivery.delivery_id,
            leased_until=delivery.leased_until_ms,
            due_ms=due_ms,
            answered=answered,
        )

    async def last_answer(self, interrupt_id: str) -> int | None:
        """The HTTP status that a callback got, which will be tried again; 0 if none came.

        None if no attempt failed.
        """
        rows = await self._database.read(
            """
            SELECT answered FROM deliveries
            WHERE interrupt_id = :interrupt_id AND kind = 'callback' AND answered IS NOT NULL
            """,
            interrupt_id=interrupt_id,
        )
        return int(rows[0]["answered"] or 0) if rows else None

    async def settle(self, delivery: Delivery, outcome: Outcome | None) -> None:
        """Remove a delivery, and record its outcome, if any, as an event.

        A reminder replaces a notification until half of the time to decide is over.
        """
        steps = partial(_settle, self._keys, delivery, outcome, self._clock())
        await self._database.transact(steps)


def _due_query(full: Collection[str], channels: ChannelDigests) -> tuple[str, dict[str, str]]:
    """The SQL for due callbacks to hosts that are not full, and notifications to these channels.

    Each part is read in the order of an index, so it takes no longer if many are due or wait.
    """
    full_hosts, excluded = listed("full", full)
    own_hosts, own = listed("own", channels.all.difference(full))
    kinds = [("callback", f"host NOT IN ({full_hosts})")]
    reached = [f"host IN ({own_hosts})"] if channels.all.difference(full) else []
    if channels.devices:
        reached.append(f"({IS_DEVICE} AND host NOT IN ({full_hosts}))")
    if reached:
        among = f"({' OR '.join(reached)})"
        kinds += [(kind, among) for kind in ("notification", "reminder")]
    parts = [
        f"""
        SELECT * FROM (
            SELECT delivery_id, host, {retry} AS retry, urgent, due_ms FROM deliveries
            WHERE kind = '{kind}' AND {tries} AND urgent = {urgent} AND due_ms <= :now AND {to}
            ORDER BY due_ms LIMIT :limit
        ) AS part
        """  # noqa: S608 - constants and names made here
        for kind, to in kinds
        for retry, tries in enumerate(("tries = 0", "tries > 0"))
        for urgent in (0, 1)
    ]
    sql = f"""
        SELECT delivery_id, host FROM ({" UNION ALL ".join(parts)}) AS due
        ORDER BY retry, urgent DESC, due_ms LIMIT :limit
        """  # noqa: S608 - made above
    return sql, {**excluded, **own}


def _take(delivery_ids: Collection[str], now: int, until_ms: int) -> Steps[list[Delivery]]:
    """Take those deliveries that nobody else has taken meanwhile."""
    among, ids = listed("id", delivery_ids)
    rows = yield (
        f"""
        UPDATE deliveries SET due_ms = :until_ms, tries = tries + 1
        WHERE due_ms <= :now AND delivery_id IN ({among}) RETURNING *
        """,  # noqa: S608 - names made here
        {"now": now, "until_ms": until_ms, **ids},
    )
    return [
        Delivery(
            delivery_id=str(row["delivery_id"]),
            interrupt_id=str(row["interrupt_id"]),
            kind=str(row["kind"]),
            channel=str(row["destination"]),
            host=str(row["host"]),
            tries=int(row["tries"] or 0),
            given_up_ms=int(row["given_up_ms"] or 0),
            leased_until_ms=until_ms,
        )
        for row in rows
    ]


def _settle(keys: AuditKeys, delivery: Delivery, outcome: Outcome | None, now: int) -> Steps[None]:
    trail = yield from locked_trail(keys, delivery.interrupt_id, now)
    gone = yield (
        "DELETE FROM deliveries WHERE delivery_id = :delivery_id RETURNING urgent",
        {"delivery_id": delivery.delivery_id},
    )
    # The interrupt may have been deleted.
    if trail is None:
        return
    row = trail.row
    if gone and delivery.kind == "notification":
        half_ms = (int(row["created_ms"] or 0) + int(row["expires_ms"] or 0)) // 2
        if half_ms > now:
            yield owe(row, "reminder", delivery.channel, delivery.channel, half_ms)
    # A notification that was sent is recorded, even if its interrupt was settled meanwhile.
    if outcome and (gone or outcome[0] == "notified"):
        # Nothing is added to a trail that is damaged, or that other keys made.
        with contextlib.suppress(UnavailableError, TamperedError):
            trail.require_whole(deep=False)
            yield from trail.append(outcome[0], now, SYSTEM, outcome[1])
