"""Steps that create an interrupt, only once for an idempotency key."""

import json
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.audit.audit_keys import AuditKeys
from loopin_mcp.api.audit.digests import digest
from loopin_mcp.api.audit.replay import asked_of
from loopin_mcp.api.audit.trail import Fault, Trail, locked_trail, tampered
from loopin_mcp.api.clock import text_of
from loopin_mcp.api.database.steps import Row, Steps, Value
from loopin_mcp.api.store.approvals import answers, cover, covering
from loopin_mcp.api.store.outbox import NO_CHANNELS, ChannelDigests, owe_notifications
from loopin_mcp.api.store.search import searched_text
from loopin_mcp.errors import ConflictError, RateLimitedError, UnprocessableError
from loopin_mcp.wire.fields import JSONObject
from loopin_mcp.wire.models import NewInterrupt

MOST_PENDING = 1000
# A guess, since nobody knows when somebody decides.
RETRY_AFTER_S = 60
KEY_LIFE_MS = 24 * 3600 * 1000
# Indexes hold types of actions, and PostgreSQL's take no long texts.
LONGEST_TYPE = 300

_INSERT = """
    INSERT INTO interrupts (interrupt_id, agent_id, user_id, action, action_type, context,
        urgency, status, created_ms, expires_ms, callback_url, search_text,
        payload_digest, call, use_within, editable, options, event_count, events_head, traceparent)
    VALUES (:interrupt_id, :agent_id, :user_id, :action, :action_type, :context,
        :urgency, 'pending', :created_ms, :expires_ms, :callback_url, :search_text,
        :payload_digest, :call, :use_within, :editable, :options, :event_count, :events_head,
        :traceparent)
    """
# The columns whose JSON the first event has, too.
_AS_JSON = ("call", "editable", "options")
_KEPT = """
    SELECT kept.interrupt_id AS interrupt_id, fingerprint,
        CASE WHEN interrupts.interrupt_id IS NULL THEN 0 ELSE kept.created_ms END AS kept_ms
    FROM idempotency_keys AS kept LEFT JOIN interrupts USING (interrupt_id)
    WHERE owner = :owner AND idempotency_key = :text
    """
# Another process may have replaced it meanwhile.
_FORGET = """
    DELETE FROM idempotency_keys
    WHERE owner = :owner AND idempotency_key = :text AND interrupt_id = :interrupt_id
    """
_KEEP = """
    INSERT INTO idempotency_keys VALUES (:owner, :text, :fingerprint, :interrupt_id, :now)
    """

# Matching takes time linear in the length of the action: no alternative has nested repetition.
_MASKED = re.compile(
    r"""
    # Only skips words quickly: nothing masked begins within one.
    (?P<word> [A-Z]?[a-z]+ (?=\s|\Z) )
  | (?P<email> [\w.+-]{1,64} @ [\w-]{1,63} (?:\.[\w-]{1,63}){1,8} )
  | (?P<name> "[^"\n]{1,200}" | “[^”\n]{1,200}” | «[^»\n]{1,200}» | `[^`\n]{1,200}`
        | (?<!\w) ' [^'\n]{1,200} ' (?!\w) | (?<!\w) ‘ [^’\n]{1,200} ’ (?!\w) )
  | (?P<amount> (?<!\w) (?: [A-Z]{0,3} [$€£¥₹₩₽₺₿] | (?:USD|EUR|GBP|JPY|CHF|CNY|INR) ) \s?
        \d[\d.,']{0,30} \w? (?!\w)
      | (?<![\w.]) \d[\d.,']{0,30} \s? (?: [$€£¥₹₩₽₺₿%] | (?:USD|EUR|GBP|JPY|CHF|CNY|INR)\b ) )
  | (?P<number> (?<![\w#-]) [+-]? \d+ (?: [.,:/]\d+ )* (?![\w-]) )
  | (?P<id> \#? (?=[\w-]{0,64}\d) \w+ (?: [.-]\w+ )* )
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class IdempotencyKey:
    """An Idempotency-Key of one caller (draft-ietf-httpapi-idempotency-key-header)."""

    owner: str
    text: str = field(repr=False)

    @property
    def digest(self) -> str:
        """What the audit trail has of it."""
        return digest([self.owner, self.text])

    def params(self, now: int) -> dict[str, Value]:
        """The parameters of statements about this key at `now`."""
        return {"owner": self.owner, "text": self.text, "now": now}


class KeysInFlight:
    """The keys of requests that this process works on."""

    def __init__(self) -> None:
        self._keys: set[IdempotencyKey] = set()

    @contextmanager
    def only(self, key: IdempotencyKey) -> Iterator[None]:
        """Work on the only request with this key.

        Raises:
            ConflictError: Another one is still in progress.
        """
        if key in self._keys:
            raise ConflictError(
                "A request with this Idempotency-Key is still in progress", retry_after_s=1
            )
        self._keys.add(key)
        try:
            yield
        finally:
            self._keys.discard(key)


@dataclass(frozen=True)
class Creation:
    """Steps that store an interrupt at `now`, with its notifications to `channels`."""

    keys: AuditKeys
    interrupt: NewInterrupt
    now: int
    actor: Actor
    channels: ChannelDigests = NO_CHANNELS

    def create(self, key: IdempotencyKey | None = None) -> Steps[Row]:
        """Store it under a new random id; see `Store.create_interrupt` for errors."""
        asked = asked_of(self.interrupt)
        row = self._row(asked)
        detail = {**asked, "expiresAt": text_of(row["expires_ms"])}
        if key:
            detail["idempotencyDigest"] = key.digest
        row |= yield from Trail(self.keys, row, ()).add("created", self.now, self.actor, detail)
        yield _INSERT, row
        # On PostgreSQL a trigger of the insert locks the user: concurrent creates are counted.
        yield from _refuse_too_many(self.interrupt.user_id, self.now)
        yield from owe_notifications(row, self.channels, self.now)
        return row

    def create_once(self, key: IdempotencyKey) -> Steps[tuple[Row, bool]]:
        """Store it, or find the one that was stored for this key within a day.

        Returns its row, and whether it existed before. See `Store.create_interrupt_once` for
        errors.
        """
        rows = yield _KEPT, key.params(self.now)
        if earlier := self._current(rows):
            if earlier["fingerprint"] != self._fingerprint:
                raise UnprocessableError(
                    "Idempotency-Key was used before with another payload: a new interrupt needs "
                    "a new key"
                )
            return (yield from self._replayed(earlier["interrupt_id"], key)), True
        row = yield from self.create(key)
        yield from self._keep(key, rows, row)
        return row, False

    def create_for_call(self, count: Callable[[], None]) -> Steps[tuple[Row, bool]]:
        """Find the interrupt that answers its call or waits for it, or store it.

        Returns its row, and whether it existed before. If a standing approval covers the call, the
        new one is approved at once. Otherwise `count` may refuse it.
        """
        assert self.interrupt.call is not None
        # No header can contain the line break.
        key = IdempotencyKey(self.actor.name, f"call\n{self.interrupt.call.digest}")
        rows = yield _KEPT, key.params(self.now)
        earlier = self._current(rows)
        if earlier and earlier["fingerprint"] == self._fingerprint:
            row = yield from self._replayed(earlier["interrupt_id"], key)
            if answers(row, self.now):
                return row, True
        standing = yield from covering(self.keys, self.interrupt, self.now)
        if standing is None:
            count()
        row = yield from (replace(self, channels=NO_CHANNELS) if standing else self).create(key)
        yield from self._keep(key, rows, row)
        if standing:
            row = yield from cover(self.keys, row, standing, self.now)
        return row, False

    def _row(self, asked: JSONObject) -> dict[str, Value]:
        new = self.interrupt
        return {
            "interrupt_id": str(uuid.uuid4()),
            "agent_id": new.agent_id,
            "user_id": new.user_id,
            "action": new.action,
            "action_type": action_type(new.action),
            "context": json.dumps(new.context),
            "urgency": new.urgency,
            "created_ms": self.now,
            "expires_ms": self.now + new.expires_in * 1000,
            "callback_url": new.callback_url,
            "search_text": searched_text(new),
            "payload_digest": str(asked["payloadDigest"]),
            "use_within": new.use_within,
            "traceparent": self.actor.trace.parent if self.actor.trace else None,
            **{name: json.dumps(asked[name]) if name in asked else None for name in _AS_JSON},
        }

    @property
    def _fingerprint(self) -> str:
        return digest(self.interrupt.model_dump(mode="json", by_alias=True))

    def _current(self, rows: Sequence[Row]) -> Row | None:
        """The interrupt that was created for a key within a day, or None."""
        since_ms = self.now - KEY_LIFE_MS
        return next((row for row in rows if int(row["kept_ms"] or 0) > since_ms), None)

    def _keep(self, key: IdempotencyKey, earlier: Sequence[Row], row: Row) -> Steps[None]:
        """Keep a key for the interrupt in `row`, in place of the `earlier` one that was found."""
        params = key.params(self.now)
        for each in earlier:
            yield _FORGET, {**params, "interrupt_id": each["interrupt_id"]}
        kept = {"fingerprint": self._fingerprint, "interrupt_id": row["interrupt_id"]}
        yield _KEEP, {**params, **kept}

    def _replayed(self, interrupt_id: Value, key: IdempotencyKey) -> Steps[Row]:
        """The row of the interrupt that was created for a key, and asks the same.

        Raises:
            TamperedError: It was not created for that key, asks something else, or was changed.
        """
        trail = yield from locked_trail(self.keys, str(interrupt_id), self.now)
        assert trail is not None
        trail.require_whole()
        # The stored key and fingerprint prove nothing: they can be edited in the database.
        asked = {**asked_of(self.interrupt), "idempotencyDigest": key.digest}
        if not asked.items() <= trail.events[0].detail.items():
            fault = Fault("it was created for another Idempotency-Key or payload")
            raise tampered(interrupt_id, fault)
        return trail.row


def _refuse_too_many(user_id: str, now: int) -> Steps[None]:
    """Refuse the interrupt just stored if its user has too many pending ones now."""
    [found] = yield (
        """
        SELECT COUNT(*) AS count FROM (SELECT 1 AS one FROM interrupts WHERE user_id = :user_id
            AND status = 'pending' AND expires_ms > :now LIMIT :most) AS waiting
        """,
        {"user_id": user_id, "now": now, "most": MOST_PENDING + 1},
    )
    if int(found["count"] or 0) > MOST_PENDING:
        raise RateLimitedError(
            f"userId has {MOST_PENDING} pending interrupts, the maximum: have some decided "
            "or cancelled first",
            retry_after_s=RETRY_AFTER_S,
        )


def action_type(action: str) -> str:
    """The action with amounts, numbers, ids, e-mail addresses and quoted names masked.

    A long one is cut.

    >>> action_type("Transfer $4,200 to vendor account ending in 9821")
    'Transfer <amount> to vendor account ending in <number>'
    """
    masked = _MASKED.sub(_mask_of, action)
    return masked if len(masked) <= LONGEST_TYPE else f"{masked[: LONGEST_TYPE - 1]}…"


def _mask_of(match: re.Match[str]) -> str:
    return match[0] if match.lastgroup == "word" else f"<{match.lastgroup}>"
