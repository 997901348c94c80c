"""The history: settled requests, newest first, with search and pages."""

import httpx
import pytest

from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, REVIEWER, Clock
from tests.support.page import Page, ask
from tests.support.visitors import within


async def settle(store: Store, clock: Clock, how: str, **changes: object) -> None:
    interrupt_id = (await ask(store, **changes)).rpartition("/")[2]
    clock.advance(1)
    if how == "cancelled":
        await store.cancel_interrupt(interrupt_id, AGENT)
    elif how == "expired":
        clock.advance(3600)
        await store.expire_interrupts()
    else:
        decision = Decision.model_validate({"decision": how})
        await store.decide_interrupt(interrupt_id, decision, REVIEWER)


async def test_history_tells_how_each_ended(
    inbox: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    for how in ("approved", "rejected", "cancelled", "expired"):
        await settle(sqlite_store, clock, how, action=f"To be {how}")
    await ask(sqlite_store, action="To be decided")

    answer = await inbox.get("/history")

    page = Page(answer)
    assert (answer.status_code, page["title"]) == (200, ["History · LoopIn"])
    assert page["li"] == [
        "Expired To be expired agent-1 for user-1 1 second ago 15 June 2025, 16:06:43 UTC",
        "Cancelled To be cancelled agent-1 for user-1 60 minutes ago 15 June 2025, 15:06:43 UTC",
        "Rejected by alice To be rejected agent-1 for user-1 60 minutes ago "
        "15 June 2025, 15:06:42 UTC",
        "Approved by alice To be approved agent-1 for user-1 60 minutes ago "
        "15 June 2025, 15:06:41 UTC",
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?status=approved", ["Pay late", "Pay early"]),
        ("?status=approved&q=pay+LATE", ["Pay late"]),
        ("?user=user-2", ["Ship 3"]),
        ("?agent=agent-1&status=rejected", ["Ship 3"]),
        ("?urgency=high", []),
    ],
)
async def test_search_and_filters_narrow_the_history(
    inbox: httpx.AsyncClient, sqlite_store: Store, clock: Clock, query: str, found: list[str]
) -> None:
    await settle(sqlite_store, clock, "approved", action="Pay early")
    await settle(sqlite_store, clock, "approved", action="Pay late")
    await settle(sqlite_store, clock, "rejected", action="Ship 3", user_id="user-2")

    page = Page(await inbox.get(f"/history{query}"))

    assert page["action"] == found
    assert page["empty"] == (
        [] if found else ["Nothing found Try fewer words, or clear the filters."]
    )


async def test_parts_of_the_history_lead_to_each_other(
    inbox: httpx.AsyncClient, sqlite_store: Store, clock: Clock
) -> None:
    for number in range(51):
        await settle(sqlite_store, clock, "approved", action=str(number))

    first = Page(await inbox.get("/history"))
    link = within(inbox, first.element(rel="next")["href"])
    second = Page(await inbox.get(link))

    assert first["action"] == [str(number) for number in range(50, 0, -1)]
    assert second["action"] == ["0"]
    assert (first["pages"], second["pages"]) == (["Older"], ["First page"])


async def test_empty_history_says_what_will_be_there(inbox: httpx.AsyncClient) -> None:
    page = Page(await inbox.get("/history"))

    assert page["empty"] == ["Nothing settled yet Decisions appear here once they are made."]


async def test_reason_is_shown_and_a_long_one_is_cut(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    for reason in ("Too much\u202e", "x" * 4000):
        interrupt_id = (await ask(sqlite_store)).rpartition("/")[2]
        decision = Decision(decision="rejected", reason=reason)
        await sqlite_store.decide_interrupt(interrupt_id, decision, REVIEWER)

    page = Page(await inbox.get("/history"))

    assert page["reason"] == ["x" * 199 + "…", "Too muchU+202E"]
