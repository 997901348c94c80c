"""Refusals of the review page: invalid fields, unreadable forms, foreign web pages."""

import httpx
import pytest

from loopin_mcp.api.store.store import Store
from tests.support.page import Page, ask, decide

TYPED = {"reason": "\nTwo lines,\nas typed <b>", "modifiedParams": '{"amount": 1}\n'}

JSON_FAULT = (
    "This is not valid JSON. At line 1, column 13, the closing brace } is missing "
    "(opened in line 1)."
)
NO_OBJECT = "This must be a JSON object: names and values between { and }."
RECURSION_FAULT = "This is not valid JSON: recursion limit exceeded at line 1 column 1006."
FAULTS = [
    ({"modifiedParams": '{"amount": 1'}, [JSON_FAULT]),
    ({"modifiedParams": "[1]"}, [NO_OBJECT]),
    ({"modifiedParams": "null"}, [NO_OBJECT]),
    ({"modifiedParams": '{"a": 1e999}'}, ["This must hold finite numbers only."]),
    (
        {"modifiedParams": '{"a": NaN}'},
        [
            "This is not valid JSON. At line 1, column 7, JSON has no NaN: write a number, null "
            "or a text."
        ],
    ),
    (
        {"modifiedParams": '{"a":' * 33 + "1" + "}" * 33},
        ["This must not be nested more than 32 levels deep."],
    ),
    (
        {"modifiedParams": '{"a":' * 300},
        [RECURSION_FAULT],
    ),
    (
        {"modifiedParams": '{"a": "' + "x" * 65_536 + '"}'},
        ["This must be at most 65536 bytes as JSON (is 65544)."],
    ),
    ({"reason": "x" * 4001}, ["The reason must be at most 4000 characters."]),
    (
        {"reason": "x" * 4001, "modifiedParams": '{"amount": 1'},
        ["The reason must be at most 4000 characters.", JSON_FAULT],
    ),
]


@pytest.mark.parametrize(("form", "faults"), FAULTS)
async def test_fault_stands_beside_its_field_and_nothing_typed_is_lost(
    api: httpx.AsyncClient,
    sqlite_store: Store,
    form: dict[str, str],
    faults: list[str],
) -> None:
    path = await ask(sqlite_store)

    answer = await decide(api, path, decision="approved", **TYPED | form)

    page = Page(answer)
    assert answer.status_code == 400
    assert page["textarea"] == [(TYPED | form)["reason"], (TYPED | form)["modifiedParams"]]
    assert page["fault"] == faults
    assert page["title"] == [
        "Transfer $4,200 to vendor account ending in 9821 · Not recorded yet · LoopIn"
    ]
    assert (await sqlite_store.get_interrupt_status(path.split("/")[-1])).is_pending


async def test_faulty_field_is_marked_described_and_focused(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store)

    page = Page(await decide(api, path, decision="approved", modifiedParams="{"))

    field = page.element(id="modifiedParams")
    assert field["aria-invalid"] == "true"
    assert field["aria-describedby"] == "modifiedParams-fault modifiedParams-hint"
    assert "autofocus" in field
    assert page.element(id="modifiedParams-fault")["class"] == "fault"
    assert "aria-invalid" not in page.element(id="reason")


@pytest.mark.parametrize("decision", [{}, {"decision": ""}, {"decision": "maybe"}])
async def test_form_without_a_decision_asks_for_one_and_keeps_what_was_typed(
    api: httpx.AsyncClient, sqlite_store: Store, decision: dict[str, str]
) -> None:
    path = await ask(sqlite_store)

    answer = await decide(api, path, **TYPED | decision)

    page = Page(answer)
    assert answer.status_code == 400
    assert page["alert"] == ["Nothing was recorded yet. Choose Approve or Reject."]
    assert page["textarea"] == [TYPED["reason"], TYPED["modifiedParams"]]


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "message"),
    [
        (b'{"decision": "approved"}', "application/json", 415, f"sent as Content-Type: {FORM}."),
        (b"decision=approved", "", 415, f"sent as Content-Type: {FORM}."),
        (b"decision=approved", "multipart/form-data", 415, f"sent as Content-Type: {FORM}."),
        (b"reason=" + b"x" * 262_144, FORM, 413, "must be at most 262144 bytes."),
        (b"decision=approved&reason=\xff", FORM, 400, "The form cannot be read."),
        (b"decision=approved&reason=%ff", FORM, 400, "The form cannot be read."),
        (b"decision=approved" + b"&a=b" * 60, FORM, 400, "The form cannot be read."),
    ],
)
async def test_form_that_cannot_be_read_records_nothing(
    api: httpx.AsyncClient,
    sqlite_store: Store,
    body: bytes,
    content_type: str,
    status: int,
    message: str,
) -> None:
    path = await ask(sqlite_store)

    answer = await api.post(path, content=body, headers={"Content-Type": content_type})

    page = Page(answer)
    assert (answer.status_code, page["h1"]) == (status, ["Nothing was recorded"])
    assert f"{message} Go back to the request to decide." in page["p"][0]
    assert (await sqlite_store.get_interrupt_status(path.split("/")[-1])).is_pending


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:3003"},
        {"Origin": "http://127.0.0.1:3002.evil.example"},
        {"Origin": "http://[broken"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1:3002", "Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_form_sent_by_another_web_page_records_nothing(
    api: httpx.AsyncClient, sqlite_store: Store, headers: dict[str, str]
) -> None:
    path = await ask(sqlite_store)

    answer = await api.post(path, data={"decision": "approved"}, headers=headers)

    assert (answer.status_code, Page(answer)["h1"]) == (403, ["Nothing was recorded"])
    assert (await sqlite_store.get_interrupt_status(path.split("/")[-1])).is_pending


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://127.0.0.1:3002", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "http://127.0.0.1:3002", "Host": "localhost:8080"},
        {"Origin": "https://localhost:8080", "Host": "localhost:8080"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_form_sent_by_this_page_is_taken_behind_a_proxy_too(
    api: httpx.AsyncClient, sqlite_store: Store, headers: dict[str, str]
) -> None:
    path = await ask(sqlite_store)

    answer = await api.post(path, data={"decision": "approved"}, headers=headers)

    assert answer.status_code == 303


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:3002", "", "[::1"])
async def test_unknown_host_name_is_refused(
    api: httpx.AsyncClient, sqlite_store: Store, method: str, host: str
) -> None:
    path = await ask(sqlite_store)

    answer = await api.request(method, path, data={"decision": "approved"}, headers={"Host": host})

    assert answer.status_code == 421
    assert (await sqlite_store.get_interrupt_status(path.split("/")[-1])).is_pending


async def test_field_that_the_form_does_not_have_is_refused_by_name(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store)

    answer = await decide(api, path, decision="approved", **{"<b>decidedBy": "me"})

    assert answer.status_code == 400
    assert "&lt;b&gt;decidedBy is not a known field" in answer.text
    assert (await api.get(path.replace("review", "interrupts"))).json()["status"] == "pending"
