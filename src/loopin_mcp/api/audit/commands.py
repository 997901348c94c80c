"""Verifies and exports the audit trails of a whole database, which an API may be using."""

import json
from collections.abc import Callable, Iterable
from functools import partial

from pydantic_core import to_json

from loopin_mcp.api.audit.kept_heads import compare_heads, read_heads
from loopin_mcp.api.audit.records import Record, name_of, records
from loopin_mcp.api.clock import moment
from loopin_mcp.api.database.rows import interrupt_of, refuse_damage
from loopin_mcp.api.database.steps import Archive, single
from loopin_mcp.errors import UnavailableError
from loopin_mcp.wire.fields import format_time

# How many interrupts are read between two lines about the progress.
PROGRESS = 10_000
# How many deletions are in memory at a time.
DELETIONS_AT_ONCE = 1000

_BY_DAY = """
    SELECT deleted_ms - deleted_ms % 86400000 AS day_ms, COUNT(*) AS count FROM deletions
    GROUP BY deleted_ms - deleted_ms % 86400000 ORDER BY day_ms
    """
_NOT_DELETED = f"""
    SELECT interrupt_id FROM deletions JOIN interrupts USING (interrupt_id)
    ORDER BY interrupt_id LIMIT {DELETIONS_AT_ONCE}
    """  # noqa: S608 - a constant
_DELETED = f"""
    SELECT * FROM deletions WHERE interrupt_id > :after ORDER BY interrupt_id
    LIMIT {DELETIONS_AT_ONCE}
    """  # noqa: S608 - a constant

Say = Callable[[str], None]


async def verify(archive: Archive, heads: Iterable[str] | None, say: Say, progress: Say) -> bool:
    """Report the tampering found in each interrupt; returns whether there is none.

    `heads` are the lines of a file of kept heads, for `read_heads`.

    Raises:
        ConfigurationError: A line of `heads` has none.
        UnavailableError: The database cannot be read.
    """
    is_whole = await _verify_records(archive, say, progress)
    for row in await archive.transact(partial(single, _NOT_DELETED, {})):
        say(f"{name_of(row['interrupt_id'])}: it exists, but is recorded as deleted by its age.")
        is_whole = False
    for day in await archive.transact(partial(single, _BY_DAY, {})):
        say(f"{format_time(moment(day['day_ms']))[:10]}: {day['count']:,} deleted by their age.")
    return (heads is None or await _verify_heads(archive, heads, say)) and is_whole


async def export(archive: Archive, say: Say, progress: Say) -> bool:
    """Say a line of JSON for every interrupt with its events, and for every deletion by age.

    Each has its `eventsHead`, so that it can be verified later. Unreadable interrupts are reported
    by `progress`. Returns whether there were none.

    Raises:
        UnavailableError: The database cannot be read.
    """
    unreadable = count = 0
    async for record in records(archive):
        try:
            say(_line(record))
        except UnavailableError:
            unreadable += 1
            progress(f"{name_of(record.interrupt_id)}: its stored data cannot be read.")
        count += 1
        if count % PROGRESS == 0:
            progress(f"{count:,} interrupts exported.")
    after = ""
    while deleted := await archive.transact(partial(single, _DELETED, {"after": after})):
        for row in deleted:
            after = str(row["interrupt_id"])
            at, head = format_time(moment(row["deleted_ms"])), row["events_head"]
            say(json.dumps({"interruptId": after, "deletedAt": at, "eventsHead": head}))
    return not unreadable


async def _verify_records(archive: Archive, say: Say, progress: Say) -> bool:
    interrupts = events = faulty = 0
    async for record in records(archive):
        interrupts += 1
        events += len(record.event_rows)
        faults = record.faults()
        faulty += bool(faults)
        for fault in faults:
            say(f"{name_of(record.interrupt_id)}: {fault}.")
        if interrupts % PROGRESS == 0:
            progress(f"{interrupts:,} interrupts checked.")
    tampered = _counted(faulty, "interrupt")
    found = f"tampering found in {tampered}" if faulty else "no tampering found"
    say(f"Checked {_counted(interrupts, 'interrupt')} and {_counted(events, 'event')}: {found}.")
    return not faulty


async def _verify_heads(archive: Archive, heads: Iterable[str], say: Say) -> bool:
    lost = count = 0
    async for finding in compare_heads(archive, read_heads(heads)):
        count += 1
        lost += finding.is_fault
        if finding.text:
            say(f"{finding.interrupt_id}: {finding.text}.")
    say(f"Checked {_counted(count, 'kept head')}: {f'{lost:,}' if lost else 'none'} missing.")
    return not lost


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _line(record: Record) -> str:
    """An interrupt with the fields of its status answer, and its events.

    Raises:
        UnavailableError: They are damaged.
    """
    events = [event.model_dump(mode="json", by_alias=True) for event in record.events()]
    if record.row is None:
        interrupt = {"interruptId": record.interrupt_id, "eventsHead": events[-1]["hash"]}
    else:
        # The public URL is not known here.
        left_out = {"review_url"}
        model = interrupt_of(record.row, "")
        interrupt = model.model_dump(mode="json", by_alias=True, exclude=left_out)
    line = {**interrupt, "events": events}
    with refuse_damage(record.row or record.event_rows[0]):
        # Unlike json.dumps, this fails at text that is not valid Unicode.
        to_json(line)
    return json.dumps(line)
