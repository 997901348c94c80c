"""The floor: the least that an API of interrupts has to do, for others to be compared with.

Starlette on uvicorn with httptools and uvloop. SQLite is read on the event loop, and one thread
commits all writes that have come meanwhile, with an fsync. There are no keys, checks or events.

    python bench/floor.py [database]
"""

import json
import queue
import sqlite3
import sys
import tempfile
import threading
import uuid
from asyncio import Future, get_running_loop
from functools import partial

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

SCHEMA = "CREATE TABLE interrupts (id TEXT PRIMARY KEY, status TEXT, created TEXT, body TEXT)"
INSERT = "INSERT INTO interrupts VALUES (?, 'pending', '2026-01-01T00:00:00.000Z', ?)"
SELECT = "SELECT id, status, created, body FROM interrupts WHERE id = ?"
EXPIRES = "2126-01-01T00:00:00.000Z"
UPDATE = "UPDATE interrupts SET status = ? WHERE id = ? AND status = 'pending' RETURNING id"

Write = tuple[str, tuple[str, str], "Future[list[tuple[str]]]"]


class Floor:
    """Interrupts in a new SQLite file."""

    def __init__(self, path: str) -> None:
        self._writes: queue.SimpleQueue[Write] = queue.SimpleQueue()
        self._reader, self._writer = (
            sqlite3.connect(path, isolation_level=None, check_same_thread=False) for _ in range(2)
        )
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            self._writer.execute(f"PRAGMA {pragma}")
        self._writer.execute(SCHEMA)
        threading.Thread(target=self._commit, daemon=True).start()

    async def create_interrupt(self, request: Request) -> JSONResponse:
        """`POST /interrupts`."""
        interrupt_id, asked = str(uuid.uuid4()), await request.json()
        await self._written(INSERT, interrupt_id, json.dumps(asked))
        created = {"interruptId": interrupt_id, "status": "pending", "expiresAt": EXPIRES}
        return JSONResponse(created, 201)

    async def get_interrupt_status(self, request: Request) -> JSONResponse:
        """`GET /interrupts/{id}`."""
        found = self._reader.execute(SELECT, (request.path_params["id"],)).fetchone()
        if found is None:
            return JSONResponse({"error": "Interrupt not found"}, 404)
        interrupt_id, status, created, body = found
        state = {"interruptId": interrupt_id, "status": status, "createdAt": created}
        return JSONResponse(state | json.loads(body))

    async def decide_interrupt(self, request: Request) -> JSONResponse:
        """`POST /interrupts/{id}/decide`."""
        interrupt_id, decision = request.path_params["id"], (await request.json())["decision"]
        if not await self._written(UPDATE, decision, interrupt_id):
            return JSONResponse({"error": "Interrupt is not pending"}, 409)
        return JSONResponse(
            {"interruptId": interrupt_id, "status": "resolved", "decision": decision}
        )

    async def _written(self, sql: str, first: str, second: str) -> list[tuple[str]]:
        written: Future[list[tuple[str]]] = get_running_loop().create_future()
        self._writes.put((sql, (first, second), written))
        return await written

    def _commit(self) -> None:
        while True:
            group = [self._writes.get()]
            while not self._writes.empty():
                group.append(self._writes.get())
            self._writer.execute("BEGIN")
            rows = [self._writer.execute(sql, values).fetchall() for sql, values, _ in group]
            self._writer.execute("COMMIT")
            loop = group[0][2].get_loop()
            loop.call_soon_threadsafe(partial(_answer, group, rows))


def _answer(group: list[Write], rows: list[list[tuple[str]]]) -> None:
    for (_, _, written), found in zip(group, rows, strict=True):
        written.set_result(found)


def main() -> None:
    """Serve on a free port, and say on which."""
    with tempfile.TemporaryDirectory() as home:
        floor = Floor(sys.argv[1] if len(sys.argv) > 1 else f"{home}/floor.db")
        routes = [
            Route("/interrupts", floor.create_interrupt, methods=["POST"]),
            Route("/interrupts/{id}/decide", floor.decide_interrupt, methods=["POST"]),
            Route("/interrupts/{id}", floor.get_interrupt_status),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes),
            http="httptools",
            loop="uvloop",
            port=0,
            access_log=False,
            log_config=None,
        )
        listener = config.bind_socket()
        listener.listen(2048)
        host, port = listener.getsockname()
        print(f"The floor on http://{host}:{port}", file=sys.stderr, flush=True)
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
