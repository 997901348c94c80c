"""A plain model of the store in Python, without SQL and hashes."""

from collections import Counter
from dataclasses import dataclass, field

from loopin_mcp.api.store.creation import KEY_LIFE_MS
from loopin_mcp.api.store.deliveries import FURTHEST_REMINDER_MS, LONGEST_DELAY_MS, Delivery
from loopin_mcp.errors import APIError, ConflictError, NotFoundError
from loopin_mcp.wire.models import ActionCount, Analytics, NewInterrupt

# The interrupt, the kind, and the channel of a notification.
Owed = tuple[str, str, str]


def owed_as(delivery: Delivery) -> Owed:
    """The model's name of a delivery."""
    is_callback = delivery.kind == "callback"
    return delivery.interrupt_id, delivery.kind, "" if is_callback else delivery.channel


@dataclass
class Asked:
    """An interrupt, and the types of its events."""

    interrupt_id: str
    user: str
    action: str
    has_callback: bool
    created_ms: int
    expires_ms: int
    status: str = "pending"
    settled_ms: int | None = None
    response_ms: int | None = None
    events: list[str] = field(default_factory=lambda: ["created"])
    viewers: set[str] = field(default_factory=set)
    latest_ms: int = 0

    def note(self, event: str, at_ms: int) -> int:
        """Append an event, which is never before the one before it; returns its time."""
        self.latest_ms = max(at_ms, self.latest_ms, self.created_ms)
        self.events.append(event)
        return self.latest_ms

    @property
    def half_ms(self) -> int:
        return (self.created_ms + self.expires_ms) // 2

    def status_at(self, now: int) -> str:
        return "expired" if self.status == "pending" and self.expires_ms <= now else self.status


class Model:
    """All interrupts by id, and the deliveries that are still to be sent."""

    def __init__(self) -> None:
        self.asked: dict[str, Asked] = {}
        # By key: its payload, the interrupt's id, and the time.
        self.keys: dict[str, tuple[NewInterrupt, str, int]] = {}
        # By interrupt, kind and channel: when a delivery is due, and how often it was tried.
        self.owed: dict[Owed, tuple[int, int]] = {}
        self.digests: dict[str, str | None] = {}
        # The channels of this process.
        self.channels: tuple[str, ...] = ()

    def create(self, created: Asked) -> None:
        self.asked[created.interrupt_id] = created
        for channel in self.channels:
            self.owed[created.interrupt_id, "notification", channel] = (created.created_ms, 0)

    def known(self, key: str, now: int) -> tuple[NewInterrupt, str, int] | None:
        """The interrupt of a key, unless the key is a day old."""
        found = self.keys.get(key)
        return found if found and found[2] > now - KEY_LIFE_MS else None

    def refusal(self, interrupt_id: str, now: int) -> type[APIError] | None:
        """The error that refuses a change of an interrupt, if any."""
        if interrupt_id not in self.asked:
            return NotFoundError
        is_pending = self.asked[interrupt_id].status_at(now) == "pending"
        return None if is_pending else ConflictError

    def settle(self, interrupt_id: str, status: str, now: int) -> None:
        """Settle an interrupt, never before its latest event."""
        self._settle(interrupt_id, status, now, now)

    def _settle(self, interrupt_id: str, status: str, at_ms: int, now: int) -> None:
        asked = self.asked[interrupt_id]
        asked.status = status
        self.owed = {each: due for each, due in self.owed.items() if each[0] != interrupt_id}
        is_decision = status in ("approved", "rejected")
        asked.settled_ms = asked.note("decided" if is_decision else status, at_ms)
        if is_decision:
            asked.response_ms = asked.settled_ms - asked.created_ms
        if asked.has_callback and status != "cancelled":
            self.owed[interrupt_id, "callback", ""] = (now, 0)

    def expire(self, now: int) -> None:
        for asked in list(self.asked.values()):
            if asked.status == "pending" and asked.expires_ms <= now:
                self._settle(asked.interrupt_id, "expired", asked.expires_ms, now)

    def view(self, interrupt_id: str, viewer: str, now: int) -> None:
        asked = self.asked[interrupt_id]
        if asked.status_at(now) == "pending" and viewer not in asked.viewers:
            asked.viewers.add(viewer)
            asked.note("viewed", now)

    def moments(self) -> list[int]:
        """The times at which something changes by itself."""
        found = {created + KEY_LIFE_MS for _, _, created in self.keys.values()}
        for each, (due, _) in self.owed.items():
            found |= {due, due - _furthest(each)}
        for asked in self.asked.values():
            found |= {asked.created_ms, asked.half_ms, asked.expires_ms}
        return sorted(found)

    def due(self, now: int) -> set[Owed]:
        """The deliveries that are due here."""
        return {
            each
            for each, (due, _) in self.owed.items()
            if due <= now and each[2] in ("", *self.channels)
        }

    def bring_forward(self, now: int) -> None:
        """Make due what is due later than it can be, since the clock was set back."""
        for each, (due, tries) in self.owed.items():
            if due > now + _furthest(each):
                self.owed[each] = (now, tries)

    def take(self, delivery: Delivery) -> int:
        """Take a delivery; returns the number of its tries."""
        tries = self.owed[owed_as(delivery)][1] + 1
        self.owed[owed_as(delivery)] = (delivery.leased_until_ms, tries)
        return tries

    def postpone(self, delivery: Delivery, due_ms: int) -> None:
        leased, tries = self.owed.get(owed_as(delivery), (None, 0))
        if leased == delivery.leased_until_ms:
            self.owed[owed_as(delivery)] = (due_ms, tries)

    def conclude(self, delivery: Delivery, event: str | None, now: int) -> None:
        """Remove a delivery; a reminder replaces a notification."""
        asked = self.asked.get(delivery.interrupt_id)
        gone = self.owed.pop(owed_as(delivery), None)
        if asked is None:
            return
        if gone and delivery.kind == "notification" and asked.half_ms > now:
            interrupt_id, _, channel = owed_as(delivery)
            self.owed[interrupt_id, "reminder", channel] = (asked.half_ms, 0)
        if event and (gone or event == "notified"):
            asked.note(event, now)

    def forget(self, now: int) -> None:
        self.keys = {key: known for key, known in self.keys.items() if self.known(key, now)}

    def delete(self, before: int) -> int:
        """Delete interrupts created and settled until then, unless they have deliveries."""
        old = [
            asked.interrupt_id
            for asked in self.asked.values()
            if asked.settled_ms is not None
            and max(asked.settled_ms, asked.created_ms) <= before
            and asked.interrupt_id not in {each for each, _, _ in self.owed}
        ]
        for interrupt_id in old:
            del self.asked[interrupt_id]
        self.keys = {key: known for key, known in self.keys.items() if known[2] > before}
        return len(old)

    def statuses(self, now: int) -> dict[str, str]:
        return {interrupt_id: asked.status_at(now) for interrupt_id, asked in self.asked.items()}

    def pending(self, user: str, now: int) -> list[str]:
        """The ids of a user's pending interrupts, newest first."""
        places = [
            (asked.created_ms, place, asked.interrupt_id)
            for place, asked in enumerate(self.asked.values())
            if asked.user == user and asked.status_at(now) == "pending"
        ]
        return [interrupt_id for *_, interrupt_id in sorted(places, reverse=True)]

    def analytics(self, user: str, now: int) -> Analytics:
        mine = [asked for asked in self.asked.values() if asked.user == user]
        by_status = Counter(asked.status_at(now) for asked in mine)
        times = sorted(asked.response_ms for asked in mine if asked.response_ms is not None)
        types = Counter(asked.action for asked in mine).items()
        top = sorted(types, key=lambda counted: (-counted[1], counted[0]))
        return Analytics(
            user_id=user,
            total_interrupts=len(mine),
            approval_rate=by_status["approved"] / len(times) if times else None,
            avg_response_time_ms=sum(times) / len(times) if times else None,
            p50_response_time_ms=_percentile(times, 50),
            p95_response_time_ms=_percentile(times, 95),
            by_status={status: count for status, count in by_status.items() if count},
            by_urgency={"medium": len(mine)} if mine else {},
            top_action_types=tuple(ActionCount(action=each, count=count) for each, count in top),
        )


def _furthest(owed: Owed) -> int:
    """How far ahead a delivery may be due."""
    return FURTHEST_REMINDER_MS if owed[1] == "reminder" else LONGEST_DELAY_MS


def _percentile(times: list[int], percent: int) -> float | None:
    """The percentile of these values, interpolated."""
    if not times:
        return None
    low, rest = divmod((len(times) - 1) * percent, 100)
    high = min(low + 1, len(times) - 1)
    return times[low] + (times[high] - times[low]) * rest / 100
