"""The end of an API: requests in flight are answered, also with a 503."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskStatus

from loopin_mcp.api.serving.serving import listen, port_of, serving
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.settings.api_options import Options
from tests.support import PATIENCE_S
from tests.support.questions import NEW
from tests.support.sockets import GET_HEALTH, Raw, connecting, create

ENDING = (503, {"error": "The API is stopping"})
AT_ONCE = Options(grace_s=0)


async def test_requests_that_wait_for_the_database_are_answered_at_the_end(tmp_path: Path) -> None:
    listener, ends = listen("127.0.0.1", 0), anyio.Event()
    database = await open_sqlite(tmp_path / "loopin.db", busy_timeout_s=PATIENCE_S)
    other = sqlite3.connect(tmp_path / "loopin.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    body = json.dumps(NEW).encode()
    answers: list[tuple[int, Any]] = []

    async def serve(*, task_status: TaskStatus[None]) -> None:
        async with serving(listener, database, AT_ONCE):
            task_status.started()
            await ends.wait()

    async def read(raw: Raw) -> None:
        answers.append(await raw.answer())
        if other.in_transaction:
            other.execute("ROLLBACK")

    async with anyio.create_task_group() as serves:
        await serves.start(serve)
        async with connecting(port_of(listener)) as api, anyio.create_task_group() as asks:
            for _ in range(3):
                asked = create(body, f"Content-Length: {len(body)}")
                asks.start_soon(read, await api.connect(asked))
            await api.ask(GET_HEALTH)
            ends.set()
    other.close()

    stored = await open_sqlite(tmp_path / "loopin.db")
    rows = await stored.read("SELECT interrupt_id FROM interrupts")
    await stored.aclose()
    created = [said["interruptId"] for status, said in answers if status == 201]
    assert created == [row["interrupt_id"] for row in rows]
    assert [answer for answer in answers if answer[0] != 201] == [ENDING] * (3 - len(created))
    # Whatever the first one does, the others in the queue cannot have been stored.
    assert len(created) <= 1


async def test_client_that_sends_slowly_does_not_delay_the_end(tmp_path: Path) -> None:
    listener = listen("127.0.0.1", 0)
    database = await open_sqlite(tmp_path / "loopin.db")
    async with anyio.create_task_group() as clients:
        async with serving(listener, database, AT_ONCE):
            api = await clients.start(_connected, port_of(listener))
            slow = await api.connect(create(b"{", "Content-Length: 9"))
            await api.ask(GET_HEALTH)

        assert await slow.until_cut() == b""
        clients.cancel_scope.cancel()


async def _connected(port: int, *, task_status: TaskStatus[Any]) -> None:
    async with connecting(port) as api:
        task_status.started(api)
        await anyio.sleep_forever()
