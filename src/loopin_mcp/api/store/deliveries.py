"""The outbox: which callbacks and notifications are still to be delivered, and who does it."""

import contextlib
import uuid
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from loopin_mcp.api.access.actors import SYSTEM
from loopin_mcp.api.audit.events import EventType, append, locked
from loopin_mcp.api.clock import Clock
from loopin_mcp.api.database.steps import (
    Database,
    Row,
    Statement,
    Steps,
    Value,
    listed,
    named,
    single,
)
from loopin_mcp.api.store.wakeups import Bell
from loopin_mcp.errors import NotFoundError, UnavailableError
from loopin_mcp.wire.fields import JSONObject
from loopin_mcp.wire.hosts import host_of

Kind = Literal["callback", "notification", "reminder"]
Outcome = tuple[EventType, JSONObject]

# How long after it is due a delivery is given up.
CALLBACK_MS = 3 * 24 * 3600 * 1000
NOTIFICATION_MS = 10 * 60 * 1000
# No delivery is put off for longer, and no reminder lies further ahead. What is due later was so
# before the clock was set back.
LONGEST_DELAY_MS = 8 * 3600 * 1000
FURTHEST_REMINDER_MS = 15 * 24 * 3600 * 1000
_DUE = f"""(due_ms <= :now OR due_ms > :now
    + CASE kind WHEN 'reminder' THEN {FURTHEST_REMINDER_MS} ELSE {LONGEST_DELAY_MS} END)"""
# How many interrupts get their notifications addressed in one change.
ADDRESSED_AT_ONCE = 200

_OWE = """
    INSERT INTO deliveries (delivery_id, interrupt_id, kind, destination, host, urgent, due_ms,
        given_up_ms)
    VALUES (:delivery_id, :interrupt_id, :kind, :destination, :host, :urgent, :due_ms, :given_up_ms)
    """
_TO_ADDRESS = f"""
    SELECT delivery_id FROM deliveries WHERE destination = '' ORDER BY due_ms
    LIMIT {ADDRESSED_AT_ONCE}
    """  # noqa: S608 - a constant


@dataclass(frozen=True)
class Delivery:
    """What is to be delivered, where, and how often it was tried, this time included.

    It belongs to whoever took it until `leased_until_ms`, and is given up at `given_up_ms`.
    """

    delivery_id: str
    interrupt_id: str
    kind: str
    destination: str = field(repr=False)
    host: str
    tries: int
    given_up_ms: int
    leased_until_ms: int


class Deliveries:
    """The outbox. Each delivery that is due by `clock` is taken by one caller at a time.

    `bell` rings whenever something may have become due here.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.bell = Bell()

    async def address(self, ordinary: Collection[str], urgent: Collection[str]) -> None:
        """Have each new notification go to every channel, of those for its urgency.

        Channels are named by their digests.
        """
        channels, addressed = (tuple(ordinary), tuple(urgent)), True
        while addressed and (rows := await self._database.read(_TO_ADDRESS)):
            ids = [str(row["delivery_id"]) for row in rows]
            steps = partial(_address, ids, channels, self._clock())
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
        """Deliveries to be sent now, each given to one caller alone for `lease_ms`.

        They are callbacks, and notifications to these channels, at most `limit`, and for each host
        no more than it has `room` for, which is none for those that are `full`. New ones come
        first, and of those the urgent ones. There may be more unless there are none.
        """
        now, busy = self._clock(), Counter[str]()
        places = {f"to_{name}": value for name, value in named(channels).items()}
        others = named(full)
        rows = await self._database.read(
            f"""
            SELECT delivery_id, host FROM deliveries
            WHERE {_DUE} AND (kind = 'callback' OR host IN ({listed(places)}))
                AND host NOT IN ({listed(others)})
            ORDER BY tries > 0, urgent DESC, due_ms LIMIT :limit
            """,  # noqa: S608 - names made here
            now=now,
            limit=limit,
            **places,
            **others,
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
        """When the next of the deliveries that are not due yet becomes due."""
        places = named(channels)
        [row] = await self._database.read(
            f"""
            SELECT MIN(due_ms) AS due_ms FROM deliveries
            WHERE due_ms > :now AND (kind = 'callback' OR host IN ({listed(places)}))
            """,  # noqa: S608 - names made here
            now=self._clock(),
            **places,
        )
        return None if row["due_ms"] is None else int(row["due_ms"])

    async def postpone(self, delivery: Delivery, due_ms: int) -> None:
        """Have a delivery sent again at `due_ms`, unless another caller has it by now."""
        sql = """
            UPDATE deliveries SET due_ms = :due_ms
            WHERE delivery_id = :delivery_id AND due_ms = :leased_until
            """
        params: dict[str, Value] = {
            "due_ms": due_ms,
            "delivery_id": delivery.delivery_id,
            "leased_until": delivery.leased_until_ms,
        }
        await self._database.transact(partial(single, sql, params))

    async def settle(self, delivery: Delivery, outcome: Outcome | None) -> None:
        """Send a delivery no more, and record its outcome as an event, if it has one.

        A reminder takes the place of a notification, if half of the interrupt's life is to come.
        """
        await self._database.transact(partial(_settle, delivery, outcome, self._clock()))


def owe_notification(row: Row, now: int) -> Statement:
    """Owe a notification of a new interrupt; who sends it chooses the channels."""
    return _owe(str(row["interrupt_id"]), "notification", "", "", str(row["urgency"]), now)


def owe_callback(row: Row, now: int) -> Steps[None]:
    """Owe the callback of a settled interrupt, if it has one."""
    url = row["callback_url"]
    if url is not None:
        interrupt_id, urgency = str(row["interrupt_id"]), str(row["urgency"])
        yield _owe(interrupt_id, "callback", str(url), host_of(str(url)) or "-", urgency, now)


def owe_nothing(interrupt_id: Value) -> Statement:
    """Drop what is still owed of an interrupt, since it is settled."""
    sql = "DELETE FROM deliveries WHERE interrupt_id = :interrupt_id"
    return sql, {"interrupt_id": interrupt_id}


def _owe(
    interrupt_id: str, kind: Kind, destination: str, host: str, urgency: str, due_ms: int
) -> Statement:
    kept_ms = CALLBACK_MS if kind == "callback" else NOTIFICATION_MS
    return _OWE, {
        "delivery_id": str(uuid.uuid4()),
        "interrupt_id": interrupt_id,
        "kind": kind,
        "destination": destination,
        "host": host,
        "urgent": int(urgency == "high"),
        "due_ms": due_ms,
        "given_up_ms": due_ms + kept_ms,
    }


def _address(
    delivery_ids: Collection[str], channels: tuple[Collection[str], Collection[str]], now: int
) -> Steps[bool]:
    """Whether any of these could be addressed."""
    ids = named(delivery_ids)
    rows = yield (
        f"""
        DELETE FROM deliveries WHERE destination = '' AND delivery_id IN ({listed(ids)})
        RETURNING interrupt_id, urgent
        """,  # noqa: S608 - names made here
        ids,
    )
    for row in rows:
        urgent = int(row["urgent"] or 0)
        for channel in channels[urgent]:
            urgency = "high" if urgent else "medium"
            interrupt_id = str(row["interrupt_id"])
            yield _owe(interrupt_id, "notification", channel, channel, urgency, now)
    return bool(rows)


def _take(delivery_ids: Collection[str], now: int, until_ms: int) -> Steps[list[Delivery]]:
    """Take those of these that nobody else has taken meanwhile."""
    ids = named(delivery_ids)
    rows = yield (
        f"""
        UPDATE deliveries SET due_ms = :until_ms, tries = tries + 1
        WHERE {_DUE} AND delivery_id IN ({listed(ids)}) RETURNING *
        """,  # noqa: S608 - names made here
        {"now": now, "until_ms": until_ms, **ids},
    )
    return [_delivery(row) for row in rows]


def _settle(delivery: Delivery, outcome: Outcome | None, now: int) -> Steps[None]:
    row = None
    # An interrupt that is gone has no trail to add to.
    with contextlib.suppress(NotFoundError):
        row = yield from locked(delivery.interrupt_id, now)
    gone = yield (
        "DELETE FROM deliveries WHERE delivery_id = :delivery_id RETURNING urgent",
        {"delivery_id": delivery.delivery_id},
    )
    if row is None:
        return
    if gone and delivery.kind == "notification":
        yield from _owe_reminder(delivery, row, now)
    # A notification that was sent is recorded, though its interrupt was settled meanwhile.
    if outcome and (gone or outcome[0] == "notified"):
        # Nor can anything be added to the trail of one that is damaged.
        with contextlib.suppress(UnavailableError):
            yield from append(row, outcome[0], now, SYSTEM, outcome[1])


def _owe_reminder(delivery: Delivery, row: Row, now: int) -> Steps[None]:
    half_ms = (int(row["created_ms"] or 0) + int(row["expires_ms"] or 0)) // 2
    if half_ms > now:
        channel, urgency = delivery.destination, str(row["urgency"])
        yield _owe(delivery.interrupt_id, "reminder", channel, channel, urgency, half_ms)


def _delivery(row: Row) -> Delivery:
    return Delivery(
        delivery_id=str(row["delivery_id"]),
        interrupt_id=str(row["interrupt_id"]),
        kind=str(row["kind"]),
        destination=str(row["destination"]),
        host=str(row["host"]),
        tries=int(row["tries"] or 0),
        given_up_ms=int(row["given_up_ms"] or 0),
        leased_until_ms=int(row["due_ms"] or 0),
    )
