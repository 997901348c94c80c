"""Approvals of tool calls: each is used once, and a standing one covers further calls."""

from functools import partial
from itertools import groupby

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.audit.audit_keys import AuditKeys
from loopin_mcp.api.audit.digests import payload_digest
from loopin_mcp.api.audit.replay import STATE
from loopin_mcp.api.audit.stored_trails import Trails
from loopin_mcp.api.audit.trail import Trail, locked_trail
from loopin_mcp.api.clock import Clock, moment, text_of
from loopin_mcp.api.database.rows import RowReader, object_of, refuse_damage
from loopin_mcp.api.database.steps import Database, Row, Steps, Value, listed
from loopin_mcp.api.store.outcomes import record, whole
from loopin_mcp.errors import ConflictError
from loopin_mcp.wire.models import Decision, NewInterrupt, Used
from loopin_mcp.wire.standing import CoveredCall, Ended, StandingApproval

CHANNEL = "standing-approval"
# How long the rejection of a call answers the same call.
REJECTED_MS = 10 * 60 * 1000
# How many of the interrupts that one covered are listed.
MOST_COVERED = 20

_STANDS = "standing IS NOT NULL AND standing_until_ms > :now"
_OF_USER = f"SELECT {STATE} FROM interrupts WHERE {_STANDS} AND user_id = :user_id"  # noqa: S608 - constants
_ALL = f"SELECT {STATE} FROM interrupts WHERE {_STANDS} ORDER BY standing_until_ms"  # noqa: S608 - constants


class Approvals:
    """The approvals in a database: their use, and for reviewers those that stand."""

    def __init__(
        self,
        database: Database,
        reader: RowReader,
        trails: Trails,
        clock: Clock,
        keys: AuditKeys,
    ) -> None:
        self._database = database
        self._reader = reader
        self._trails = trails
        self._clock = clock
        self._keys = keys

    async def use_approval(self, interrupt_id: str, actor: Actor) -> Used:
        """Use an approval; of two uses at once exactly one succeeds.

        Raises:
            NotFoundError: No interrupt has this id.
            ConflictError: It is not approved, or its approval was used or does not count any more.
            TamperedError: It was tampered with.
        """
        steps = partial(use, self._keys, interrupt_id, self._clock(), actor)
        row = await self._database.transact(steps)
        return Used(interrupt_id=interrupt_id, status="used", used_at=moment(row["used_ms"]))

    async def list_standing(self) -> tuple[StandingApproval, ...]:
        """All that stand, the next to end first, without those that were tampered with."""
        rows = await self._database.read(_ALL, now=self._clock())
        faults = await self._trails.faults(rows) if rows else {}
        rows = [row for row in rows if row["interrupt_id"] not in faults]
        covered = await self._covered(rows) if rows else {}
        return tuple(_standing(row, covered.get(row["interrupt_id"], [])) for row in rows)

    async def end_standing(self, interrupt_id: str, actor: Actor) -> Ended:
        """End a standing approval.

        Raises:
            NotFoundError: No interrupt has this id.
            ConflictError: Its approval does not stand.
            TamperedError: It was tampered with.
        """
        await self._database.transact(partial(_end, self._keys, interrupt_id, self._clock(), actor))
        return Ended(interrupt_id=interrupt_id, status="ended")

    async def _covered(self, rows: list[Row]) -> dict[Value, list[CoveredCall]]:
        """By standing approval, the calls that it covered, newest first."""
        among, ids = listed("id", (str(row["interrupt_id"]) for row in rows))
        found = await self._database.read(
            f"""
            SELECT covered_by, interrupt_id, action, created_ms, used_ms FROM interrupts
            WHERE covered_by IN ({among}) ORDER BY covered_by, ordinal DESC
            """,  # noqa: S608 - names made here
            **ids,
        )
        groups = groupby(found, key=lambda row: row["covered_by"])
        return {by: self._reader.undamaged(group, _covered_call) for by, group in groups}


def covering(keys: AuditKeys, interrupt: NewInterrupt, now: int) -> Steps[Trail | None]:
    """A standing approval that covers a call, locked until this transaction ends, or None."""
    if interrupt.urgency == "high":
        return None
    rows = yield _OF_USER, {"user_id": interrupt.user_id, "now": now}
    found = next((row for row in rows if _covers(row, interrupt)), None)
    if found is None:
        return None
    trail = yield from locked_trail(keys, str(found["interrupt_id"]), now)
    # It may have ended meanwhile; then a human is asked.
    return trail if trail and _stands(trail, now) and _covers(trail.row, interrupt) else None


def cover(keys: AuditKeys, new: Row, standing: Trail, now: int) -> Steps[Row]:
    """Approve an interrupt that was just created, since a standing approval covers it."""
    trail = yield from whole(keys, str(new["interrupt_id"]), now)
    grantor = Actor(str(standing.row["decided_by"]), CHANNEL)
    terms = {"covered_by": standing.row["interrupt_id"]}
    return (yield from record(trail, Decision(decision="approved"), now, grantor, terms))


def use(keys: AuditKeys, interrupt_id: str, now: int, actor: Actor) -> Steps[Row]:
    """Use an approval, which nobody can do again; see `Approvals.use_approval` for errors."""
    trail = yield from whole(keys, interrupt_id, now)
    row, at_ms = trail.row, trail.not_before(now)
    if row["status"] != "approved":
        raise ConflictError(f"Interrupt is {row['status']}, not approved: do not act")
    if row["used_ms"] is not None:
        raise ConflictError(f"Its approval was used at {text_of(row['used_ms'])}: ask again")
    if is_late(row, at_ms):
        raise ConflictError(f"Its approval could be used for {row['use_within']} s: ask again")
    if row["covered_by"] is not None:
        standing = yield from locked_trail(keys, str(row["covered_by"]), now)
        if standing is None or not _stands(standing, now):
            raise ConflictError("The standing approval that covered this has ended: ask again")
    detail = {"payloadDigest": str(row["payload_digest"])}
    return (yield from trail.append("used", at_ms, actor, detail, used_ms=at_ms))


def answers(row: Row, now: int) -> bool:
    """Whether an interrupt about a call answers the same call, or waits for its answer."""
    if row["status"] == "rejected":
        return now - int(row["decided_ms"] or 0) < REJECTED_MS
    is_unused = row["used_ms"] is None and not is_late(row, now)
    return row["status"] == "pending" or (row["status"] == "approved" and is_unused)


def is_late(row: Row, now: int) -> bool:
    """Whether an approval was given too long ago to be used."""
    if row["use_within"] is None:
        return False
    return now > int(row["decided_ms"] or 0) + int(row["use_within"]) * 1000


def _stands(trail: Trail, now: int) -> bool:
    """Whether an approval stands.

    Raises:
        TamperedError: It was tampered with.
    """
    trail.require_whole()
    # What has ended stays ended if the clock is set back.
    at_ms = trail.not_before(now)
    return trail.row["standing"] is not None and at_ms < int(trail.row["standing_until_ms"] or 0)


def _covers(row: Row, interrupt: NewInterrupt) -> bool:
    """Whether a standing approval covers a call, by its tool and session, or as the very same.

    Raises:
        UnavailableError: Its row is damaged.
    """
    assert interrupt.call is not None
    with refuse_damage(row):
        approved, call = object_of(row["call"]), interrupt.call
    if (approved["session"], approved["tool"]) != (call.session, call.tool):
        return False
    # The one who asks chooses the digest of the call; the other one is of what the human saw.
    digests = approved["digest"], row["payload_digest"]
    return row["standing"] == "tool" or digests == (call.digest, payload_digest(interrupt))


def _end(keys: AuditKeys, interrupt_id: str, now: int, actor: Actor) -> Steps[None]:
    trail = yield from whole(keys, interrupt_id, now)
    at_ms = trail.not_before(now)
    if not _stands(trail, now):
        raise ConflictError("This is not a standing approval, or it has ended: nothing was changed")
    yield from trail.append("ended", at_ms, actor, {}, standing_until_ms=at_ms)


def _covered_call(row: Row) -> CoveredCall:
    used_at = None if row["used_ms"] is None else moment(row["used_ms"])
    at = moment(row["created_ms"])
    return CoveredCall.model_validate({**row, "at": at, "used_at": used_at})


def _standing(row: Row, covered: list[CoveredCall]) -> StandingApproval:
    call = object_of(row["call"])
    return StandingApproval.model_validate(
        {
            **row,
            "scope": row["standing"],
            "session": call["session"],
            "tool": call["tool"],
            "granted_by": row["decided_by"],
            "granted_at": moment(row["decided_ms"]),
            "until": moment(row["standing_until_ms"]),
            "count": len(covered),
            "covered": covered[:MOST_COVERED],
        }
    )
