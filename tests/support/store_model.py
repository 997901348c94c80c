"""What a store must be after each change, told by plain Python: no SQL, no hashes."""

from collections import Counter
from dataclasses import dataclass, field

from loopin_mcp.api.store.callbacks import LONGEST_DELAY_MS, Callback
from loopin_mcp.api.store.creation import KEY_LIFE_MS
from loopin_mcp.api.store.notices import Notice
from loopin_mcp.errors import APIError, ConflictError, NotFoundError
from loopin_mcp.wire.models import ActionCount, Analytics, NewInterrupt


@dataclass
class Asked:
    """An interrupt, and the types of the events it has."""

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
    notice_due_ms: int | None = None
    notices_sent: int = 0
    reached: frozenset[str] = frozenset()

    @property
    def half_ms(self) -> int:
        return (self.created_ms + self.expires_ms) // 2

    def status_at(self, now: int) -> str:
        return "expired" if self.status == "pending" and self.expires_ms <= now else self.status


class Model:
    """Everything that was asked, by id, and what is still to be told of it."""

    def __init__(self) -> None:
        self.asked: dict[str, Asked] = {}
        # By key: what was asked with it, under which id, and when.
        self.keys: dict[str, tuple[NewInterrupt, str, int]] = {}
        # By interrupt: when its callback is due, and how often it was tried.
        self.owed: dict[str, tuple[int, int]] = {}
        self.digests: dict[str, str | None] = {}

    def create(self, created: Asked) -> None:
        created.notice_due_ms = created.created_ms
        self.asked[created.interrupt_id] = created

    def known(self, key: str, now: int) -> tuple[NewInterrupt, str, int] | None:
        """What a key stands for, unless it is a day old."""
        found = self.keys.get(key)
        return found if found and found[2] > now - KEY_LIFE_MS else None

    def refusal(self, interrupt_id: str, now: int) -> type[APIError] | None:
        """With what a change of an interrupt is refused, if it is."""
        if interrupt_id not in self.asked:
            return NotFoundError
        is_pending = self.asked[interrupt_id].status_at(now) == "pending"
        return None if is_pending else ConflictError

    def settle(self, interrupt_id: str, status: str, now: int) -> None:
        """Have somebody settle an interrupt, which is never before it was asked."""
        self._settle(interrupt_id, status, max(now, self.asked[interrupt_id].created_ms), now)

    def _settle(self, interrupt_id: str, status: str, at_ms: int, now: int) -> None:
        asked = self.asked[interrupt_id]
        asked.status, asked.settled_ms, asked.notice_due_ms = status, at_ms, None
        is_decision = status in ("approved", "rejected")
        if is_decision:
            asked.response_ms = at_ms - asked.created_ms
        asked.events.append("decided" if is_decision else status)
        if asked.has_callback and status != "cancelled":
            self.owed[interrupt_id] = (now, 0)

    def expire(self, now: int) -> None:
        for asked in self.asked.values():
            if asked.status == "pending" and asked.expires_ms <= now:
                self._settle(asked.interrupt_id, "expired", asked.expires_ms, now)

    def view(self, interrupt_id: str, viewer: str, now: int) -> None:
        asked = self.asked[interrupt_id]
        if asked.status_at(now) == "pending" and viewer not in asked.viewers:
            asked.viewers.add(viewer)
            asked.events.append("viewed")

    def moments(self) -> list[int]:
        """The times at which something changes by itself."""
        found = {created + KEY_LIFE_MS for _, _, created in self.keys.values()}
        for due, _ in self.owed.values():
            found |= {due, due - LONGEST_DELAY_MS}
        for asked in self.asked.values():
            found |= {asked.created_ms, asked.half_ms, asked.expires_ms, asked.notice_due_ms or 0}
        return sorted(found - {0})

    def due(self, now: int) -> set[str]:
        """Whose callbacks are to be sent now: also those of before the clock was set back."""
        latest = now + LONGEST_DELAY_MS
        return {each for each, (due, _) in self.owed.items() if due <= now or due > latest}

    def take(self, callback: Callback) -> int:
        """Have somebody send a callback; how often it was tried with this time."""
        tries = self.owed[callback.interrupt_id][1] + 1
        self.owed[callback.interrupt_id] = (callback.leased_until_ms, tries)
        return tries

    def postpone(self, callback: Callback, due_ms: int) -> None:
        leased, tries = self.owed.get(callback.interrupt_id, (None, 0))
        if leased == callback.leased_until_ms:
            self.owed[callback.interrupt_id] = (due_ms, tries)

    def deliver(self, callback: Callback, outcome: str) -> None:
        if self.owed.pop(callback.interrupt_id, None):
            self.asked[callback.interrupt_id].events.append(outcome)

    def notices_due(self, now: int) -> set[str]:
        return {
            asked.interrupt_id
            for asked in self.asked.values()
            if asked.notice_due_ms is not None
            and asked.notice_due_ms <= now
            and asked.status_at(now) == "pending"
        }

    def take_notice(self, notice: Notice) -> frozenset[str]:
        """Have somebody send a notice; which channels have it already."""
        asked = self.asked[notice.interrupt_id]
        asked.notice_due_ms = notice.leased_until_ms
        return asked.reached

    def notify(self, notice: Notice, reached: frozenset[str]) -> None:
        asked = self.asked[notice.interrupt_id]
        asked.events.append("notified")
        if asked.notice_due_ms == notice.leased_until_ms:
            asked.reached = reached

    def settle_notice(self, notice: Notice, now: int) -> None:
        """Send it no more, if it still belongs to whoever took it; but maybe remind."""
        asked = self.asked.get(notice.interrupt_id)
        if asked is None or asked.notice_due_ms != notice.leased_until_ms:
            return
        is_first = asked.notices_sent == 0
        asked.notices_sent += 1
        asked.reached = frozenset()
        asked.notice_due_ms = asked.half_ms if is_first and asked.half_ms > now else None

    def forget(self, now: int) -> None:
        self.keys = {key: known for key, known in self.keys.items() if self.known(key, now)}

    def delete(self, before: int) -> int:
        """Delete what was asked and settled until then, unless its callback is owed."""
        old = [
            asked.interrupt_id
            for asked in self.asked.values()
            if asked.settled_ms is not None
            and max(asked.settled_ms, asked.created_ms) <= before
            and asked.interrupt_id not in self.owed
        ]
        for interrupt_id in old:
            del self.asked[interrupt_id]
        self.keys = {key: known for key, known in self.keys.items() if known[2] > before}
        return len(old)

    def statuses(self, now: int) -> dict[str, str]:
        return {interrupt_id: asked.status_at(now) for interrupt_id, asked in self.asked.items()}

    def pending(self, user: str, now: int) -> list[str]:
        """The ids of what waits for a user, newest first."""
        places = [
            (asked.created_ms, asked.interrupt_id)
            for asked in self.asked.values()
            if asked.user == user and asked.status_at(now) == "pending"
        ]
        return [interrupt_id for _, interrupt_id in sorted(places, reverse=True)]

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


def _percentile(times: list[int], percent: int) -> float | None:
    """The value at that share of the way from the first to the last."""
    if not times:
        return None
    low, rest = divmod((len(times) - 1) * percent, 100)
    high = min(low + 1, len(times) - 1)
    return times[low] + (times[high] - times[low]) * rest / 100
