"""The analytics page with little data, and with hostile text."""

from urllib.parse import urlencode

import pytest

from loopin_mcp.api.store.store import Store
from tests.support import AGENT, KEY, PUBLIC_URL, Clock, Down, api_client, new_interrupt
from tests.support.answers import APPROVED, DAY_S, answered, shown
from tests.support.page import Page


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    return sqlite_store


async def test_blank_user_stands_for_everybody(store: Store) -> None:
    await store.create_interrupt(new_interrupt(), AGENT)

    page = await shown(store, "?user=+&days=30")

    assert page["h1"] == ["Analytics · All users"]
    assert page.facts["Requests"] == "1 1 waiting now"


async def test_without_any_request_the_page_says_so(store: Store) -> None:
    page = await shown(store)

    assert page["h2"] == ["No data yet"]
    assert (page["figure"], page["dl"]) == ([], [])


async def test_unknown_user_is_told_apart_from_an_empty_inbox(store: Store) -> None:
    await store.create_interrupt(new_interrupt(), AGENT)

    page = await shown(store, "?user=User-1&days=7")

    assert page["h1"] == ["Analytics · User-1"]
    assert page["h2"] == ["No requests for this user"]
    assert [each["href"] for each in page.attributes if each.get("href") == "?days=7"] != []


async def test_nothing_decided_is_said_and_not_drawn(store: Store, clock: Clock) -> None:
    await answered(store, clock, APPROVED, user_id="user-2")
    clock.advance(40 * DAY_S)
    await store.create_interrupt(new_interrupt(expires_in=60), AGENT)
    clock.advance(60)

    undecided = await shown(store, "?user=user-1")
    not_lately = await shown(store, "?user=user-2")
    long_ago = await shown(store, "?user=user-2&days=90")

    assert undecided.facts["Approved"] == "– No decisions yet"
    assert undecided.facts["p95 response"] == "– No decisions yet"
    assert not_lately.facts["Approved"] == "100% 1 of 1 decisions"
    for page in (undecided, not_lately):
        assert "No decisions in this period." in page["figure"][0]
        assert len(page["table"]) == 2
    assert len(long_ago["table"]) == 7


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("?days=31", "days must be '7', '30', '90' or '365'."),
        ("?days=", "days must be '7', '30', '90' or '365'."),
        ("?user=" + "u" * 201, "user must be at most 200 characters."),
        ("?user=a%00b", "user must not be blank and must not contain NUL."),
    ],
)
async def test_query_that_cannot_be_is_refused_as_a_page(
    store: Store, query: str, message: str
) -> None:
    page = await shown(store, query, 400)

    assert page["h1"] == ["Analytics cannot be shown"]
    assert message in page["main"][0]


async def test_database_that_is_down_is_said_as_a_page(clock: Clock) -> None:
    page = await shown(Store(Down(), PUBLIC_URL, clock), status=503)

    assert page["h1"] == ["Analytics cannot be shown"]


async def test_signed_out_browser_is_led_to_sign_in_and_back(store: Store) -> None:
    await store.create_interrupt(new_interrupt(), AGENT)

    async with api_client(store, api_key=KEY) as browser:
        answer = await browser.get("/analytics?user=user-1&days=7")

    form = Page(answer).element(**{"": "form"})
    assert answer.status_code == 401
    assert form["action"] == "/sign-in?next=analytics%3Fuser%3Duser-1%26days%3D7"
    assert "user-1" not in answer.text.partition("<form")[0]


ZALGO = "Z" + "\u0301\u0336" * 300
CODED_ZALGO = "Z\u0301" + "U+0336U+0301" * 59


@pytest.mark.parametrize(
    ("action", "shown_type", "shown_user"),
    [
        ("</td></svg><script>alert(x)</script>",) * 3,
        ("__proto__",) * 3,
        ("Pay \u202eknaB", "Pay U+202EknaB", "Pay U+202EknaB"),
        ("a\u200b", "aU+200B", "aU+200B"),
        ("' onload=x {{ 7*7 }}", "' onload=x {{ <number>*<number> }}", "' onload=x {{ 7*7 }}"),
        ("Z" * 2000, "Z" * 120 + "…", "Z" * 120 + "…"),
        (ZALGO, CODED_ZALGO + "…", CODED_ZALGO + "…"),
    ],
)
async def test_hostile_names_are_shown_as_inert_text(
    store: Store, clock: Clock, action: str, shown_type: str, shown_user: str
) -> None:
    user_id = action[:200]
    await answered(store, clock, APPROVED, action=action, user_id=user_id)

    page = await shown(store)
    own = await shown(store, "?" + urlencode({"user": user_id}))

    of_type, of_user = page["name"].index("Type of action"), page["name"].index("User")
    assert page["name"][of_type + 1 : of_type + 2] == [shown_type]
    assert page["name"][of_user + 1 :] == [shown_user]
    assert [each[""] for each in page.attributes].count("script") == 4
    assert (len(page["img"]), len(page["table"])) == (1, 8)
    assert own["h1"][0].startswith(f"Analytics · {shown_user.rstrip('…')}")
    assert own.element(id="user")["value"] == user_id
    assert own.facts["Requests"] == "1 0 waiting now"
