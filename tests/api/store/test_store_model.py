"""The store matches a plain model of it after any sequence of changes.

MODEL_EXAMPLES sets the number of runs on each database, and makes hypothesis shrink one that fails.
"""

import itertools
import os
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from loopin_mcp.api.database.steps import Database, Steps
from loopin_mcp.api.store.opening import open_sqlite
from tests.support.examples import AS_FOUND
from tests.support.store_comparison import Open
from tests.support.store_machine import StoreMachine

FEW = 12
EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", FEW))
STEPS = 40
RUNS = settings(
    settings() if "MODEL_EXAMPLES" in os.environ else AS_FOUND,
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    suppress_health_check=list(HealthCheck),
)

pytestmark = pytest.mark.timeout(120 * max(1, EXAMPLES / FEW))


def empty() -> Steps[None]:
    """Empty PostgreSQL, past the triggers that refuse that."""
    yield "SET LOCAL session_replication_role = replica", {}
    yield "TRUNCATE interrupts, events, deliveries, idempotency_keys, deletions, tallies", {}


def compare(fresh: Open, again: Open) -> None:
    """Try runs, each on the database that `fresh` opens and `again` reopens."""
    with start_blocking_portal("asyncio") as portal:

        class Machine(StoreMachine):
            def __init__(self) -> None:
                super().__init__(portal, fresh, again)

        run_state_machine_as_test(Machine, settings=RUNS)


def test_store_on_sqlite_is_what_its_model_is(tmp_path: Path) -> None:
    places = itertools.count(1)
    latest = tmp_path

    async def again() -> Database:
        return await open_sqlite(latest / "loopin.db")

    async def fresh() -> Database:
        nonlocal latest
        latest = tmp_path / str(next(places))
        return await again()

    compare(fresh, again)


def test_store_on_postgresql_is_what_its_model_is(empty_postgres_url: str) -> None:
    from loopin_mcp.api.store.opening import open_postgresql

    async def again() -> Database:
        return await open_postgresql(empty_postgres_url)

    async def fresh() -> Database:
        database = await again()
        await database.transact(empty)
        return database

    compare(fresh, again)
