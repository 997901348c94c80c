"""What ends when an earlier state of a database is put back.

Since then, somebody may have decided what is pending in it, and used its approvals. None of them
may count again.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial

from loopin_mcp.api.access.actors import SYSTEM
from loopin_mcp.api.audit.audit_keys import NO_KEYS, AuditKeys
from loopin_mcp.api.audit.events import RESTORED
from loopin_mcp.api.audit.trail import Trail, locked_trail
from loopin_mcp.api.database.rows import short_id
from loopin_mcp.api.database.steps import Database, Steps, execute
from loopin_mcp.api.store.approvals import is_late
from loopin_mcp.api.store.outcomes import settle, whole
from loopin_mcp.errors import ConfigurationError, UnavailableError
from loopin_mcp.wire.fields import JSONObject

# How many interrupts one transaction changes.
CHANGED_AT_ONCE = 100

# Those that can be decided, used, or cover further calls, and those with a callback.
_IS_OPEN = """((status = 'pending' AND expires_ms > :now)
    OR (status = 'approved' AND (used_ms IS NULL OR standing_until_ms > :now))
    OR interrupt_id IN (SELECT interrupt_id FROM deliveries WHERE kind = 'callback'))
    """
_COUNT = f"SELECT COUNT(*) AS count FROM interrupts WHERE {_IS_OPEN}"  # noqa: S608 - a constant
_SOME = f"""
    SELECT interrupt_id FROM interrupts WHERE interrupt_id > :after AND {_IS_OPEN}
    ORDER BY interrupt_id LIMIT {CHANGED_AT_ONCE}
    """  # noqa: S608 - constants
_OWED = "SELECT tries FROM deliveries WHERE interrupt_id = :interrupt_id AND kind = 'callback'"
_FORGET = "DELETE FROM deliveries", "DELETE FROM sessions"
_WHY: JSONObject = {"reason": RESTORED}


async def end_what_is_open(
    database: Database, keys: AuditKeys, now: int, progress: Callable[[int, int], None]
) -> Counter[str]:
    """Cancel what is pending, count every approval as used, and send nothing that was still due.

    Returns how many of each there were. What was tampered with stays as it is: it is never
    acted on.

    Raises:
        ConfigurationError: Without other audit keys it is not known what was tampered with.
    """
    ended: Counter[str] = Counter()
    [found] = await database.read(_COUNT, now=now)
    after, done = "", 0
    while rows := await database.read(_SOME, now=now, after=after):
        some = [str(row["interrupt_id"]) for row in rows]
        ended += await database.transact(partial(_end_all, keys, some, now))
        after, done = some[-1], done + len(some)
        progress(done, int(found["count"] or 0))
    for statement in _FORGET:
        await execute(database, statement)
    return ended


def _end_all(keys: AuditKeys, interrupt_ids: list[str], now: int) -> Steps[Counter[str]]:
    ended: Counter[str] = Counter()
    for interrupt_id in interrupt_ids:
        trail = yield from _whole_trail(keys, interrupt_id, now)
        if trail is None:
            continue
        for end in (_cancel, _use, _end_standing, _give_up):
            if what := (yield from end(trail, now)):
                ended[what] += 1
                trail = yield from whole(trail.keys, interrupt_id, now)
    return ended


def _whole_trail(keys: AuditKeys, interrupt_id: str, now: int) -> Steps[Trail | None]:
    """The trail of an interrupt, with a key or without; None if it was tampered with or damaged.

    Raises:
        ConfigurationError: It was made with a key that is not among these.
    """
    unknown = ""
    for tried in (keys, NO_KEYS):
        trail = yield from locked_trail(tried, interrupt_id, now)
        try:
            fault = trail.fault() if trail else None
        except UnavailableError:
            return None
        if fault is None or fault.is_tampering:
            return None if fault else trail
        unknown = unknown or fault.text
    raise ConfigurationError(f"Interrupt {short_id(interrupt_id)} cannot be checked: {unknown}.")


def _cancel(trail: Trail, now: int) -> Steps[str | None]:
    if trail.row["status"] != "pending":
        return None
    yield from settle(trail, "cancelled", trail.not_before(now), SYSTEM, _WHY, status="cancelled")
    return "pending"


def _use(trail: Trail, now: int) -> Steps[str | None]:
    row, at_ms = trail.row, trail.not_before(now)
    if row["status"] != "approved" or row["used_ms"] is not None or is_late(row, at_ms):
        return None
    detail = {"payloadDigest": str(row["payload_digest"]), **_WHY}
    yield from trail.append("used", at_ms, SYSTEM, detail, used_ms=at_ms)
    return "approved"


def _end_standing(trail: Trail, now: int) -> Steps[str | None]:
    at_ms = trail.not_before(now)
    if int(trail.row["standing_until_ms"] or 0) <= at_ms:
        return None
    yield from trail.append("ended", at_ms, SYSTEM, _WHY, standing_until_ms=at_ms)
    return "standing"


def _give_up(trail: Trail, now: int) -> Steps[str | None]:
    owed = yield _OWED, {"interrupt_id": trail.row["interrupt_id"]}
    if not owed:
        return None
    detail: JSONObject = {"tries": owed[0]["tries"], **_WHY}
    yield from trail.append("callback-given-up", now, SYSTEM, detail)
    return "callback"
