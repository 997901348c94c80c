"""A decision on a page counts only for the content that the page showed."""

import httpx
import pytest

from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import TamperedError
from tests.support import api_client
from tests.support.auditing import edit
from tests.support.page import Page, ask, decide


def hidden_digest(answer: httpx.Response) -> str:
    return str(Page(answer).element(name="payloadDigest", type="hidden")["value"])


async def test_form_names_what_it_shows(inbox: httpx.AsyncClient, sqlite_store: Store) -> None:
    interrupt_id = (await ask(sqlite_store)).split("/")[-1]
    interrupt = await sqlite_store.get_interrupt_status(interrupt_id)
    shown = hidden_digest(await inbox.get(f"/review/{interrupt_id}"))

    answer = await decide(
        inbox, f"/review/{interrupt_id}", decision="approved", payloadDigest=shown
    )

    events = await sqlite_store.list_events(interrupt_id)
    assert shown == interrupt.payload_digest
    assert answer.status_code == 303
    assert events[-1].detail == {"decision": "approved", "payloadDigest": shown}


@pytest.mark.parametrize("shown", ["0" * 64, "no digest", "</script>"])
async def test_decision_on_something_else_is_not_recorded(
    inbox: httpx.AsyncClient, sqlite_store: Store, shown: str
) -> None:
    interrupt_id = (await ask(sqlite_store)).split("/")[-1]

    answer = await decide(
        inbox, f"/review/{interrupt_id}", decision="approved", reason="Fine", payloadDigest=shown
    )

    page = Page(answer)
    interrupt = await sqlite_store.get_interrupt_status(interrupt_id)
    assert (answer.status_code, interrupt.status) == (409, "pending")
    assert page["title"] == [
        "Transfer $4,200 to vendor account ending in 9821 · Not recorded yet · LoopIn"
    ]
    assert page["alert"] == [
        "Nothing was recorded. The request has changed since you opened it. "
        "Read it again before you decide."
    ]
    assert hidden_digest(answer) == interrupt.payload_digest
    assert page["textarea"] == ["Fine", ""]


async def test_decision_without_a_digest_counts_for_what_is_asked(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store)

    assert (await decide(inbox, path, decision="approved")).status_code == 303


async def test_question_that_was_changed_in_the_database_cannot_be_approved_on_its_page(
    store: Store, database: Database
) -> None:
    async with api_client(store) as browser:
        path = await ask(store)
        interrupt_id = path.split("/")[-1]
        await edit(database, interrupt_id, "UPDATE interrupts SET action = 'Pay more' WHERE TRUE")
        shown = await browser.get(path)
        [digest] = [text for text in Page(shown)["code"] if len(text) == 64]
        form = {"decision": "approved", "payloadDigest": digest}
        answer = await browser.post(path, data=form)

    assert "Pay more" in Page(shown)["action"]
    assert Page(shown)["button"] == []
    for alerts in (Page(shown)["alert"], Page(answer)["alert"]):
        assert alerts[0].startswith("The stored data of this request has been changed: ")
    assert answer.status_code == 409
    with pytest.raises(TamperedError):
        await store.get_interrupt_status(interrupt_id)
