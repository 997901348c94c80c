"""What is unusual about a request, compared with similar ones: the panel of the review page."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from itertools import islice, pairwise
from typing import Literal

from pydantic import JsonValue

from loopin_mcp.api.audit.digests import canonical
from loopin_mcp.api.pages.values.tables import is_number
from loopin_mcp.api.store.history.precedents import RECORD_DAYS, Precedents
from loopin_mcp.wire.models import Interrupt
from loopin_mcp.wire.plain_text import counted

# How many values are compared, and how many differences are shown.
MOST_VALUES = 300
MOST_SHOWN = 6
LONGEST_PATH = 80
LONGEST_TEXT = 40
# Fewer values can rise by chance; more of them rising each time are ids or times.
LEAST_RISING = 3

Kind = Literal["higher", "new", "other", "lower", "changed", "missing"]
# A tuple, since names that contain dots could read like a path.
Path = tuple[str, ...]
Leaves = dict[Path, JsonValue]
_ORDER: tuple[Kind, ...] = ("higher", "new", "other", "lower", "changed", "missing")


@dataclass(frozen=True)
class Value:
    """A value that differs from the last similar request: `before` and `after` if they are short.

    `step` is by how much a number differs. `among` is how many earlier values there were: one of
    the kind `higher` exceeds them, and one of the kind `other` differs from what they all were.
    """

    path: str
    kind: Kind
    before: str | None = None
    after: str | None = None
    step: str = ""
    among: int = 0

    @property
    def mark(self) -> str:
        """The word that marks an unusual one, or nothing."""
        if self.kind == "higher":
            return "Highest" if self.among > 1 else "Higher"
        return {"new": "New key", "other": "New value"}.get(self.kind, "")

    @property
    def words(self) -> str:
        """How it differs, in words."""
        if self.kind == "higher" and self.among > 1:
            return f"{self.step}, more than in the last {self.among}"
        if self.kind == "other":
            return f"was the same in the last {self.among}"
        return self.step or {"new": "", "missing": "no longer given"}.get(self.kind, "changed")


@dataclass(frozen=True)
class Panel:
    """What a reviewer sees beside a request that waits."""

    interrupt: Interrupt
    found: Precedents

    @property
    def days(self) -> int:
        """How many days the record of the agent goes back."""
        return RECORD_DAYS

    @property
    def last_urgency(self) -> str | None:
        """The urgency of the last similar request, if this one has another."""
        last = self.found.last
        return last.urgency if last and last.urgency != self.interrupt.urgency else None

    @property
    def outcome(self) -> str:
        """The outcome of the last similar request, in words."""
        last = self.found.last
        if last is None or last.is_pending:
            return "still waiting"
        changed = last.status == "approved" and last.modified_params
        return "approved with changes" if changed else last.status

    @property
    def last_at(self) -> datetime | None:
        """When the last similar request was settled, or was created if it is still waiting."""
        last = self.found.last
        return (last.settled_at or last.created_at) if last else None

    @cached_property
    def differences(self) -> tuple[Value, ...]:
        """What differs from the last similar request, the most unusual first."""
        last = self.found.last
        if last is None:
            return ()
        earlier = [_leaves(each.context) for each in self.found.alike or (last,)]
        found = _differences(_leaves(self.interrupt.context), earlier)
        return tuple(sorted(found, key=lambda each: _ORDER.index(each.kind)))

    @cached_property
    def is_cut(self) -> bool:
        """Whether there are more values than are compared."""
        last = self.found.last
        contexts = (self.interrupt.context, last.context) if last else ()
        return any(len(_leaves(context)) == MOST_VALUES for context in contexts)

    @property
    def most_values(self) -> int:
        """How many values are compared at most."""
        return MOST_VALUES

    @property
    def marked(self) -> tuple[Value, ...]:
        """The differences that are unusual."""
        return tuple(each for each in self.differences if each.mark)[:MOST_SHOWN]

    @property
    def others(self) -> tuple[Value, ...]:
        """The differences that are not unusual."""
        return tuple(each for each in self.differences if not each.mark)[:MOST_SHOWN]

    @property
    def not_shown(self) -> int:
        """How many more differences there are."""
        return len(self.differences) - len(self.marked) - len(self.others)

    @property
    def is_unusual(self) -> bool:
        """Whether anything is marked."""
        is_new = self.found.is_new or self.found.last is None
        return bool(
            is_new or self.marked or self.is_cut or self.last_urgency or self.found.record.rejected
        )


def _differences(asked: Leaves, earlier: Sequence[Leaves]) -> Iterator[Value]:
    last = earlier[0]
    for path, value in asked.items():
        if path not in last:
            yield Value(_name(path), "new", after=_short(value))
        # In Python, True equals 1.
        elif canonical(last[path]) != canonical(value):
            yield _changed(_name(path), value, [each[path] for each in earlier if path in each])
    for path, value in last.items():
        if path not in asked:
            yield Value(_name(path), "missing", before=_short(value))


def _changed(path: str, value: JsonValue, earlier: Sequence[JsonValue]) -> Value:
    last = earlier[0]
    is_constant = len(earlier) > 1 and len(set(map(canonical, earlier))) == 1
    kind: Kind = "other" if is_constant else "changed"
    found = Value(path, kind, _short(last), _short(value), among=len(earlier))
    if not (is_number(value) and is_number(last)):
        return found
    step = _number(value) - _number(last)
    numbers = [_number(each) for each in earlier if is_number(each)]
    if _number(value) > max(numbers) and not _rises(numbers):
        found = replace(found, kind="higher", among=len(numbers))
    elif step < 0 and not is_constant:
        found = replace(found, kind="lower")
    return replace(found, step=f"{step:+,f}")


def _rises(newest_first: Sequence[Decimal]) -> bool:
    """Whether each number is higher than the one before, as ids and times are."""
    pairs = pairwise(newest_first)
    return len(newest_first) >= LEAST_RISING and all(newer > older for newer, older in pairs)


def _number(value: JsonValue) -> Decimal:
    return Decimal(str(value))


def _short(value: JsonValue) -> str | None:
    """A value as text, if it is short enough to be shown beside another."""
    if is_number(value):
        return f"{_number(value):,f}"
    if isinstance(value, list):
        return counted(len(value), "item")
    text = value if isinstance(value, str) and value.strip() else canonical(value)
    return text if len(text) <= LONGEST_TEXT and "\n" not in text else None


def _leaves(context: JsonValue) -> Leaves:
    """The first values in an object by their paths: also of nested objects, lists as a whole."""
    return dict(islice(_walk((), context), MOST_VALUES))


def _name(path: Path) -> str:
    name = ".".join(path)
    return name if len(name) <= LONGEST_PATH else f"{name[:LONGEST_PATH]}…"


def _walk(path: Path, value: JsonValue) -> Iterable[tuple[Path, JsonValue]]:
    if isinstance(value, dict) and (value or not path):
        for name, item in value.items():
            yield from _walk((*path, name), item)
    else:
        yield path, value
