"""Compares heads of trails that somebody kept with the stored events."""

import csv
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice

from pydantic import TypeAdapter

from loopin_mcp.api.audit.digests import canonical
from loopin_mcp.api.audit.events import EVENT, event_of
from loopin_mcp.api.audit.replay import state_after
from loopin_mcp.api.clock import moment
from loopin_mcp.api.database.rows import CUT, object_of
from loopin_mcp.api.database.steps import Archive, Row, Steps
from loopin_mcp.errors import ConfigurationError, UnavailableError
from loopin_mcp.wire.fields import JSONObject, format_time

# How many heads one transaction looks up.
HEADS_AT_ONCE = 200
# The fields of an answer or callback that say what became of an interrupt.
_OUTCOME = (
    "status",
    "decision",
    "decidedAt",
    "decidedBy",
    "decidedVia",
    "reason",
    "modifiedParams",
)
_WHOLE_ID = """
    SELECT interrupt_id FROM events
    WHERE interrupt_id > :after AND interrupt_id < :before AND hash = :hash
    """


@dataclass(frozen=True)
class Head:
    """An eventsHead that somebody kept, and what was said with it of the outcome."""

    interrupt_id: str
    events_head: str
    said: JSONObject


@dataclass(frozen=True)
class Finding:
    """What is known of a kept head: `text` is None if all is as it was.

    A head without its event is a fault, unless the interrupt's deletion is recorded. So is one
    whose outcome is not the present one.
    """

    interrupt_id: str
    text: str | None = None
    is_fault: bool = False


def read_heads(lines: Iterable[str]) -> Iterator[Head]:
    """The heads in JSON lines, or in CSV with a header; other fields are ignored.

    Raises:
        ConfigurationError: An entry has no head, or there are no entries.
    """
    number = 1
    try:
        for entry in _entries(lines):
            yield _head(entry)
            number += 1
    except (ValueError, TypeError, csv.Error) as error:
        raise ConfigurationError(
            f"Entry {number} of the heads has no interruptId and eventsHead: give an object with "
            "both in each line, or CSV whose first line names them, in UTF-8 or UTF-16."
        ) from error
    if number == 1:
        raise ConfigurationError("No heads were given, so there is nothing to compare.")


async def compare_heads(archive: Archive, heads: Iterable[Head]) -> AsyncIterator[Finding]:
    """A finding for each of the heads."""
    unread = iter(heads)
    while portion := list(islice(unread, HEADS_AT_ONCE)):
        for finding in await archive.transact(partial(_compare, portion)):
            yield finding


def _compare(heads: Iterable[Head]) -> Steps[list[Finding]]:
    findings = []
    for head in heads:
        findings.append((yield from _finding(head)))
    return findings


def _finding(head: Head) -> Steps[Finding]:
    params = {"id": (yield from _whole_id(head))}
    rows = yield f"SELECT {EVENT} FROM events WHERE interrupt_id = :id ORDER BY sequence", params  # noqa: S608 - a constant
    hashes = [row["hash"] for row in rows]
    if head.events_head in hashes:
        fault = _fault_of_outcome(head.said, rows, hashes.index(head.events_head) + 1)
        return Finding(head.interrupt_id, fault, is_fault=fault is not None)
    deleted = yield "SELECT * FROM deletions WHERE interrupt_id = :id", params
    for row in deleted:
        at = format_time(moment(row["deleted_ms"]))
        was_last = "" if row["events_head"] == head.events_head else " with another eventsHead"
        return Finding(head.interrupt_id, f"was deleted by its age at {at}{was_last}")
    stored = yield "SELECT 1 AS one FROM interrupts WHERE interrupt_id = :id", params
    text = "it does not exist, and was not deleted by its age"
    if stored:
        text = f"none of its events has the hash {head.events_head}"
    return Finding(head.interrupt_id, text, is_fault=True)


def _whole_id(head: Head) -> Steps[str]:
    """The id of which an export has only the beginning, by the hash of its event."""
    beginning = head.interrupt_id.removesuffix(CUT)
    if beginning == head.interrupt_id:
        return beginning
    # The letter comes after all digits of an id, in any order of sorting.
    params = {"after": beginning, "before": f"{beginning}g", "hash": head.events_head}
    rows = yield _WHOLE_ID, params
    return str(rows[0]["interrupt_id"]) if rows else head.interrupt_id


def _fault_of_outcome(said: JSONObject, rows: Sequence[Row], place: int) -> str | None:
    """Why the outcome by the event at `place` is not the present one, or not as was said."""
    try:
        events = [event_of(row) for row in rows]
        then, now = state_after(events[:place]), state_after(events)
    except UnavailableError:
        return "its stored data cannot be read"
    if then.get("status") != "pending" and _outcome_of(then) != _outcome_of(now):
        return "another outcome follows the one of the kept head"
    if said.get("status") == "expired" and then.get("status") == "pending":
        # Reads say so before the expiry is recorded.
        then = now | {"status": "expired"} if now.get("status") == "pending" else now
    kept = _outcome_of(said)
    if said.get("status") in (None, "pending") or kept.items() <= _outcome_of(then).items():
        return None
    return "the kept outcome is not the one that its events have"


def _outcome_of(state: JSONObject) -> Mapping[str, str]:
    """The fields of an outcome, each in canonical form."""
    return {name: canonical(state[name]) for name in _OUTCOME if state.get(name)}


def _entries(lines: Iterable[str]) -> Iterator[Mapping[str, object]]:
    """The objects of JSON lines, or the rows of CSV."""
    unread = filter(str.strip, lines)
    first = next(unread, "")
    everything = chain([first], unread)
    if first.lstrip().startswith("{"):
        return map(object_of, everything)
    return csv.DictReader(everything)


def _head(entry: Mapping[str, object]) -> Head:
    """The head in an entry.

    Raises:
        TypeError: It has none.
        ValueError: The head cannot be genuine.
    """
    interrupt_id, events_head = entry.get("interruptId"), entry.get("eventsHead")
    if not (isinstance(interrupt_id, str) and isinstance(events_head, str)):
        raise TypeError("it has no head")
    # PostgreSQL cannot search for NUL.
    if not f"{interrupt_id}{events_head}".isprintable():
        raise ValueError("its head is not printable")
    said = TypeAdapter(JSONObject).validate_python({name: entry.get(name) for name in _OUTCOME})
    return Head(interrupt_id, events_head, said)
