"""The reviewers' lists, on each kind of database: order, search, pages, names."""

import itertools
import json

import pytest

from loopin_mcp.api.database.steps import Database
from loopin_mcp.api.store.inbox_lists import MOST_NAMES, Names
from loopin_mcp.api.store.search import Search
from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import InvalidRequestError
from loopin_mcp.wire.models import Decision
from tests.support import AGENT, REVIEWER, Clock, new_interrupt
from tests.support.auditing import edit


async def ask(store: Store, action: str, **changes: object) -> str:
    created = await store.create_interrupt(new_interrupt(action=action, **changes), AGENT)
    return created.interrupt_id


async def settle(store: Store, clock: Clock, action: str, **changes: object) -> str:
    """Create an interrupt, and reject it a second later."""
    interrupt_id = await ask(store, action, **changes)
    clock.advance(1)
    await store.decide_interrupt(interrupt_id, Decision(decision="rejected"), REVIEWER)
    return interrupt_id


async def pending(store: Store, **search: str) -> list[str]:
    """The actions of the pending interrupts that match."""
    found = await store.overview.list_inbox(Search.model_validate(search), limit=50)
    assert found.count == found.listed == len(found.waiting)
    return [each.interrupt.action for each in found.waiting]


async def settled(store: Store, **search: str) -> list[str]:
    """The actions of the settled interrupts that match."""
    found = await store.history.list_settled(Search.model_validate(search), limit=50)
    return [each.interrupt.action for each in found.settled]


async def test_most_urgent_comes_first_and_then_what_expires_first(
    store: Store, clock: Clock
) -> None:
    await ask(store, "low", urgency="low", expires_in=10)
    await ask(store, "medium", urgency="medium", expires_in=20)
    await ask(store, "high, later", urgency="high", expires_in=2_592_000)
    await ask(store, "high, sooner", urgency="high", expires_in=30)

    assert await pending(store) == ["high, sooner", "high, later", "medium", "low"]
    clock.advance(20)
    assert await pending(store) == ["high, sooner", "high, later"]


async def test_parts_of_what_waits_join_without_gap_and_the_count_is_of_all(store: Store) -> None:
    for urgency, number in itertools.product(("low", "high", "medium"), range(3)):
        await ask(store, f"{urgency} {number}", urgency=urgency)
    await ask(store, "another's", user_id="user-2")

    actions: list[str] = []
    cursor = None
    while cursor is not None or not actions:
        part = await store.overview.list_inbox(Search(user="user-1"), limit=4, cursor=cursor)
        assert part.count == 9
        actions += [each.interrupt.action for each in part.waiting]
        cursor = part.next_cursor

    urgencies = itertools.product(("high", "medium", "low"), "012")
    assert actions == [f"{urgency} {number}" for urgency, number in urgencies]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ({}, ["Überweise 100 % an Łódź", "Pay ﬁve _dollars_", "Delete İzmir"]),
        ({"q": "überWEISE"}, ["Überweise 100 % an Łódź"]),
        ({"q": "łÓDŹ über"}, ["Überweise 100 % an Łódź"]),
        ({"q": "u\N{COMBINING DIAERESIS}berweise"}, ["Überweise 100 % an Łódź"]),
        ({"q": "FIVE"}, ["Pay ﬁve _dollars_"]),
        ({"q": "100 %"}, ["Überweise 100 % an Łódź"]),
        ({"q": "%"}, ["Überweise 100 % an Łódź"]),
        ({"q": "_"}, ["Pay ﬁve _dollars_"]),
        ({"q": "!"}, []),
        ({"q": "strasse"}, ["Delete İzmir"]),
        ({"q": "BÜRO"}, ["Delete İzmir"]),
        ({"q": "agent-b"}, ["Pay ﬁve _dollars_"]),
        ({"q": "pay delete"}, []),
        ({"q": "  "}, ["Überweise 100 % an Łódź", "Pay ﬁve _dollars_", "Delete İzmir"]),
        ({"user": "büro"}, ["Delete İzmir"]),
        ({"user": "Büro"}, []),
        ({"agent": "agent-B"}, ["Pay ﬁve _dollars_"]),
        ({"urgency": "low"}, ["Delete İzmir"]),
        ({"user": "büro", "agent": "agent-1", "urgency": "low", "q": "ZMIR"}, ["Delete İzmir"]),
        ({"user": "büro", "agent": "agent-B"}, []),
    ],
)
async def test_search_and_filters_find_what_they_say(
    store: Store, clock: Clock, search: dict[str, str], found: list[str]
) -> None:
    asked: list[tuple[str, dict[str, object]]] = [
        ("Überweise 100 % an Łódź", {"urgency": "high"}),
        ("Pay ﬁve _dollars_", {"agent_id": "agent-B"}),
        ("Delete İzmir", {"user_id": "büro", "urgency": "low", "context": {"at": "Straße"}}),
    ]
    for action, changes in asked:
        await ask(store, action, **changes)
        await settle(store, clock, action, **changes)

    assert await pending(store, **search) == found
    assert await settled(store, **search) == found[::-1]


@pytest.mark.parametrize(
    ("searched", "found"),
    [
        ("!", ["Pay now! 5%_"]),
        ("now!", ["Pay now! 5%_"]),
        ("!%", []),
        ("!_", []),
        ("5%_", ["Pay now! 5%_"]),
    ],
)
async def test_marks_of_patterns_stand_for_themselves(
    store: Store, searched: str, found: list[str]
) -> None:
    await ask(store, "Pay now! 5%_")
    await ask(store, "Pay later 50")

    assert await pending(store, q=searched) == found


async def test_search_heeds_its_first_ten_words(store: Store) -> None:
    words = [f"word-{number}" for number in range(10)]
    await ask(store, " ".join(words))

    assert len(await pending(store, q=" ".join([*words, "another"]))) == 1
    assert await pending(store, q=" ".join([*words[:9], "another"])) == []


async def test_interrupt_is_found_by_its_id(store: Store) -> None:
    await ask(store, "One")
    interrupt_id = await ask(store, "Two")

    assert await pending(store, q=f" {interrupt_id.upper()} ") == ["Two"]
    assert await pending(store, q=interrupt_id[:8]) == []


async def test_history_tells_how_each_ended_and_when_newest_first(
    store: Store, clock: Clock
) -> None:
    cancelled = await ask(store, "cancelled")
    await ask(store, "expired", expires_in=10)
    await settle(store, clock, "rejected")
    clock.advance(1)
    await store.cancel_interrupt(cancelled, AGENT)
    clock.advance(60)
    await store.expire_interrupts()

    found = await store.history.list_settled(Search(), limit=50)

    start = clock() - 62_000
    assert [
        (each.interrupt.status, round(each.settled_at.timestamp() * 1000) - start)
        for each in found.settled
    ] == [("expired", 10_000), ("cancelled", 2_000), ("rejected", 1_000)]
    assert (found.next_cursor, found.looked_back_to) == (None, None)
    assert await settled(store, status="cancelled") == ["cancelled"]


async def test_parts_of_the_history_join_without_gap(store: Store, clock: Clock) -> None:
    asked = [await ask(store, str(number)) for number in range(5)]
    for number, interrupt_id in enumerate(asked):
        # Some have the same millisecond.
        clock.advance(0.001 * (number % 2))
        await store.decide_interrupt(interrupt_id, Decision(decision="rejected"), REVIEWER)

    first = await store.history.list_settled(Search(), limit=3)
    await settle(store, clock, "new")
    rest = await store.history.list_settled(Search(), limit=3, cursor=first.next_cursor)

    assert [each.interrupt.action for each in (*first.settled, *rest.settled)] == list("43210")
    assert rest.next_cursor is None


async def test_search_that_finds_little_stops_and_goes_on_from_there(
    store: Store, clock: Clock
) -> None:
    actions = ["wanted", "other 1", "other 2", "wanted too", "other 3"]
    for action in actions:
        await settle(store, clock, action)
    looks = []

    cursor: str | None = ""
    while cursor is not None:
        look = await store.history.list_settled(
            Search(q="wanted"), limit=50, cursor=cursor or None, search_through=2
        )
        looks.append(([each.interrupt.action for each in look.settled], look.looked_back_to))
        cursor = look.next_cursor

    found, back_to = zip(*looks, strict=True)
    assert found == (["wanted too"], [], ["wanted"])
    assert [moment and round(clock() / 1000 - moment.timestamp()) for moment in back_to] == [
        1,
        3,
        None,
    ]


@pytest.mark.parametrize("cursor", ["x", "!", "MTpub25l"])
async def test_cursor_of_ones_own_making_is_refused(store: Store, cursor: str) -> None:
    for listing in (store.overview.list_inbox, store.history.list_settled):
        with pytest.raises(InvalidRequestError, match="cursor is not one that this API gave"):
            await listing(Search(), limit=5, cursor=cursor)


async def test_names_are_those_there_are_in_order_and_not_endless(
    store: Store, clock: Clock
) -> None:
    assert await store.overview.list_names() == Names((), ())

    await settle(store, clock, "Pay", user_id="zoë", agent_id="billing")
    await ask(store, "Pay", user_id="adam", agent_id="billing")
    assert await store.overview.list_names() == Names(("adam", "zoë"), ("billing",))

    for number in range(MOST_NAMES):
        await ask(store, "Pay", user_id=f"user {number}")
    assert len((await store.overview.list_names()).users) == MOST_NAMES


# Eight of these fill a page.
LARGE = {"note": "x" * 65_000}


async def test_page_ends_before_its_rows_become_too_large(store: Store, clock: Clock) -> None:
    large = [await ask(store, f"large {place}", context=LARGE) for place in range(12)]
    clock.advance(1)
    await ask(store, "small")

    pages: list[list[str]] = []
    cursor: str | None = None
    while cursor or not pages:
        page = await store.list_pending_interrupts("user-1", limit=13, cursor=cursor)
        pages.append([each.interrupt_id for each in page.interrupts])
        cursor = page.next_cursor
    queue = await store.overview.list_inbox(Search(), limit=13)
    rest = await store.overview.list_inbox(Search(), limit=13, cursor=queue.next_cursor)
    for interrupt_id in large:
        await store.cancel_interrupt(interrupt_id, AGENT)
    history = await store.history.list_settled(Search(), limit=13)
    older = await store.history.list_settled(Search(), limit=13, cursor=history.next_cursor)

    assert list(map(len, pages)) == [10, 3]
    assert len({*itertools.chain(*pages)}) == 13
    assert [len(queue.waiting), len(rest.waiting)] == [9, 4]
    assert [queue.count, rest.next_cursor] == [13, None]
    assert [len(history.settled), len(older.settled)] == [9, 3]


async def test_page_has_a_row_however_large_it_is(store: Store, database: Database) -> None:
    """An earlier version may have stored it."""
    huge = json.dumps({"text": "x" * 600_000})
    for action in ("first", "second"):
        interrupt_id = await ask(store, action)
        change = f"UPDATE interrupts SET context = '{huge}' WHERE TRUE"  # noqa: S608 - a constant
        await edit(database, interrupt_id, change)

    page = await store.list_pending_interrupts("user-1", limit=5)
    last = await store.list_pending_interrupts("user-1", limit=5, cursor=page.next_cursor)

    assert [each.context == json.loads(huge) for each in page.interrupts] == [True]
    assert (len(last.interrupts), last.next_cursor) == (1, None)
