"""How long it takes to audit many interrupts, and to delete them by their age.

python bench/trail.py [interrupts]
"""

import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from processes import ENVIRONMENT

from loopin_mcp import Decision
from loopin_mcp.api.access.actors import Actor
from loopin_mcp.api.audit.audit_keys import AuditKeys
from loopin_mcp.api.audit.stored_trails import view
from loopin_mcp.api.database.sqlite import SQLite
from loopin_mcp.api.database.steps import Steps
from loopin_mcp.api.serving.housekeeping import clean_up
from loopin_mcp.api.store.creation import Creation
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.outcomes import decide
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import NewInterrupt

KEY = "key-of-the-audit-trail-in-this-bench"
KEYS = AuditKeys([KEY])
AGENT, REVIEWER = Actor("api-key", "api"), Actor("alice", "review-page")
BEGIN_MS = 1_750_000_000_000
DAY_MS = 86_400_000
PORTION = 1000


def decided(first: int, count: int) -> Steps[None]:
    """Steps that create, view and decide this many interrupts."""
    for number in range(first, first + count):
        asked = NewInterrupt(
            agent_id="bench",
            user_id=f"user-{number % 5000}",
            action=f"Pay invoice {number}",
            context={"amount": number, "note": "x" * 300},
        )
        row = yield from Creation(KEYS, asked, BEGIN_MS, AGENT).create()
        interrupt_id = str(row["interrupt_id"])
        decision = Decision(decision="approved", modified_params={"amount": number + 1})
        yield from view(KEYS, interrupt_id, BEGIN_MS, REVIEWER)
        yield from decide(KEYS, interrupt_id, decision, BEGIN_MS + 1000, REVIEWER)


async def fill(database: SQLite, count: int) -> None:
    """Store this many interrupts."""
    for first in range(0, count, PORTION):
        await database.transact(partial(decided, first, min(PORTION, count - first)))


def audit(directory: str, output: Path, *arguments: str) -> None:
    """Run the audit command, and print its time and its highest memory use."""
    began = time.perf_counter()
    with output.open("w") as file:
        subprocess.run(
            [sys.executable, "-m", "loopin_mcp", "audit", *arguments],
            env=ENVIRONMENT | {"LOOPIN_DATA_DIR": directory, "AUDIT_KEY": KEY},
            stdout=file,
            stderr=subprocess.DEVNULL,
            check=True,
        )
    took_s = time.perf_counter() - began
    # The highest of all commands so far, in KiB.
    most_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    what = f"audit {' '.join(arguments[:2])}"
    print(f"{what}: {took_s:.1f} s, at most {most_kb / 1024:.0f} MiB")


async def slowest_write(store: Store, interrupt_id: str) -> float:
    """View an interrupt under new names until cancelled; returns the slowest time."""
    slowest_s, number = 0.0, 0
    try:
        while True:
            began = time.perf_counter()
            await store.record_view(interrupt_id, Actor(f"{number}", "api"))
            slowest_s, number = max(slowest_s, time.perf_counter() - began), number + 1
            await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        return slowest_s


async def delete(database: SQLite) -> None:
    """Delete all but a pending one, and print how long that and a concurrent write took."""
    store = Store(database, "http://127.0.0.1:3002", lambda: BEGIN_MS + 31 * DAY_MS, KEYS)
    asked = NewInterrupt(agent_id="bench", user_id="u", action="Pay", context={})
    pending = await store.create_interrupt(asked, AGENT)
    other = asyncio.create_task(slowest_write(store, pending.interrupt_id))
    began = time.perf_counter()
    await clean_up(store, 30)
    took_s = time.perf_counter() - began
    other.cancel()
    print(
        f"deletion by age: {took_s:.1f} s; the slowest write beside it {await other * 1000:.0f} ms"
    )


async def measure(count: int, directory: str) -> None:
    """Take all figures, with files in this directory."""
    path, kept, said = (Path(directory, name) for name in ("api.db", "kept.jsonl", "said"))
    database = await open_sqlite(path)
    await fill(database, count)
    print(f"{count:,} interrupts")
    audit(directory, said, "verify")
    audit(directory, kept, "export")
    audit(directory, said, "verify", "--heads", str(kept))
    await delete(database)
    await database.aclose()


def main(count: int) -> None:
    """Take all figures of so many interrupts."""
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(measure(count, directory))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
