"""Held requests when the API stops: all are answered."""

from pathlib import Path
from urllib.parse import urlsplit

import anyio

from loopin_mcp import Interrupt
from loopin_mcp.api.database.steps import Database, Row, Value
from loopin_mcp.api.rest.waiting import let_go, wait_for_settled
from loopin_mcp.api.serving.serving import listen, serving
from loopin_mcp.api.store.opening import open_sqlite
from loopin_mcp.api.store.store import Store
from loopin_mcp.settings.api_options import Options
from tests.support import (
    AGENT,
    PATIENCE_S,
    PUBLIC_URL,
    START_TIMEOUT_S,
    Clock,
    Unmeasured,
    new_interrupt,
)
from tests.support.waiters import never


class Counted(Unmeasured):
    """A database that counts its reads."""

    def __init__(self, database: Database) -> None:
        self.looks = 0
        self.changed = database.changed
        self.aclose = database.aclose
        self.transact = database.transact
        self._database = database

    async def read(self, sql: str, **params: Value) -> list[Row]:
        self.looks += 1
        return await self._database.read(sql, **params)

    async def find(self, sql: str, **params: Value) -> list[Row]:
        return await self._database.find(sql, **params)


async def test_all_who_wait_are_let_go_by_one_look(tmp_path: Path, clock: Clock) -> None:
    database = Counted(await open_sqlite(tmp_path / "loopin.db"))
    store = Store(database, PUBLIC_URL, clock)
    ids = [(await store.create_interrupt(new_interrupt(), AGENT)).interrupt_id for _ in range(3)]
    found: list[Interrupt] = []
    begun = anyio.Semaphore(0)

    async def never_gone() -> None:
        begun.release()
        await never()

    async def wait(interrupt_id: str) -> None:
        found.append((await wait_for_settled(store, interrupt_id, 60, never_gone)).interrupt())

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            for interrupt_id in ids:
                tasks.start_soon(wait, interrupt_id)
                await begun.acquire()
            before = database.looks
            await let_go(store)

    await database.aclose()
    assert sorted(each.interrupt_id for each in found) == sorted(ids)
    assert {each.status for each in found} == {"pending"}
    assert database.looks == before + 1


async def test_stopping_api_answers_those_who_wait(tmp_path: Path) -> None:
    database = await open_sqlite(tmp_path / "loopin.db")
    created = await Store(database, PUBLIC_URL).create_interrupt(new_interrupt(), AGENT)
    listener = listen("127.0.0.1", 0)

    with anyio.fail_after(PATIENCE_S), listener:
        async with serving(listener, database, Options(grace_s=START_TIMEOUT_S)) as url:
            connection = await anyio.connect_tcp("127.0.0.1", urlsplit(url).port or 0)
            # The server sends 100 as soon as the wait starts to listen for a disconnect.
            await connection.send(
                f"GET /interrupts/{created.interrupt_id} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                "Prefer: wait=60\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n".encode()
            )
            assert (await connection.receive()).startswith(b"HTTP/1.1 100")
            # The server would not close while a body is due.
            await connection.send(b"x")
        answer = b"".join([part async for part in connection])
        await connection.aclose()

    assert b"HTTP/1.1 200" in answer
    assert b'"status":"pending"' in answer
