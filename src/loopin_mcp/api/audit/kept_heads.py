"""Compares heads of trails that somebody kept with the stored events."""

import csv
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice

from loopin_mcp.api.clock import moment
from loopin_mcp.api.database.read_only import Archive
from loopin_mcp.api.database.rows import object_of
from loopin_mcp.api.database.steps import Steps
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.wire.fields import format_time

# How many heads one transaction looks up.
HEADS_AT_ONCE = 200


@dataclass(frozen=True)
class Head:
    """The eventsHead of an interrupt, as somebody kept it."""

    interrupt_id: str
    events_head: str


@dataclass(frozen=True)
class Finding:
    """What is known of a head that no stored event has; a fault unless its deletion is recorded."""

    head: Head
    text: str
    is_fault: bool


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
            "both in each line, or CSV whose first line names them, in UTF-8."
        ) from error
    if number == 1:
        raise ConfigurationError("There are no heads in what was given, so they show nothing.")


async def compare_heads(archive: Archive, heads: Iterable[Head]) -> AsyncIterator[Finding]:
    """The findings about those heads that are not the hash of a stored event."""
    unread = iter(heads)
    while portion := list(islice(unread, HEADS_AT_ONCE)):
        for finding in await archive.transact(partial(_compare, portion)):
            yield finding


def _compare(heads: Iterable[Head]) -> Steps[list[Finding]]:
    findings = []
    for head in heads:
        finding = yield from _finding(head)
        if finding is not None:
            findings.append(finding)
    return findings


def _finding(head: Head) -> Steps[Finding | None]:
    named = {"interrupt_id": head.interrupt_id}
    known = yield (
        "SELECT 1 AS one FROM events WHERE interrupt_id = :interrupt_id AND hash = :hash",
        {**named, "hash": head.events_head},
    )
    if known:
        return None
    deleted = yield "SELECT * FROM deletions WHERE interrupt_id = :interrupt_id", named
    if deleted:
        [row] = deleted
        at = format_time(moment(row["deleted_ms"]))
        was_last = "" if row["events_head"] == head.events_head else " with another eventsHead"
        return Finding(head, f"was deleted by its age at {at}{was_last}", is_fault=False)
    stored = yield "SELECT 1 AS one FROM interrupts WHERE interrupt_id = :interrupt_id", named
    if stored:
        return Finding(head, f"none of its events has the hash {head.events_head}", is_fault=True)
    return Finding(head, "it is not there, and was not deleted by its age", is_fault=True)


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
    return Head(interrupt_id, events_head)
