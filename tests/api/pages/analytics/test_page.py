"""The analytics page: figures of one user or of all, in words, numbers and charts."""

import pytest

from loopin_mcp.api.store.store import Store
from tests.support import AGENT, Clock, new_interrupt
from tests.support.answers import APPROVED, DAY_S, MASKED, REJECTED, answered, shown


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    return sqlite_store


async def test_figures_of_everybody_are_shown_in_human_units(store: Store, clock: Clock) -> None:
    await answered(store, clock, APPROVED, 2.5, urgency="high")
    await answered(store, clock, APPROVED, 95)
    await answered(store, clock, REJECTED, 3000, user_id="user-2", action="Deploy")
    await store.create_interrupt(new_interrupt(urgency="low"), AGENT)

    page = await shown(store)

    assert page["h1"] == ["Analytics · All users"]
    assert page.facts == {
        "Requests": "4 1 waiting now",
        "Approved": "67% 2 of 3 decisions",
        "Median response": "1 min 35 s Half are faster",
        "Average response": "17 min 12 s From request to decision",
        "p95 response": "45 min 10 s 95% are faster",
    }
    assert page["h2"] == [
        "Decisions over time",
        "By agent",
        "By type of action",
        "By reviewer",
        "Response times by hour of day",
        "By status",
        "By urgency",
        "Most-asked users",
    ]
    assert page["numbers-tr"][31:] == [
        "Agent Approved Rejected Average time",
        "agent-1 2 1 17 min 12 s",
        "Type of action Approved Rejected Average time",
        f"{MASKED} 2 0 49 s",
        "Deploy 0 1 50 min",
        "Reviewer Approved Rejected Average time",
        "alice 2 1 17 min 12 s",
        "Asked Average time Decisions",
        "15:00 17 min 12 s 3",
        "Status Number Share",
        "Approved 2 50%",
        "Rejected 1 25%",
        "Pending 1 25%",
        "Expired 0 0%",
        "Cancelled 0 0%",
        "Urgency Number Share",
        "High 1 25%",
        "Medium 2 50%",
        "Low 1 25%",
        "User Number Share",
        "user-1 3 75%",
        "user-2 1 25%",
    ]
    assert {each["class"] for each in page.attributes if each.get("aria-hidden")} == {"bar-of"}


async def test_figures_of_one_user_leave_the_others_out(store: Store, clock: Clock) -> None:
    await answered(store, clock, APPROVED)
    await answered(store, clock, REJECTED, 1, user_id="user 2/ü", action="Deploy")

    page = await shown(store, "?user=user+2%2F%C3%BC")

    assert page["h1"] == ["Analytics · user 2/ü"]
    assert page.facts["Requests"] == "1 0 waiting now"
    assert page.facts["Approved"] == "0% 0 of 1 decisions"
    assert page.facts["Median response"] == "1.0 s Half are faster"
    assert "Most-asked users" not in page["h2"]
    assert page.element(id="user")["value"] == "user 2/ü"
    assert MASKED not in page["table"][-1]


async def test_chart_has_a_name_and_a_description(store: Store, clock: Clock) -> None:
    await answered(store, clock, APPROVED)

    page = await shown(store)

    image = page.element(role="img")
    named = {each["id"]: each[""] for each in page.attributes if each.get("id")}
    assert (named[image["aria-labelledby"]], named[image["aria-describedby"]]) == ("title", "desc")
    assert page["desc"] == [
        "Approvals are shown above the line and rejections below it, since 17 May 2025. "
        "“In numbers” below has the numbers."
    ]


async def test_what_nobody_decided_is_in_no_breakdown(store: Store, clock: Clock) -> None:
    await answered(store, clock, APPROVED, user_id="user-2")
    clock.advance(31 * DAY_S)
    await store.create_interrupt(new_interrupt(), AGENT)

    page = await shown(store)

    assert "By agent" not in page["h2"]
    assert "By agent" in (await shown(store, "?days=90"))["h2"]
    assert "By agent" not in (await shown(store, "?days=90&user=user-1"))["h2"]


async def test_most_frequent_come_first_and_few_are_named(store: Store, clock: Clock) -> None:
    for number in range(11):
        await answered(store, clock, APPROVED, agent_id=f"agent-{number:02}")
    await answered(store, clock, REJECTED, agent_id="agent-10")

    page = await shown(store)

    table = next(each for each in page["table"] if "agent-10" in each)
    assert table.split()[:8] == [
        "Agent",
        "Approved",
        "Rejected",
        "Average",
        "time",
        "agent-10",
        "1",
        "1",
    ]
    assert "agent-09" not in table
    assert "Decisions since 17 May 2025. The 10 with the most." in page["quiet"]


async def test_decisions_are_shown_day_by_day_newest_first(store: Store, clock: Clock) -> None:
    await answered(store, clock, REJECTED)
    clock.advance(2 * DAY_S)
    await answered(store, clock, APPROVED)
    await answered(store, clock, APPROVED)

    page = await shown(store, "?days=7")

    assert page["numbers-tr"][:8] == [
        "Day Approved Rejected",
        "17 Jun 2025 2 0",
        "16 Jun 2025 0 0",
        "15 Jun 2025 0 1",
        "14 Jun 2025 0 0",
        "13 Jun 2025 0 0",
        "12 Jun 2025 0 0",
        "11 Jun 2025 0 0",
    ]
    assert page["title"].count("15 Jun 2025: 0 approved, 1 rejected") == 1
    assert page["label"] == ["User", "11 Jun", "13 Jun", "15 Jun", "17 Jun"]
    columns = [each for each in page.attributes if each.get("class") in ("approved", "rejected")]
    assert [each["height"] for each in columns[:14] if each["height"] != "0em"] == [
        "3.667em",
        "7.333em",
    ]


@pytest.mark.parametrize(
    ("days", "step", "steps", "first"),
    [
        ("7", "Day", 7, "9 Jun 2025"),
        ("30", "Day", 30, "17 May 2025"),
        ("90", "Week of", 13, "17 Mar 2025"),
        ("365", "Week of", 53, "10 Jun 2024"),
    ],
)
async def test_periods_go_by_day_and_long_ones_by_week(
    store: Store, clock: Clock, days: str, step: str, steps: int, first: str
) -> None:
    await answered(store, clock, APPROVED)

    page = await shown(store, f"?days={days}&user=user-1")

    assert page["numbers-tr"][0] == f"{step} Approved Rejected"
    assert page["numbers-tr"][steps] == f"{first} 0 0"
    assert page["slot"] == [""] * steps
    assert f"Per {step.split()[0].lower()} since {first}, in UTC." in page["figcaption"][0]
    links = {each["href"]: each.get("aria-current") for each in page.attributes if "href" in each}
    chosen = {link for link, current in links.items() if current == "true"}
    assert chosen == {f"?user=user-1&days={days}"}
    assert {f"?user=user-1&days={other}" for other in (7, 30, 90, 365)} <= links.keys()


async def test_form_chooses_a_user_and_keeps_the_period(store: Store) -> None:
    for user_id in ("rarely", "often", "often"):
        await store.create_interrupt(new_interrupt(user_id=user_id), AGENT)

    page = await shown(store, "?days=90")

    assert page.element(method="get") == {
        "": "form",
        "class": "whose",
        "method": "get",
        "action": "/analytics",
    }
    assert page.element(type="hidden")["value"] == "90"
    assert page.element(id="user")["value"] == ""
    offered = [each["value"] for each in page.attributes if each[""] == "option"]
    assert offered == ["often", "rarely"]
    assert page.element(href="?user=often&days=90")[""] == "a"


@pytest.mark.parametrize(
    ("after_s", "time"),
    [
        (0, "<0.1 s"),
        (0.1, "0.1 s"),
        (9.949, "9.9 s"),
        (9.95, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (3599.6, "1 h"),
        (3660, "1 h 1 min"),
        (86_370, "1 d"),
        (100_000, "1 d 4 h"),
        (2_500_000, "28 d 22 h"),
    ],
)
async def test_times_are_told_in_one_unit_or_two(
    store: Store, clock: Clock, after_s: float, time: str
) -> None:
    await answered(store, clock, APPROVED, after_s, expires_in=2_592_000)

    page = await shown(store)

    assert page.facts["Median response"] == f"{time} Half are faster"
