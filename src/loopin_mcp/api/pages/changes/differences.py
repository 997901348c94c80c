"""What a decision changed: by path in nested values, and by word in texts."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from pydantic import JsonValue

from loopin_mcp.api.audit.digests import canonical
from loopin_mcp.api.pages.values.budget import Budget
from loopin_mcp.api.pages.values.word_diff import Part, are_alike, cost_of, word_diff
from loopin_mcp.wire.fields import JSONObject
from loopin_mcp.wire.models import Interrupt

KINDS = ("changed", "added", "removed", "unchanged")
# More of them in one value are shown as that value, before and after.
_MOST_PATHS = 100
# Shorter texts are shown whole, before and after.
_SHORTEST_TEXT = 30
# What the comparisons of one decision may cost.
_MOST_COST = 4 * 1024
# From which length an unchanged stretch folds, and how much of it stays beside a change.
_LONGEST_SAME, _KEPT = 240, 80
# What the activity names of a decision's changes, and of each value.
_MOST_NAMED, _LONGEST_VALUE = 5, 60
_PLAIN_KEY = re.compile(r"[^\W\d][\w-]*")
_MISSING = object()


@dataclass(frozen=True)
class Stretch:
    """A part of a changed text as it is shown; `folded` is the middle of a long unchanged one."""

    kind: str
    text: str
    folded: str = ""
    rest: str = ""

    @property
    def size(self) -> str:
        """How much is folded, in words."""
        lines = self.folded.count("\n")
        if lines > 1:
            return f"{lines} lines unchanged"
        return f"{len(self.folded):,} characters unchanged"


@dataclass(frozen=True)
class Difference:
    """A value of the modified parameters, of one of the `KINDS`, beside the proposed value.

    `name` is its key, or its path in a nested value. Texts are compared `by_word`, unless those
    before them took long.
    """

    name: str
    kind: str
    asked: JsonValue
    decided: JsonValue
    by_word: bool = True

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Two texts by word, or nothing if they are better read one beside the other."""
        asked, decided = self.asked, self.decided
        if self.kind != "changed" or not isinstance(asked, str) or not isinstance(decided, str):
            return ()
        if not self.by_word or min(len(asked), len(decided)) < _SHORTEST_TEXT:
            return ()
        parts = word_diff(asked, decided)
        return parts if are_alike(parts) else ()

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """The parts as they are shown, with long unchanged stretches folded."""
        last = len(self.parts) - 1
        return tuple(
            _folded(part.text, keeps_begin=at > 0, keeps_end=at < last)
            if part.kind == "same" and len(part.text) > _LONGEST_SAME
            else Stretch(part.kind, part.text)
            for at, part in enumerate(self.parts)
        )

    @property
    def needs_quotes(self) -> bool:
        """Whether only quotes tell which of the two values is a text."""
        texts = [value for value in (self.asked, self.decided) if isinstance(value, str)]
        return self.kind == "changed" and len(texts) == 1 and _is_json(texts[0])

    @property
    def words(self) -> str:
        """The difference in one line: "amount: 4200 → 4000"."""
        if self.kind == "added":
            return f"{self.name}: added {_brief(self.decided)}"
        if self.kind == "removed":
            return f"{self.name}: removed {_brief(self.asked)}"
        if self.parts:
            gone = " … ".join(part.text for part in self.parts if part.kind == "gone")
            new = " … ".join(part.text for part in self.parts if part.kind == "new")
            return f"{self.name}: {_brief(gone)} → {_brief(new)}"
        asked, decided = (
            _brief(_json(value) if self.needs_quotes else value)
            for value in (self.asked, self.decided)
        )
        return f"{self.name}: {asked} → {decided}"


def differences(interrupt: Interrupt) -> tuple[Difference, ...]:
    """How an interrupt's modified parameters differ from its context, value by value."""
    return differences_of(interrupt.context or {}, interrupt.modified_params or {})


def differences_of(asked: JSONObject, decided: JSONObject) -> tuple[Difference, ...]:
    """How modified parameters differ from a context, value by value."""
    budget = Budget(_MOST_COST)
    return tuple(
        replace(each, by_word=budget.allows(_cost(each.asked, each.decided)))
        for name, value in decided.items()
        for each in _differences(name, asked.get(name, _MISSING), value)
    )


def _cost(asked: JsonValue, decided: JsonValue) -> int:
    if isinstance(asked, str) and isinstance(decided, str):
        return cost_of(asked, decided)
    return 0


def summed_up(fields: Iterable[Difference]) -> str:
    """How many values there are of each kind, in words."""
    counts = Counter(field.kind for field in fields)
    found = [f"{counts[kind]} {kind}" for kind in KINDS if counts[kind]]
    return ", ".join(found) or "an empty object"


def in_words(asked: JSONObject, decided: JSONObject) -> tuple[str, ...]:
    """What was changed, a line each, and how many more there are."""
    found = [each for each in differences_of(asked, decided) if each.kind != "unchanged"]
    named = [each.words for each in found[:_MOST_NAMED]]
    more = len(found) - _MOST_NAMED
    return (*named, f"and {more} more") if more > 0 else tuple(named)


def _differences(name: str, asked: object, decided: JsonValue) -> Sequence[Difference]:
    """The differences of one value, of which there is at least one."""
    if asked is _MISSING:
        return [Difference(name, "added", None, decided)]
    before: JsonValue = asked  # type: ignore[assignment] # it is of a context
    if canonical(before) == canonical(decided):
        return [Difference(name, "unchanged", before, decided)]
    found = list(_nested(name, before, decided))
    whole = Difference(name, "changed", before, decided)
    return [whole] if len(found) > _MOST_PATHS else found


def _nested(path: str, asked: JsonValue, decided: JsonValue) -> Iterator[Difference]:
    """The values within a value that differ, by path."""
    if canonical(asked) == canonical(decided):
        return
    if isinstance(asked, dict) and isinstance(decided, dict) and asked and decided:
        for key in [*asked, *(key for key in decided if key not in asked)]:
            yield from _member(
                _joined(path, key), asked.get(key, _MISSING), decided.get(key, _MISSING)
            )
    elif isinstance(asked, list) and isinstance(decided, list) and asked and decided:
        for at in range(max(len(asked), len(decided))):
            before = asked[at] if at < len(asked) else _MISSING
            after = decided[at] if at < len(decided) else _MISSING
            yield from _member(f"{path}[{at}]", before, after)
    else:
        yield Difference(path, "changed", asked, decided)


def _member(path: str, asked: object, decided: object) -> Iterator[Difference]:
    if asked is _MISSING:
        yield Difference(path, "added", None, decided)  # type: ignore[arg-type] # of a JSON value
    elif decided is _MISSING:
        yield Difference(path, "removed", asked, None)  # type: ignore[arg-type] # of a JSON value
    else:
        yield from _nested(path, asked, decided)  # type: ignore[arg-type] # both of JSON values


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if _PLAIN_KEY.fullmatch(key) else f"{path}[{_json(key)}]"


def _folded(text: str, *, keeps_begin: bool, keeps_end: bool) -> Stretch:
    begin = _KEPT if keeps_begin else 0
    end = len(text) - (_KEPT if keeps_end else 0)
    # At the ends of lines, if they are near.
    after, before = text.find("\n", begin, begin + _KEPT), text.rfind("\n", end - _KEPT, end)
    begin = after + 1 if keeps_begin and after >= 0 else begin
    end = before + 1 if keeps_end and before >= 0 else end
    return Stretch("same", text[:begin], text[begin:end], text[end:])


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _brief(value: JsonValue) -> str:
    text = value if isinstance(value, str) and value.strip() else _json(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]} …"


def _json(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False)
