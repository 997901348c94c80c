"""An API on a SQLite file, and the content of the file afterwards."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx

from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.store import Store
from tests.support import PATIENCE_S, PUBLIC_URL, Clock, api_client
from tests.support.questions import NEW

# Large enough for pages of its own.
LARGE = {"context": {"facts": "x" * 60_000}}


@asynccontextmanager
async def api_on(path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API on a file, until the block ends."""
    database = await open_sqlite(path, busy_timeout_s=0)
    async with api_client(Store(database, PUBLIC_URL, Clock())) as client:
        yield client
    await database.aclose()


async def status_of(api: httpx.AsyncClient, interrupt_id: str) -> str:
    """The status that the API reports."""
    answer = await api.get(f"/interrupts/{interrupt_id}")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["status"])


async def refusal_of(api: httpx.AsyncClient, path: str = "", **body: Any) -> str:  # noqa: ANN401
    """Why the API refuses changes right now."""
    answer = await api.post(f"/interrupts{path}", json=body or NEW | LARGE)
    assert answer.status_code == 503, answer.text
    return str(answer.json()["error"])


async def until_ready(api: httpx.AsyncClient) -> None:
    """Return once the API can serve every call again."""
    with anyio.fail_after(PATIENCE_S):
        while (await api.get("/ready")).status_code != 200:
            pass


async def stored_in(path: Path) -> set[str]:
    """The ids in a database, whose file is checked too."""
    database = await open_sqlite(path)
    assert await database.read("PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    rows = await database.read("SELECT interrupt_id FROM interrupts")
    await database.aclose()
    return {str(row["interrupt_id"]) for row in rows}
