"""Modified parameters are shown beside the proposed ones, field by field."""

import json

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loopin_mcp.api.audit.digests import canonical
from loopin_mcp.api.pages.filters import differences, summed_up
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.fields import JSONObject
from loopin_mcp.wire.models import Interrupt
from tests.support.page import Page, ask, decide

NAMES = st.sampled_from(["a", "b", "", "__proto__", "\u202e"])
SCALARS = st.none() | st.booleans() | st.integers(0, 2) | st.floats(0, 2) | NAMES
JSON = st.recursive(SCALARS, lambda x: st.lists(x) | st.dictionaries(NAMES, x), max_leaves=5)
OBJECTS = st.dictionaries(NAMES, JSON)


@given(asked=st.none() | OBJECTS, decided=st.none() | OBJECTS)
@example(asked={"a": 1}, decided={"a": True})
@example(asked={"a": 1}, decided={"a": 1.0})
@example(asked={"a": None}, decided={"a": None})
def test_every_field_that_was_given_is_told_from_what_was_asked(
    asked: JSONObject | None, decided: JSONObject | None
) -> None:
    interrupt = Interrupt(
        interrupt_id="1", status="approved", action="Pay", context=asked, modified_params=decided
    )

    told = differences(interrupt)

    assert {field.name: field.decided for field in told} == (decided or {})
    for field in told:
        if field.kind == "added":
            assert field.name not in (asked or {})
        else:
            assert asked is not None
            assert field.asked == asked[field.name]
            is_equal = canonical(field.asked) == canonical(field.decided)
            assert field.kind == ("unchanged" if is_equal else "changed")


@pytest.mark.parametrize(
    ("decided", "words"),
    [
        ({}, "an empty object"),
        ({"a": 1}, "1 unchanged"),
        ({"a": 2, "b": 2, "c": 3, "d": 4}, "1 changed, 2 added, 1 unchanged"),
    ],
)
def test_fields_are_summed_up_by_kind(decided: JSONObject, words: str) -> None:
    interrupt = Interrupt(
        interrupt_id="1",
        status="approved",
        action="Pay",
        context={"a": 1, "b": 2},
        modified_params=decided,
    )

    assert summed_up(differences(interrupt)) == words


async def test_page_and_lists_show_the_difference(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store, context={"amount": 4200, "to": {"iban": "GB29"}, "n": 1})
    modified = {"amount": 4000, "to": {"iban": "GB29"}, "n": True, "<b>\u202e": "\u200b"}
    await decide(inbox, path, decision="approved", modifiedParams=json.dumps(modified))

    pages = [Page(await inbox.get(place)) for place in (path, "/history", "/")]

    for page in pages:
        assert page["difference-tr"] == [
            "Name Proposed Approved",
            "amount changed 4200 4000",
            'to unchanged { "iban": "GB29" } { "iban": "GB29" }',
            "n changed 1 true",
            "<b>U+202E added — U+200B",
        ]
    for page in pages[1:]:
        assert "Modified parameters: 2 changed, 1 added, 1 unchanged" in page["summary"]


async def test_what_is_too_long_for_a_list_is_shown_on_its_page(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store)
    modified = json.dumps({"amount": "x" * 10_000})
    await decide(inbox, path, decision="approved", modifiedParams=modified)

    listed, own = Page(await inbox.get("/history")), Page(await inbox.get(path))

    assert listed["difference-tr"] == []
    assert listed["summary"] == ["Modified parameters: 1 changed"]
    assert "Too long for this list: view the request." in listed["p"]
    assert own["difference-tr"][1] == f"amount changed 4200 {'x' * 10_000}"


async def test_decision_that_changes_nothing_shows_no_difference(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store)
    await decide(inbox, path, decision="rejected")

    for place in (path, "/history"):
        assert Page(await inbox.get(place))["difference-tr"] == []
