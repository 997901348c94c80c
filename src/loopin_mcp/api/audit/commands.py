"""Verifies and exports the audit trails of a whole database, which an API may be using."""

import json
from collections import Counter
from collections.abc import Callable, Iterable

from pydantic_core import to_json

from loopin_mcp.api.audit.audit_keys import AuditKeys
from loopin_mcp.api.audit.deletions import deletion_of, deletions, is_proven
from loopin_mcp.api.audit.kept_heads import compare_heads, read_heads
from loopin_mcp.api.audit.records import Record, records
from loopin_mcp.api.audit.tallies import MOST_NAMED, wrong_figures
from loopin_mcp.api.database.rows import fields_of, refuse_damage
from loopin_mcp.api.database.steps import Archive
from loopin_mcp.errors import UnavailableError
from loopin_mcp.wire.plain_text import counted

REMEDY = "they need LOOPIN_AUDIT_KEY, or the API's key, as it was when they were made"
# How many interrupts are read between two lines about the progress.
PROGRESS = 10_000

Say = Callable[[str], None]


async def verify(
    archive: Archive, keys: AuditKeys, heads: Iterable[str] | None, say: Say, progress: Say
) -> bool:
    """Report each interrupt that cannot be trusted; returns whether there is none.

    `heads` are the lines of a file of kept heads, for `read_heads`.

    Raises:
        ConfigurationError: A line of `heads` has none.
        UnavailableError: The database cannot be read.
    """
    say, progress = _escaping(say), _escaping(progress)
    is_whole = await _verify_records(archive, keys, say, progress)
    is_whole &= await _verify_deletions(archive, keys, say)
    is_whole &= await _verify_tallies(archive, say)
    return (heads is None or await _verify_heads(archive, heads, say)) and is_whole


async def export(archive: Archive, keys: AuditKeys, say: Say, progress: Say) -> bool:
    """Say a line of JSON for every interrupt with its events, and for every deletion by age.

    Each has its `eventsHead`, so that it can be verified later. `progress` says which interrupts
    are unreadable, and how many were made with other keys. Returns whether all are readable.

    Raises:
        UnavailableError: The database cannot be read.
    """
    progress = _escaping(progress)
    unreadable = unchecked = count = 0
    async for record in records(archive):
        try:
            say(_line(record))
            unchecked += record.is_of_other_keys(keys)
        except UnavailableError:
            unreadable += 1
            progress(f"{record.shown_id}: its stored data cannot be read.")
        count += 1
        if count % PROGRESS == 0:
            progress(f"{count:,} interrupts exported.")
    async for row in deletions(archive):
        try:
            say(_json(deletion_of(row)))
        except UnavailableError:
            unreadable += 1
            progress(f"{row['interrupt_id']}: the record of its deletion cannot be read.")
    if unchecked:
        progress(f"The hashes of {counted(unchecked, 'interrupt')} cannot be checked: {REMEDY}.")
    return not unreadable


async def _verify_records(archive: Archive, keys: AuditKeys, say: Say, progress: Say) -> bool:
    interrupts = events = faulty = unchecked = 0
    async for record in records(archive):
        interrupts += 1
        events += len(record.event_rows)
        faults = record.faults(keys)
        is_tampered = any(fault.is_tampering for fault in faults)
        faulty += is_tampered
        unchecked += bool(faults) and not is_tampered
        for fault in faults:
            # Without a key, nothing can be checked with one.
            if fault.is_tampering or keys.key_id:
                say(f"{record.shown_id}: {fault.text}.")
        if interrupts % PROGRESS == 0:
            progress(f"{interrupts:,} interrupts checked.")
    tampered = counted(faulty, "interrupt")
    found = f"tampering found in {tampered}" if faulty else "no tampering found"
    if unchecked:
        found += f"; the hashes of {counted(unchecked, 'interrupt')} cannot be checked: {REMEDY}"
    say(f"Checked {counted(interrupts, 'interrupt')} and {counted(events, 'event')}: {found}.")
    return not faulty and not unchecked


async def _verify_deletions(archive: Archive, keys: AuditKeys, say: Say) -> bool:
    by_day, existing, unchecked = Counter[str](), 0, 0
    async for row in deletions(archive):
        if row["exists_still"]:
            existing += 1
            say(f"{row['interrupt_id']}: it exists, but is recorded as deleted by its age.")
        elif is_proven(keys, row):
            by_day[str(deletion_of(row)["deletedAt"])[:10]] += 1
        else:
            unchecked += 1
            # Without a key, nothing can be checked with one.
            if keys.key_id:
                say(f"{row['interrupt_id']}: its deletion was not recorded with a key set here.")
    for day in sorted(by_day):
        say(f"{day}: {by_day[day]:,} deleted by their age.")
    if unchecked:
        say(f"The records of {counted(unchecked, 'deletion')} cannot be checked: {REMEDY}.")
    return not existing and not unchecked


async def _verify_tallies(archive: Archive, say: Say) -> bool:
    wrong = await wrong_figures(archive)
    for user_id, figure in wrong[:MOST_NAMED]:
        whose = f"User {user_id}" if user_id else "All users"
        say(f"{whose}: the figures by {figure} do not match the interrupts.")
    if len(wrong) > MOST_NAMED:
        say("There are more figures that do not match.")
    return not wrong


async def _verify_heads(archive: Archive, heads: Iterable[str], say: Say) -> bool:
    lost = count = 0
    async for finding in compare_heads(archive, read_heads(heads)):
        count += 1
        lost += finding.is_fault
        if finding.text:
            say(f"{finding.interrupt_id}: {finding.text}.")
    say(f"Checked {counted(count, 'kept head')}: {f'{lost:,}' if lost else 'none'} missing.")
    return not lost


def _escaping(say: Say) -> Say:
    """Say lines in printable ASCII: what is checked may hold codes that control a terminal."""
    return lambda line: say(line.encode("unicode_escape").decode("ascii"))


def _line(record: Record) -> str:
    """An interrupt with the fields of its status answer, and its events.

    Raises:
        UnavailableError: They are damaged.
    """
    events = [event.model_dump(mode="json", by_alias=True) for event in record.events()]
    if record.row is None:
        interrupt = {"interruptId": record.interrupt_id, "eventsHead": events[-1]["hash"]}
    else:
        interrupt = fields_of(record.row)
    shown = {"interruptId": record.shown_id}
    line = {**interrupt, **shown, "events": [event | shown for event in events]}
    with refuse_damage(record.row or record.event_rows[0]):
        # Unlike json.dumps, this fails at text that is not valid Unicode.
        to_json(line)
    return _json(line)


def _json(value: object) -> str:
    """The JSON of a value in printable ASCII."""
    return json.dumps(value).replace("\x7f", "\\u007f")
