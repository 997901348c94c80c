"""The history by days in UTC, and by reasons, on each kind of database."""

import json

import pytest

from loopin_mcp.api.store.search import Search
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, REVIEWER, Clock, new_interrupt

HALF_DAY_S = 43_200
# Half a day lies between two of them; the first was settled on 15 June 2025 at 15:06.
SETTLED = 6


async def settle(store: Store, reason: str | None = None, **changes: object) -> str:
    created = await store.create_interrupt(new_interrupt(**changes), AGENT)
    decision = Decision(decision="approved", reason=reason)
    await store.decide_interrupt(created.interrupt_id, decision, REVIEWER)
    return created.interrupt_id


async def found(
    store: Store, search: dict[str, str], limit: int = 50, through: int = 50
) -> list[str]:
    """The actions of all settled interrupts that match, from as many parts as there are."""
    actions: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        part = await store.history.list_settled(
            Search.model_validate(search),
            limit=limit,
            cursor=cursor or None,
            search_through=through,
        )
        actions += [each.interrupt.action for each in part.settled]
        cursor = part.next_cursor
    return actions


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ({"from": "2025-06-16"}, "54321"),
        ({"from": "2025-06-16", "to": "2025-06-16"}, "21"),
        ({"to": "2025-06-16"}, "210"),
        ({"from": "2025-06-17", "to": "2025-06-17"}, "43"),
        ({"from": "2025-06-19"}, ""),
        ({"from": "2025-06-17", "to": "2025-06-16"}, ""),
        ({"from": "0001-01-01", "to": "9999-12-31"}, "543210"),
    ],
)
@pytest.mark.parametrize(
    "more", [{}, {"user": "user-1"}, {"agent": "agent-1"}, {"q": "pay"}, {"status": "approved"}]
)
async def test_days_are_included_in_every_part_of_the_history(
    store: Store, clock: Clock, days: dict[str, str], expected: str, more: dict[str, str]
) -> None:
    for number in range(SETTLED):
        await settle(store, action=f"Pay {number}", expires_in=2_592_000)
        clock.advance(HALF_DAY_S)

    whole = await found(store, days | more)
    parts = await found(store, days | more, limit=1, through=2)

    assert whole == parts == [f"Pay {number}" for number in expected]


async def test_search_ends_with_the_first_day(store: Store, clock: Clock) -> None:
    for number in range(SETTLED):
        await settle(store, action=f"Pay {number}", expires_in=2_592_000)
        clock.advance(HALF_DAY_S)

    search = Search.model_validate({"q": "pay", "from": "2025-06-17"})
    part = await store.history.list_settled(search, limit=9, search_through=4)

    assert (len(part.settled), part.next_cursor, part.looked_back_to) == (3, None, None)


async def test_words_of_a_reason_are_found(store: Store) -> None:
    await settle(store, "ÜBER the limit, " + "x" * 3900, action="Pay", context={"a": "z" * 20_000})
    await settle(store, None, action="Refund")

    assert await found(store, {"q": "über LIMIT pay"}) == ["Pay"]
    assert await found(store, {"q": "über refund"}) == []
    assert await found(store, {"q": "refund"}) == ["Refund"]


async def test_link_to_a_search_keeps_its_days() -> None:
    search = Search.model_validate({"from": "2025-06-16", "to": "", "q": "a"})

    assert (search.query(), search.narrows) == ("?q=a&from=2025-06-16", True)
    assert json.loads(search.model_dump_json(by_alias=True))["from"] == "2025-06-16"
