"""How much slower a store with a million interrupts is than an empty one, and its figures.

python bench/million.py [--interrupts 1000000] [--keep DIRECTORY] [--rounds 5]
"""

import argparse
import asyncio
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import count
from pathlib import Path

from loopin_mcp import Decision
from loopin_mcp.api.access.actors import SYSTEM, Actor
from loopin_mcp.api.audit.audit_keys import NO_KEYS
from loopin_mcp.api.audit.trail import locked_trail
from loopin_mcp.api.clock import DAY_MS, epoch_ms
from loopin_mcp.api.database.sqlite_file import as_mapping, run
from loopin_mcp.api.database.steps import Database, Steps, Value
from loopin_mcp.api.store.creation import Creation
from loopin_mcp.api.store.history.analytics import EVERYBODY, Period
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.search import Search
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.fields import Urgency, Verdict
from loopin_mcp.wire.models import Interrupt, NewInterrupt

AGENT, REVIEWER = Actor("api-key", "api"), Actor("alice", "review-page")
APPROVED = Decision(decision="approved")
# One of ten interrupts is of LARGE; the other users have about 100 each. WAITING has ten pending.
LARGE, WAITING = "large", "waiting"
CALLS = 16
AT_A_TIME = 400
# How many interrupts of the full store are alike, of which one has a valid trail.
COPIES = 50
DAY_S = DAY_MS // 1000

NEW_IDS = """
    CREATE TEMP TABLE copies AS SELECT *, lower(hex(randomblob(16))) AS copy_id FROM originals
    """
# What differs in a copy of an interrupt; its moments are shifted besides.
CHANGED = {
    "interrupt_id": "copy_id",
    "user_id": "IIF(user_id = 'large', user_id, 'user-' || (ABS(RANDOM()) % :users))",
    "ordinal": "NULL",
}
COPY = "INSERT INTO interrupts ({}) SELECT {} FROM copies"
COPY_EVENTS = """
    INSERT INTO events SELECT copy_id, sequence, type, at_ms, actor, channel, detail, previous_hash,
        hash FROM copies JOIN events USING (interrupt_id)
    """


def asked(number: int, user_id: str, expires_in: int = 30 * DAY_S) -> NewInterrupt:
    """A request of about 500 bytes."""
    urgencies: tuple[Urgency, ...] = ("low", "medium", "high")
    return NewInterrupt(
        agent_id=f"agent-{number % 20}",
        user_id=user_id,
        action=f"Pay invoice {number} of department {'abcdefgh'[number % 8]}",
        context={"amount": number, "note": "x" * 300},
        urgency=urgencies[number % 3],
        expires_in=expires_in,
    )


def settled(number: int, user_id: str, now: int, chance: random.Random) -> Steps[None]:
    """Steps that create an interrupt and settle it, without the checks of what is new."""
    row = yield from Creation(NO_KEYS, asked(number, user_id, DAY_S), now, AGENT).create()
    trail = yield from locked_trail(NO_KEYS, str(row["interrupt_id"]), now)
    assert trail is not None
    at_ms = now + min(round(chance.lognormvariate(11, 1.5)), DAY_MS - 1)
    ends: dict[str, Value] = {"settled_ms": at_ms}
    yield "DELETE FROM deliveries WHERE interrupt_id = :id", {"id": row["interrupt_id"]}
    if number % 20 < 2:
        ends = {"settled_ms": row["expires_ms"], "status": "expired"}
        yield from trail.append("expired", now + DAY_MS, SYSTEM, {}, **ends)
        return
    verdict: Verdict = "rejected" if number % 20 < 6 else "approved"
    detail = Decision(decision=verdict).model_dump(mode="json", by_alias=True)
    ends |= {"status": verdict, "decided_ms": at_ms}
    ends |= {"decided_by": REVIEWER.name, "decided_via": REVIEWER.channel}
    yield from trail.append("decided", at_ms, REVIEWER, detail, **ends)


def _copy(columns: list[str]) -> str:
    """The statement that copies interrupts with these columns."""
    moments = {name: f"{name} + :shift" for name in columns if name.endswith("_ms")}
    values = [CHANGED.get(name, moments.get(name, name)) for name in columns]
    return COPY.format(", ".join(columns), ", ".join(values))


@contextmanager
def filling(path: Path) -> Iterator[Callable[..., sqlite3.Cursor]]:
    """Run statements on a database file, fast, and move its log into it at the end."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.row_factory = as_mapping
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-500000")
        yield connection.execute
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def fill(path: Path, interrupts: int) -> None:
    """Store interrupts settled in the last 90 days: some, whose trails are valid, and copies."""
    chance, now, users = random.Random(1), epoch_ms(), interrupts // 110
    some = interrupts // COPIES
    with filling(path) as execute:
        execute("BEGIN")
        for number in range(some):
            user_id = LARGE if number % 10 == 7 else f"user-{chance.randrange(users)}"
            at_ms = now - 90 * DAY_MS + number * 88 * DAY_MS // some
            run(execute, settled(number, user_id, at_ms, chance))
        execute("COMMIT")
        multiply(execute, users)
        for number in range(2000):
            user_id = WAITING if number % 200 == 0 else f"user-{chance.randrange(users)}"
            run(execute, Creation(NO_KEYS, asked(number, user_id), now - 1000, AGENT).create())
        execute("DELETE FROM deliveries")


def multiply(execute: Callable[..., sqlite3.Cursor], users: int) -> None:
    """Copy all interrupts until there are `COPIES` of each."""
    # What a human is asked begins pending, and a copy does not.
    [rule] = execute("SELECT sql FROM sqlite_schema WHERE name = 'interrupts_begin_pending'")
    execute("DROP TRIGGER interrupts_begin_pending")
    execute("CREATE TEMP TABLE originals AS SELECT * FROM interrupts")
    columns = [str(row["name"]) for row in execute("PRAGMA table_info(interrupts)")]
    for copy in range(1, COPIES):
        execute("BEGIN")
        execute(NEW_IDS)
        execute(_copy(columns), {"users": users, "shift": copy * 999})
        execute(COPY_EVENTS)
        execute("DROP TABLE copies")
        execute("COMMIT")
    execute(rule["sql"])


async def together(call: Callable[[str], Awaitable[object]], of: Iterator[str]) -> float:
    """How many of these calls are done per second, `CALLS` at a time."""

    async def some() -> int:
        done = 0
        for each in of:
            await call(each)
            done += 1
        return done

    began = time.perf_counter()
    done = await asyncio.gather(*(some() for _ in range(CALLS)))
    return sum(done) / (time.perf_counter() - began)


class Subject:
    """A store whose rates are measured; `ids` are some of its interrupts."""

    def __init__(self, store: Store, ids: list[str]) -> None:
        self.store = store
        self.ids = ids
        self.rates: dict[str, list[float]] = {"create": [], "decide": [], "get": []}
        self._numbers = count()

    async def measure(self, users: list[str]) -> None:
        """Take one sample of each rate."""
        created: list[str] = []

        async def ask(user_id: str) -> None:
            request = asked(next(self._numbers), user_id)
            created.append((await self.store.create_interrupt(request, AGENT)).interrupt_id)

        decide = partial(self.store.decide_interrupt, decision=APPROVED, actor=REVIEWER)
        self.rates["create"].append(await together(ask, iter(users)))
        self.rates["decide"].append(await together(decide, iter(created)))
        # The second time: trails that were read or written before are remembered.
        known = random.sample(self.ids, min(len(self.ids), AT_A_TIME)) or created
        await together(self.store.get_interrupt_status, iter(known))
        self.rates["get"].append(await together(self.store.get_interrupt_status, iter(known)))


async def took_ms(call: Callable[[], Awaitable[object]]) -> float:
    """The median time of a call, in milliseconds."""
    times = []
    for _ in range(9):
        began = time.perf_counter()
        await call()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


async def compare(full: Store, empty: Store, ids: list[str], rounds: int) -> None:
    """Print the rates of both, taken in turns, and how long lists and figures of one take."""
    subjects = {
        "empty": Subject(empty, []),
        "full": Subject(full, ids),
    }
    for _ in range(rounds):
        chosen = [f"user-{random.randrange(len(ids))}" for _ in range(AT_A_TIME)]
        for subject in subjects.values():
            await subject.measure(chosen)
    for name in ("create", "decide", "get"):
        low, high = (statistics.median(each.rates[name]) for each in subjects.values())
        print(f"{name}: {low:,.0f}/s empty, {high:,.0f}/s full: {high / low:.2f}")
    [waiting, *_] = (await full.list_pending_interrupts(WAITING)).interrupts
    for name, call in pages(full, waiting).items():
        print(f"{name}: {await took_ms(call):.2f} ms")


def pages(full: Store, waiting: Interrupt) -> dict[str, Callable[[], Awaitable[object]]]:
    """Lists and figures, by their names; `waiting` is a pending interrupt."""
    figures, overview, history = full.figures, full.overview, full.history
    return {
        "pending list of 10": partial(full.list_pending_interrupts, WAITING),
        "analytics of the large user": partial(full.get_interrupt_analytics, LARGE),
        "its decisions by day": partial(figures.decisions, LARGE, Period(30, by_week=False)),
        "analytics of everybody": partial(figures.analytics, EVERYBODY),
        "decisions of everybody": partial(figures.decisions, EVERYBODY, Period(84, by_week=True)),
        "most-asked users": partial(figures.busiest_users, 10),
        "inbox": partial(overview.list_inbox, Search(), limit=50),
        "inbox of a user": partial(overview.list_inbox, Search(user=WAITING), limit=50),
        "history": partial(history.list_settled, Search(), limit=50),
        "history of the large user": partial(history.list_settled, Search(user=LARGE), limit=50),
        "search of the history": partial(history.list_settled, Search(q="nowhere"), limit=50),
        "what is unusual about a request": partial(full.precedents.unusual, waiting),
        "last reasons of a reviewer": partial(full.precedents.recent_reasons, REVIEWER.name),
        "names": overview.list_names,
        "expiry of none": full.expire_interrupts,
        "deletion of none": partial(full.retention.delete_settled, 3650 * DAY_MS),
    }


async def _valid(database: Database, some: int) -> list[str]:
    """The ids of the first interrupts, which have valid trails."""
    sql = "SELECT interrupt_id FROM interrupts ORDER BY ordinal LIMIT :some"
    return [str(row["interrupt_id"]) for row in await database.read(sql, some=some)]


async def measure(directory: Path, interrupts: int, rounds: int) -> None:
    """Fill a file in this directory if it is not there yet, and take all figures."""
    path = directory / f"{interrupts}.db"
    database = await open_sqlite(path)
    if not await _valid(database, 1):
        fill(path, interrupts)
    ids = await _valid(database, interrupts // COPIES)
    with tempfile.TemporaryDirectory(dir=directory) as beside:
        other = await open_sqlite(Path(beside, "empty.db"))
        url = "http://127.0.0.1:3002"
        await compare(Store(database, url), Store(other, url), ids, rounds)
        await other.aclose()
    await database.aclose()


def main() -> None:
    """Take all figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--interrupts", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="where to keep the filled file, or find it")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(measure(chosen.keep or Path(directory), chosen.interrupts, chosen.rounds))


if __name__ == "__main__":
    main()
