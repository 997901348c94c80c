"""Compares heads of trails that somebody kept with the stored events."""

import csv
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice

from loopin_mcp.api.clock import moment
from loopin_mcp.api.database.rows import object_of
from loopin_mcp.api.database.steps import Archive, Steps
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.wire.fields import format_time

# How many heads one transaction looks up.
HEADS_AT_ONCE = 200


# An interruptId with the eventsHead that somebody kept.
Head = tuple[str, str]


@dataclass(frozen=True)
class Finding:
    """What is known of an interrupt's head: `text` is None if a stored event has it.

    A head without its event is a fault, unless the interrupt's deletion is recorded.
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
    for interrupt_id, events_head in heads:
        findings.append((yield from _finding(interrupt_id, events_head)))
    return findings


def _finding(interrupt_id: str, events_head: str) -> Steps[Finding]:
    params = {"id": interrupt_id, "hash": events_head}
    known = yield "SELECT 1 AS one FROM events WHERE interrupt_id = :id AND hash = :hash", params
    if known:
        return Finding(interrupt_id)
    deleted = yield "SELECT * FROM deletions WHERE interrupt_id = :id", params
    for row in deleted:
        at = format_time(moment(row["deleted_ms"]))
        was_last = "" if row["events_head"] == events_head else " with another eventsHead"
        return Finding(interrupt_id, f"was deleted by its age at {at}{was_last}")
    stored = yield "SELECT 1 AS one FROM interrupts WHERE interrupt_id = :id", params
    text = "it does not exist, and was not deleted by its age"
    if stored:
        text = f"none of its events has the hash {events_head}"
    return Finding(interrupt_id, text, is_fault=True)


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
    return interrupt_id, events_head
