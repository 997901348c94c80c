"""What a backup, a restore and a move to PostgreSQL take with a million interrupts.

python bench/keeping.py [--interrupts 1000000] [--keep DIRECTORY]

The move is killed once it has copied some interrupts, and continued. All trails are valid.
"""

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from million import AGENT, LARGE, asked, filling, settled
from servers import postgresql

from loopin_mcp.api.audit.audit_keys import NO_KEYS
from loopin_mcp.api.clock import DAY_MS, epoch_ms
from loopin_mcp.api.database.sqlite_file import run
from loopin_mcp.api.store.creation import Creation
from loopin_mcp.api.store.opening import open_sqlite

# Of all, so many are pending.
PENDING = 2000
COUNT_AGAIN = """
    INSERT INTO tallies SELECT user_id, figure, name, place, count, total FROM counted_tallies
    """


async def make(path: Path) -> None:
    """Make an empty database."""
    path.parent.mkdir(parents=True, exist_ok=True)
    await (await open_sqlite(path)).aclose()


def fill(path: Path, interrupts: int) -> None:
    """Store interrupts that were settled in the last 90 days, and some that are pending."""
    chance, now, users = random.Random(1), epoch_ms(), interrupts // 110
    with filling(path) as execute:
        execute("BEGIN")
        # The figures are counted at the end, which takes less time.
        rules = execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for rule in rules:
            execute(f"DROP TRIGGER {rule['name']}")
        for number in range(interrupts):
            user_id = LARGE if number % 10 == 7 else f"user-{chance.randrange(users)}"
            at_ms = now - 90 * DAY_MS + number * 88 * DAY_MS // interrupts
            run(execute, settled(number, user_id, at_ms, chance))
        for number in range(PENDING):
            user_id = f"user-{chance.randrange(users)}"
            run(execute, Creation(NO_KEYS, asked(number, user_id), now - 1000, AGENT).create())
        execute("DELETE FROM tallies")
        execute(COUNT_AGAIN)
        for rule in rules:
            execute(rule["sql"])
        execute("COMMIT")


def call(data_dir: Path, *arguments: str, until: str = "") -> None:
    """Run a command, or kill it once it says `until`; print what it says, and when."""
    began, ends = time.perf_counter(), "done"
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "loopin_mcp", *arguments],
        env={**os.environ, "LOOPIN_DATA_DIR": str(data_dir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(f"{time.perf_counter() - began:7.1f} s  {line}", end="")
            if until and until in line:
                process.kill()
                ends = "killed"
        *_, usage = os.wait4(process.pid, 0)
    took, used = time.perf_counter() - began, usage.ru_utime + usage.ru_stime
    peak = usage.ru_maxrss / 1024
    figures = f"{used:.1f} s of a processor, at most {peak:,.0f} MiB"
    print(f"{took:7.1f} s  {arguments[0]}: {ends}, {figures}", flush=True)


def measure(directory: Path, interrupts: int, url: str) -> None:
    """Make a backup, restore it, and move the database, each by its command."""
    data_dir, backup = directory / "data", directory / "backup.db"
    if not (data_dir / "api.db").exists():
        asyncio.run(make(data_dir / "api.db"))
        # What this process takes would count as memory of those that it starts.
        with ProcessPoolExecutor(1) as pool:
            pool.submit(fill, data_dir / "api.db", interrupts).result()
    call(data_dir, "backup", "--force", str(backup))
    call(directory / "restored", "restore", "--yes", str(backup))
    call(directory / "restored", "audit", "verify")
    call(data_dir, "migrate", "--to", url, until="Copying interrupts")
    call(data_dir, "migrate", "--to", url)


def main() -> None:
    """Take all figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--interrupts", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="where to keep the filled file, or find it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, postgresql() as server:
        measure(given.keep or Path(directory), given.interrupts, server.url)


if __name__ == "__main__":
    main()
