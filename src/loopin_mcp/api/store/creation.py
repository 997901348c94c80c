"""Steps that create an interrupt, only once for an idempotency key."""

import json
import re
import uuid
from dataclasses import dataclass, field

from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.audit.audit_keys import AuditKeys
from loopin_mcp.api.audit.digests import digest
from loopin_mcp.api.audit.replay import STATE, asked_of
from loopin_mcp.api.audit.trail import Fault, Trail, locked_row, tampered, trail_of
from loopin_mcp.api.clock import moment
from loopin_mcp.api.database.steps import Row, Steps, Value
from loopin_mcp.api.store.deliveries import owe_notification
from loopin_mcp.api.store.search import searched_text
from loopin_mcp.errors import RateLimitedError, UnprocessableError
from loopin_mcp.wire.fields import format_time
from loopin_mcp.wire.models import NewInterrupt

MOST_PENDING = 1000
# A guess, since nobody knows when somebody decides.
RETRY_AFTER_S = 60
KEY_LIFE_MS = 24 * 3600 * 1000

_INSERT = f"""
    INSERT INTO interrupts (interrupt_id, agent_id, user_id, action, action_type, context,
        urgency, status, created_ms, expires_ms, callback_url, search_text,
        payload_digest)
    VALUES (:interrupt_id, :agent_id, :user_id, :action, :action_type, :context,
        :urgency, 'pending', :now, :expires_ms, :callback_url, :search_text,
        :payload_digest)
    RETURNING {STATE}
    """  # noqa: S608 - only constants
_FORGET_EXPIRED_KEY = """
    DELETE FROM idempotency_keys
    WHERE owner = :owner AND idempotency_key = :text AND created_ms <= :since
    """
_EARLIER = """
    SELECT interrupt_id, fingerprint FROM idempotency_keys JOIN interrupts USING (interrupt_id)
    WHERE owner = :owner AND idempotency_key = :text AND idempotency_keys.created_ms > :since
    """
_KEEP_KEY = """
    INSERT INTO idempotency_keys VALUES (:owner, :text, :fingerprint, :interrupt_id, :now)
    """

# Matching takes time linear in the length of the action: no alternative has nested repetition.
_MASKED = re.compile(
    r"""
    (?P<email> [\w.+-]{1,64} @ [\w-]{1,63} (?:\.[\w-]{1,63}){1,8} )
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
        return {"owner": self.owner, "text": self.text, "since": now - KEY_LIFE_MS, "now": now}


def create(
    keys: AuditKeys,
    interrupt: NewInterrupt,
    now: int,
    actor: Actor,
    key: IdempotencyKey | None = None,
) -> Steps[Row]:
    """Store an interrupt under a new random id; see `Store.create_interrupt` for errors."""
    asked = asked_of(interrupt, interrupt.callback_url)
    expires_ms = now + interrupt.expires_in * 1000
    [row] = yield (
        _INSERT,
        {
            "interrupt_id": str(uuid.uuid4()),
            "agent_id": interrupt.agent_id,
            "user_id": interrupt.user_id,
            "action": interrupt.action,
            "action_type": action_type(interrupt.action),
            "context": json.dumps(interrupt.context),
            "urgency": interrupt.urgency,
            "now": now,
            "expires_ms": expires_ms,
            "callback_url": interrupt.callback_url,
            "search_text": searched_text(interrupt),
            "payload_digest": str(asked["payloadDigest"]),
        },
    )
    # A trigger of the insert locks the user on PostgreSQL, so that concurrent creates are counted.
    yield from _refuse_too_many(interrupt.user_id, now)
    yield owe_notification(row, now)
    detail = {**asked, "expiresAt": format_time(moment(expires_ms))}
    if key:
        detail["idempotencyDigest"] = key.digest
    return (yield from Trail(keys, row, ()).append("created", now, actor, detail))


def create_once(
    keys: AuditKeys, interrupt: NewInterrupt, now: int, actor: Actor, key: IdempotencyKey
) -> Steps[tuple[Row, bool]]:
    """Store an interrupt, or find the one that was stored for this key within a day.

    Returns its row, and whether it existed before. See `Store.create_interrupt_once` for errors.
    """
    fingerprint = digest(interrupt.model_dump(mode="json", by_alias=True))
    rows = yield _EARLIER, key.params(now)
    if rows:
        if rows[0]["fingerprint"] != fingerprint:
            raise UnprocessableError(
                "Idempotency-Key was used before with another payload: a new interrupt needs a "
                "new key"
            )
        return (yield from _replayed(keys, rows[0]["interrupt_id"], interrupt, now, key)), True
    yield _FORGET_EXPIRED_KEY, key.params(now)
    row = yield from create(keys, interrupt, now, actor, key)
    kept = {"fingerprint": fingerprint, "interrupt_id": row["interrupt_id"]}
    yield _KEEP_KEY, {**key.params(now), **kept}
    return row, False


def _replayed(
    keys: AuditKeys, interrupt_id: Value, interrupt: NewInterrupt, now: int, key: IdempotencyKey
) -> Steps[Row]:
    """The row of the interrupt that was created for a key, and asks the same.

    Raises:
        TamperedError: It was not created for that key, asks something else, or was changed.
    """
    row = yield from locked_row(str(interrupt_id), now)
    assert row is not None
    trail = yield from trail_of(keys, row)
    trail.require_whole()
    # The stored key and fingerprint prove nothing: they can be edited in the database.
    asked = {**asked_of(interrupt, interrupt.callback_url), "idempotencyDigest": key.digest}
    if not asked.items() <= trail.events[0].detail.items():
        fault = Fault("it was created for another Idempotency-Key or payload")
        raise tampered(interrupt_id, fault)
    return row


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

    >>> action_type("Transfer $4,200 to vendor account ending in 9821")
    'Transfer <amount> to vendor account ending in <number>'
    """
    return _MASKED.sub(lambda match: f"<{match.lastgroup}>", action)
