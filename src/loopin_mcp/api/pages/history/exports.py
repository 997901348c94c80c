"""The filtered history as files: `GET /history.csv` and `GET /history.jsonl`."""

import csv
import io
import re
from collections.abc import AsyncIterator, Callable, Iterable

import anyio.to_thread
from pydantic import JsonValue
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from loopin_mcp.api.access.browser import PAGE_HEADERS
from loopin_mcp.api.access.sessions import Sessions
from loopin_mcp.api.clock import moment
from loopin_mcp.api.pages.rendering import Failure, Link, Pages, page
from loopin_mcp.api.rest.requests import check
from loopin_mcp.api.store.history.settled import History, Settled
from loopin_mcp.api.store.search import Search
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import APIError, ForbiddenError
from loopin_mcp.wire.fields import JSONObject

# How many requests are in memory at a time.
ROWS_AT_ONCE = 200

# Contract: docs/api.md names them.
COLUMNS = (
    "interruptId",
    "status",
    "action",
    "agentId",
    "userId",
    "urgency",
    "createdAt",
    "expiresAt",
    "settledAt",
    "decidedBy",
    "decidedVia",
    "reason",
    "context",
    "modifiedParams",
    "usedAt",
    "payloadDigest",
    "eventsHead",
    "fault",
)
# Excel takes a file without this mark for one of the system's old encoding.
_MARK = "\ufeff"
# A spreadsheet may take a cell that begins with one of these for a formula, also after blanks and
# in its full width.
_FORMULA = re.compile("[\\s\ufeff]*[=+\\-@\uff1d\uff0b\uff0d\uff20]|[\\t\\r\\n]")
_NOT_EXPORTED = {
    APIError: Failure("This list cannot be exported", "{}.", Link("Open the history", "history"))
}

_Write = Callable[[Iterable[JSONObject]], str]


class Exports:
    """Exports of settled requests, for people who are signed in."""

    def __init__(self, store: Store, sessions: Sessions, pages: Pages) -> None:
        self._store = store
        self._sessions = sessions
        self._pages = pages

    @page(_NOT_EXPORTED)
    async def export_csv(self, request: Request) -> Response:
        """`GET /history.csv`."""
        head = _MARK + _csv([dict(zip(COLUMNS, COLUMNS, strict=True))])
        return await self._export(request, "text/csv; charset=utf-8", "csv", _csv, head)

    @page(_NOT_EXPORTED)
    async def export_lines(self, request: Request) -> Response:
        """`GET /history.jsonl`: each line has the fields that the REST API has."""
        return await self._export(request, "application/x-ndjson", "jsonl", _lines)

    async def _export(
        self, request: Request, media_type: str, ending: str, write: _Write, head: str = ""
    ) -> Response:
        self._sessions.require_subject(request)
        # A page of another origin cannot read the file, but it could ask for many at once.
        if request.headers.get("sec-fetch-site") == "cross-site":
            raise ForbiddenError("Another web page asked for this file: export it from the history")
        search = check(Search, dict(request.query_params))
        # If this fails, the answer is an error page and no empty file.
        first = await self._page(search, None)
        day = moment(self._store.clock()).date()
        name = f'attachment; filename="loopin-history-{day}.{ending}"'
        headers = {**PAGE_HEADERS, "Content-Disposition": name}
        parts = self._parts(search, first, write, head)
        return StreamingResponse(parts, 200, headers, media_type)

    async def _parts(
        self, search: Search, part: History, write: _Write, head: str
    ) -> AsyncIterator[bytes]:
        """The file in parts; the next one is read when this one was sent."""
        while True:
            fields = map(_fields, part.settled)
            yield (head + await anyio.to_thread.run_sync(write, fields)).encode()
            head = ""
            if part.next_cursor is None:
                return
            part = await self._page(search, part.next_cursor)

    async def _page(self, search: Search, cursor: str | None) -> History:
        return await self._store.history.list_settled(search, limit=ROWS_AT_ONCE, cursor=cursor)


def _fields(settled: Settled) -> JSONObject:
    """The fields of a request; of one that cannot be trusted, only its id and the fault."""
    interrupt = settled.interrupt
    if settled.fault:
        return {"interruptId": interrupt.interrupt_id, "fault": settled.fault.text}
    return interrupt.model_dump(mode="json", by_alias=True)


def _csv(rows: Iterable[JSONObject]) -> str:
    """Rows in the form of RFC 4180."""
    file = io.StringIO()
    csv.writer(file).writerows([_cell(row.get(name)) for name in COLUMNS] for row in rows)
    return file.getvalue()


def _cell(value: JsonValue) -> str:
    text = "" if value is None else value if isinstance(value, str) else to_json(value).decode()
    return f"'{text}" if _FORMULA.match(text) else text


def _lines(rows: Iterable[JSONObject]) -> str:
    return "".join(f"{to_json(row).decode()}\n" for row in rows)
