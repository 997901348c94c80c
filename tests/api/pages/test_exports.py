"""The filtered history as CSV and as JSON lines."""

import csv
import io
import json

import anyio
import httpx
import pytest
from starlette.types import Message

from loopin_mcp.api.pages.history.exports import COLUMNS, ROWS_AT_ONCE
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision
from tests.support import (
    AGENT,
    PATIENCE_S,
    PUBLIC_URL,
    REVIEWER,
    Clock,
    Down,
    api_app,
    api_client,
    new_interrupt,
)
from tests.support.auditing import edit
from tests.support.page import Page

CHANGED = Decision(decision="approved", reason="=1+1", modified_params={"amount": 1})


async def settle(store: Store, decision: Decision = CHANGED, **changes: object) -> str:
    created = await store.create_interrupt(new_interrupt(**changes), AGENT)
    await store.decide_interrupt(created.interrupt_id, decision, REVIEWER)
    return created.interrupt_id


def rows(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


async def test_lines_have_the_fields_of_the_rest_api(
    inbox: httpx.AsyncClient, api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    ids = [await settle(sqlite_store, user_id=f"user-{n}", use_within=60) for n in range(2)]
    cancelled = await sqlite_store.create_interrupt(new_interrupt(), AGENT)
    await sqlite_store.cancel_interrupt(cancelled.interrupt_id, AGENT)

    answer = await inbox.get("/history.jsonl")

    of_rest = [
        (await api.get(f"/interrupts/{each}")).json() for each in [*ids, cancelled.interrupt_id]
    ]
    assert [json.loads(line) for line in answer.text.splitlines()] == of_rest[::-1]
    assert answer.headers["content-type"] == "application/x-ndjson"
    name = 'attachment; filename="loopin-history-2025-06-15.jsonl"'
    assert answer.headers["content-disposition"] == name
    assert answer.headers["cache-control"] == "no-store"


async def test_table_has_a_column_for_each_field(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    interrupt_id = await settle(sqlite_store, action='Pay "ü",\nnow')

    answer = await inbox.get("/history.csv")

    [row] = rows(answer)
    stored = (await sqlite_store.get_interrupt_status(interrupt_id)).model_dump(
        mode="json", by_alias=True
    )
    assert tuple(row) == COLUMNS
    assert row["action"] == 'Pay "ü",\nnow'
    assert (row["context"], row["modifiedParams"]) == (
        '{"amount":4200,"currency":"USD"}',
        '{"amount":1}',
    )
    assert (row["usedAt"], row["fault"]) == ("", "")
    same = {"interruptId", "status", "settledAt", "decidedBy", "decidedVia", "eventsHead"}
    assert {name: row[name] for name in same} == {name: stored[name] for name in same}
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].endswith('-2025-06-15.csv"')


@pytest.mark.parametrize(
    "first",
    [
        "=",
        "+",
        "-",
        "@",
        "\t",
        "\r",
        "\n",
        " =",
        "\u00a0\u3000+",
        "\ufeff-",
        *"\uff1d\uff0b\uff0d\uff20",
    ],
)
async def test_no_cell_begins_as_a_formula(
    inbox: httpx.AsyncClient, sqlite_store: Store, first: str
) -> None:
    formula = f"{first}HYPERLINK(1)"
    await settle(sqlite_store, action=formula, agent_id=f"{first}a", user_id=f"{first}u")

    [row] = rows(await inbox.get("/history.csv"))

    assert (row["action"], row["reason"]) == (f"'{formula}", "'=1+1")
    assert row["agentId"][0] == row["userId"][0] == "'"


async def test_all_that_match_are_exported_and_nothing_else(
    inbox: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    for number in range(ROWS_AT_ONCE + 1):
        await settle(sqlite_store, action=f"Pay {number}")
    clock.advance(9 * 3600)
    await settle(sqlite_store, action="Pay later")

    answer = await inbox.get("/history.csv?q=pay&to=2025-06-15")
    page = Page(await inbox.get("/history?q=pay&to=2025-06-15"))
    nothing = await inbox.get("/history.jsonl?q=nothing")

    exported = [row["action"] for row in rows(answer)]
    assert exported == [f"Pay {number}" for number in range(ROWS_AT_ONCE, -1, -1)]
    assert (nothing.status_code, nothing.text) == (200, "")
    links = [each["href"] for each in page.attributes if "download" in each]
    assert [str(link).rpartition("/")[2] for link in links] == [
        "history.csv?q=pay&to=2025-06-15",
        "history.jsonl?q=pay&to=2025-06-15",
    ]


async def test_what_was_tampered_with_is_named_without_its_values(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    interrupt_id = await settle(sqlite_store)
    database = sqlite_store._database
    await edit(database, interrupt_id, "UPDATE interrupts SET action = 'Forged' WHERE TRUE")

    [row] = rows(await inbox.get("/history.csv"))
    line = (await inbox.get("/history.jsonl")).json()

    fault = "its payloadDigest does not match what it asks"
    assert {name: value for name, value in row.items() if value} == line
    assert line == {"interruptId": interrupt_id, "fault": fault}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("?from=2025-13-01", "from must be a day that exists."),
        ("?to=16.6.2025", "to must be a day such as 2025-06-13."),
    ],
)
@pytest.mark.parametrize("path", ["/history", "/history.csv"])
async def test_day_that_cannot_be_is_refused_as_a_page(
    inbox: httpx.AsyncClient, path: str, query: str, message: str
) -> None:
    answer = await inbox.get(f"{path}{query}")

    assert answer.status_code == 400
    assert message in Page(answer)["main"][0]


async def test_export_needs_a_sign_in(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.get("/history.csv?q=a")

    assert (answer.status_code, Page(answer)["h1"]) == (401, ["Sign in"])


async def test_database_that_is_down_is_said_as_a_page(clock: Clock) -> None:
    async with api_client(Store(Down(), PUBLIC_URL, clock)) as browser:
        answer = await browser.get("/history.jsonl")

    assert (answer.status_code, Page(answer)["h1"]) == (503, ["This list cannot be exported"])


async def test_export_ends_when_the_client_is_gone(sqlite_store: Store) -> None:
    for _ in range(ROWS_AT_ONCE + 1):
        await settle(sqlite_store)
    sent: list[Message] = []
    gone = anyio.Event()

    async def receive() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)
        if message.get("body"):
            # It reads no more.
            gone.set()
            await anyio.sleep_forever()

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/history.jsonl",
        "raw_path": b"/history.jsonl",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")],
    }
    with anyio.fail_after(PATIENCE_S):
        await api_app(sqlite_store)(scope, receive, send)

    assert [len(message.get("body", b"").splitlines()) for message in sent] == [0, ROWS_AT_ONCE]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
async def test_page_of_another_origin_exports_nothing(
    inbox: httpx.AsyncClient, ending: str
) -> None:
    answer = await inbox.get(f"/history.{ending}", headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 403
    assert "Another web page asked for this file" in answer.text
    headers = {"Sec-Fetch-Site": "same-origin"}
    assert (await inbox.get(f"/history.{ending}", headers=headers)).status_code == 200
