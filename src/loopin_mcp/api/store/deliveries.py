"""The outbox: callbacks and notifications that are still to be delivered."""

import contextlib
import uuid
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Literal

from loopin_mcp.api.access.actors import SYSTEM
from loopin_mcp.api.audit.audit_keys import AuditKeys
from loopin_mcp.api.audit.events import EventType
from loopin_mcp.api.audit.trail import locked_row, trail_of
from loopin_mcp.api.clock import Clock
from loopin_mcp.api.database.steps import Database, Row, Statement, Steps, Value, listed, single
from loopin_mcp.api.store.wakeups import Bell
from loopin_mcp.errors import TamperedError, UnavailableError
from loopin_mcp.wire.fields import JSONObject
from loopin_mcp.wire.hosts import host_of

Kind = Literal["callback", "notification", "reminder"]
Outcome = tuple[EventType, JSONObject]

# How long after it is due a delivery is given up.
CALLBACK_MS = 3 * 24 * 3600 * 1000
NOTIFICATION_MS = 10 * 60 * 1000
# No retry or reminder is due later than this. If one is, the clock was set back, and it is due now.
LONGEST_DELAY_MS = 8 * 3600 * 1000
FURTHEST_REMINDER_MS = 15 * 24 * 3600 * 1000
_DUE = f"""(due_ms <= :now OR due_ms > :now
    + CASE kind WHEN 'reminder' THEN {FURTHEST_REMINDER_MS} ELSE {LONGEST_DELAY_MS} END)"""
# How many notifications get their channels in one transaction.
ADDRESSED_AT_ONCE = 200

_OWE = """
    INSERT INTO deliveries (delivery_id, interrupt_id, kind, destination, host, urgent, due_ms,
        given_up_ms)
    VALUES (:delivery_id, :interrupt_id, :kind, :destination, :host, :urgent, :due_ms, :given_up_ms)
    """
_TO_ADDRESS = f"""
    SELECT delivery_id FROM deliveries WHERE kind = 'notification' AND destination = ''
    ORDER BY due_ms
    LIMIT {ADDRESSED_AT_ONCE}
    """  # noqa: S608 - a constant


@dataclass(frozen=True)
class Delivery:
    """A callback or notification that one caller holds until `leased_until_ms`.

    `channel` is the digest of a notification's. `tries` includes the current one. The delivery is
    given up at `given_up_ms`. Anyone who can write the database can edit it: it only says that
    something may be due, and never what is sent or where a callback goes.
    """

    delivery_id: str
    interrupt_id: str
    kind: str
    channel: str
    host: str
    tries: int
    given_up_ms: int
    leased_until_ms: int


class Deliveries:
    """The outbox. Only one caller at a time holds a delivery.

    `bell` rings when this process may have made a delivery due.
    """

    def __init__(self, database: Database, clock: Clock, keys: AuditKeys) -> None:
        self._database = database
        self._clock = clock
        self._keys = keys
        self.bell = Bell()

    async def address(self, ordinary: Collection[str], urgent: Collection[str]) -> None:
        """Replace each new notification by one for every channel of its urgency.

        The channels are given by their digests.
        """
        addressed = True
        while addressed and (rows := await self._database.read(_TO_ADDRESS)):
            ids = [str(row["delivery_id"]) for row in rows]
            steps = partial(_address, ids, (ordinary, urgent), self._clock())
            addressed = await self._database.transact(steps)

    async def take_due(
        self,
        channels: Collection[str],
        full: Collection[str],
        *,
        lease_ms: int,
        limit: int,
        room: Callable[[str], int],
    ) -> list[Delivery]:
        """Take up to `limit` due callbacks, and notifications to these channels, for `lease_ms`.

        First attempts come before retries, urgent ones first. A host gets no more than it has
        `room` for, and none if it is `full`. Unless the result is empty, more may be due.
        """
        now, busy = self._clock(), Counter[str]()
        own_hosts, own = listed("own", channels)
        full_hosts, excluded = listed("full", full)
        rows = await self._database.read(
            f"""
            SELECT delivery_id, host FROM deliveries
            WHERE {_DUE} AND (kind = 'callback' OR host IN ({own_hosts}))
                AND host NOT IN ({full_hosts})
            ORDER BY tries > 0, urgent DESC, due_ms LIMIT :limit
            """,  # noqa: S608 - names made here
            now=now,
            limit=limit,
            **own,
            **excluded,
        )
        chosen = []
        for row in rows:
            host = str(row["host"])
            busy[host] += 1
            if busy[host] <= room(host):
                chosen.append(str(row["delivery_id"]))
        if not chosen:
            return []
        return await self._database.transact(partial(_take, chosen, now, now + lease_ms))

    async def next_due_ms(self, channels: Collection[str]) -> int | None:
        """When the next delivery that is not due yet becomes due."""
        own_hosts, own = listed("own", channels)
        [row] = await self._database.read(
            f"""
            SELECT MIN(due_ms) AS due_ms FROM deliveries
            WHERE due_ms > :now AND (kind = 'callback' OR host IN ({own_hosts}))
            """,  # noqa: S608 - names made here
            now=self._clock(),
            **own,
        )
        return None if row["due_ms"] is None else int(row["due_ms"])

    async def postpone(self, delivery: Delivery, due_ms: int, answered: int = 0) -> None:
        """Send a delivery again at `due_ms`, unless another caller has taken it meanwhile.

        `answered` is the HTTP status that it got, or 0.
        """
        sql = """
            UPDATE deliveries SET due_ms = :due_ms, answered = :answered
            WHERE delivery_id = :id AND due_ms = :leased_until
            """
        held: dict[str, Value] = {
            "id": delivery.delivery_id,
            "leased_until": delivery.leased_until_ms,
        }
        change = {**held, "due_ms": due_ms, "answered": answered}
        await self._database.transact(partial(single, sql, change))

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


def owe_notification(row: Row, now: int) -> Statement:
    """Add a notification of a new interrupt; its sender chooses the channels."""
    return _owe(row, "notification", "", "", now)


def owe_callback(row: Row, now: int) -> Steps[None]:
    """Add the callback of a settled interrupt, if it has one."""
    url = row["callback_url"]
    if url is not None:
        yield _owe(row, "callback", "", host_of(str(url)) or "-", now)


def owe_nothing(interrupt_id: Value) -> Statement:
    """Remove all deliveries of an interrupt that is being settled."""
    sql = "DELETE FROM deliveries WHERE interrupt_id = :interrupt_id"
    return sql, {"interrupt_id": interrupt_id}


def _owe(row: Row, kind: Kind, destination: str, host: str, due_ms: int) -> Statement:
    kept_ms = CALLBACK_MS if kind == "callback" else NOTIFICATION_MS
    return _OWE, {
        "delivery_id": str(uuid.uuid4()),
        "interrupt_id": row["interrupt_id"],
        "kind": kind,
        "destination": destination,
        "host": host,
        "urgent": int(row["urgency"] == "high"),
        "due_ms": due_ms,
        "given_up_ms": due_ms + kept_ms,
    }


def _address(
    delivery_ids: Collection[str], channels: tuple[Collection[str], Collection[str]], now: int
) -> Steps[bool]:
    """Whether any of these notifications were still without a channel."""
    among, ids = listed("id", delivery_ids)
    rows = yield (
        f"""
        DELETE FROM deliveries
        WHERE kind = 'notification' AND destination = '' AND delivery_id IN ({among})
        RETURNING interrupt_id, urgent, CASE urgent WHEN 1 THEN 'high' END AS urgency
        """,  # noqa: S608 - names made here
        ids,
    )
    for row in rows:
        for channel in channels[int(row["urgent"] or 0)]:
            yield _owe(row, "notification", channel, channel, now)
    return bool(rows)


def _take(delivery_ids: Collection[str], now: int, until_ms: int) -> Steps[list[Delivery]]:
    """Take those deliveries that nobody else has taken meanwhile."""
    among, ids = listed("id", delivery_ids)
    rows = yield (
        f"""
        UPDATE deliveries SET due_ms = :until_ms, tries = tries + 1
        WHERE {_DUE} AND delivery_id IN ({among}) RETURNING *
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
    row = yield from locked_row(delivery.interrupt_id, now)
    gone = yield (
        "DELETE FROM deliveries WHERE delivery_id = :delivery_id RETURNING urgent",
        {"delivery_id": delivery.delivery_id},
    )
    # The interrupt may have been deleted.
    if row is None:
        return
    if gone and delivery.kind == "notification":
        half_ms = (int(row["created_ms"] or 0) + int(row["expires_ms"] or 0)) // 2
        if half_ms > now:
            yield _owe(row, "reminder", delivery.channel, delivery.channel, half_ms)
    # A notification that was sent is recorded, even if its interrupt was settled meanwhile.
    if outcome and (gone or outcome[0] == "notified"):
        # Nothing is added to a trail that is damaged, or that other keys made.
        with contextlib.suppress(UnavailableError, TamperedError):
            trail = yield from trail_of(keys, row)
            trail.require_whole(deep=False)
            yield from trail.append(outcome[0], now, SYSTEM, outcome[1])
