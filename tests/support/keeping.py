"""A database with every kind of row, and commands that copy it."""

from dataclasses import dataclass, field
from pathlib import Path

import anyio

from loopin_mcp.api.access.sessions import SessionRow
from loopin_mcp.api.audit.audit_keys import AuditKeys
from loopin_mcp.api.clock import DAY_MS, epoch_ms
from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.store.browsers.devices import DeviceRow
from loopin_mcp.api.store.creation import IdempotencyKey
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.outbox import ChannelDigests
from loopin_mcp.api.store.outcomes import Standing
from loopin_mcp.api.store.store import Store
from loopin_mcp.commands.keeping.restore import Terminal
from loopin_mcp.wire.models import Decision, HostCall, NewInterrupt
from tests.support import AGENT, PUBLIC_URL, REVIEWER, Clock, new_interrupt, take_due
from tests.support.forging import KEYS

HOOK = "https://203.0.113.7/hook?token=s3cret"
CHANNELS = ChannelDigests(ordinary=("quiet",), high=("loud",), devices=True)
APPROVED = Decision(decision="approved")
CHANGED = Decision(decision="approved", reason="Ö\U0001f600", modified_params={"amount": 1})
REPEATED = IdempotencyKey(AGENT.name, "key")
# The longest context, and texts that databases like to get wrong.
ODD = {
    "text": "\x00\x7f ß\U0001f600\u202e",
    "quote": "'\"\\\t\n",
    "long": "x" * 60_000,
    "none": None,
}


def allow() -> None:
    """Refuse nothing."""


def asked_of_call(digest: str) -> NewInterrupt:
    """A request about a call, which is used within an hour."""
    call = HostCall(session="s", tool="Bash", digest=digest * 64)
    return new_interrupt(call=call, use_within=3600, context={"command": "ls"})


async def fill(database: Database, keys: AuditKeys = KEYS) -> dict[str, str]:
    """Fill a database with every kind of row; returns the ids of interrupts by what they are."""
    earlier = Clock()
    past = Store(database, PUBLIC_URL, earlier, keys)
    store = Store(database, PUBLIC_URL, keys=keys, channels=CHANNELS)
    ids = {}

    async def ask(name: str, asked: NewInterrupt, at: Store = store) -> str:
        ids[name] = (await at.create_interrupt(asked, AGENT)).interrupt_id
        return ids[name]

    await ask("deleted", new_interrupt(), past)
    await past.cancel_interrupt(ids["deleted"], AGENT)
    earlier.advance(9 * 24 * 3600)
    await past.retention.delete_settled(8 * DAY_MS)
    await ask("expired", new_interrupt(callback_url=HOOK, expires_in=1, context=ODD), past)
    earlier.advance(2)
    await past.expire_interrupts()
    await store.devices.add(
        DeviceRow("device", "alice", "Phone", "https://push.example/x", "p", "a", "k", "s", 0, 1)
    )
    await ask("pending", new_interrupt(urgency="high", context=ODD, editable=("quote",)))
    await store.record_view(ids["pending"], REVIEWER)
    await ask("approved", new_interrupt(callback_url=HOOK))
    await store.decide_interrupt(ids["approved"], CHANGED, REVIEWER)
    await ask("rejected", new_interrupt())
    await store.decide_interrupt(ids["rejected"], Decision(decision="rejected"), REVIEWER)
    await ask("cancelled", new_interrupt())
    await store.cancel_interrupt(ids["cancelled"], AGENT)
    for name, digest in (("used", "1"), ("standing", "2"), ("covered", "3")):
        created, _ = await store.create_interrupt_for_call(asked_of_call(digest), AGENT, allow)
        ids[name] = created.interrupt_id
        if name != "covered":
            standing = Standing("tool", 3600) if name == "standing" else None
            await store.decide_interrupt(ids[name], APPROVED, REVIEWER, standing)
    await store.approvals.use_approval(ids["used"], AGENT)
    repeated, _ = await store.create_interrupt_once(new_interrupt(), AGENT, REPEATED)
    ids["repeated"] = repeated.interrupt_id
    for delivery in await take_due(store, limit=1):
        await store.deliveries.postpone(delivery, epoch_ms() + 9, 503)
    await store.sessions.add(SessionRow("place", "alice", "seal", epoch_ms(), epoch_ms()))
    return ids


def filled(path: Path) -> dict[str, str]:
    """Make a SQLite file with every kind of row; returns the ids as `fill` does."""

    async def make() -> dict[str, str]:
        database = await open_sqlite(path, keys=KEYS)
        ids = await fill(database)
        await database.aclose()
        return ids

    return anyio.run(make)


@dataclass
class Said:
    """A terminal that answers questions with `answer`."""

    answer: bool = True
    lines: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)

    def __call__(self, line: str) -> None:
        self.lines.append(line)

    @property
    def terminal(self) -> Terminal:
        return Terminal(self, self, self._confirm)

    def _confirm(self, question: str) -> bool:
        self.questions.append(question)
        return self.answer
