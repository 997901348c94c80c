"""Modified parameters are shown beside the proposed ones, field by field."""

import json

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import JsonValue

from loopin_mcp.api.audit.digests import canonical
from loopin_mcp.api.pages.changes.differences import (
    differences,
    differences_of,
    in_words,
    summed_up,
)
from loopin_mcp.api.pages.values.budget import Budget
from loopin_mcp.api.pages.values.word_diff import cost_of, word_diff
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.fields import JSONObject
from loopin_mcp.wire.models import Decision, Interrupt
from tests.support import REVIEWER
from tests.support.page import Page, ask, decide

NAMES = st.sampled_from(["a", "b", "", "__proto__", "\u202e"])
SCALARS = st.none() | st.booleans() | st.integers(0, 2) | st.floats(0, 2) | NAMES
JSON = st.recursive(SCALARS, lambda x: st.lists(x) | st.dictionaries(NAMES, x), max_leaves=5)
OBJECTS = st.dictionaries(NAMES, JSON)


@given(asked=st.none() | OBJECTS, decided=st.none() | OBJECTS)
@example(asked={"a": 1}, decided={"a": True})
@example(asked={"a": 1}, decided={"a": 1.0})
@example(asked={"a": None}, decided={"a": None})
def test_every_field_that_was_given_is_compared_with_what_was_asked(
    asked: JSONObject | None, decided: JSONObject | None
) -> None:
    interrupt = Interrupt(
        interrupt_id="1", status="approved", action="Pay", context=asked, modified_params=decided
    )

    told = differences(interrupt)

    flat = [field for field in told if field.name in (decided or {})]
    for field in flat:
        assert decided is not None
        if field.kind == "added":
            assert field.name not in (asked or {})
        else:
            assert asked is not None
            is_equal = canonical(asked[field.name]) == canonical(decided[field.name])
            assert field.kind == ("unchanged" if is_equal else "changed") or not is_equal
    for name in decided or {}:
        assert any(field.name.startswith(name) for field in told)
    assert all(field.words for field in told)


TEXT = "Dear Ann,\nplease pay on Monday the whole sum.\n" + "Fine print. " * 40 + "\nBye, Bob"


def of(asked: JSONObject, decided: JSONObject) -> list[tuple[str, str]]:
    interrupt = Interrupt(
        interrupt_id="1", status="approved", action="Pay", context=asked, modified_params=decided
    )
    return [(field.name, field.kind) for field in differences(interrupt)]


def test_nested_values_are_shown_by_path() -> None:
    payee: JSONObject = {"name": "ACME", "iban": "DE1", "old": 1, "tags": ["a", "b"], "a b": {}}
    changed: JSONObject = {
        "name": "ACME",
        "iban": "DE2",
        "tags": ["a", "c", "d"],
        "a b": [],
        "new": None,
    }

    assert of({"payee": payee, "same": [1]}, {"payee": changed, "same": [1]}) == [
        ("payee.iban", "changed"),
        ("payee.old", "removed"),
        ("payee.tags[1]", "changed"),
        ("payee.tags[2]", "added"),
        ('payee["a b"]', "changed"),
        ("payee.new", "added"),
        ("same", "unchanged"),
    ]


@pytest.mark.parametrize(
    ("asked", "decided", "kinds"),
    [
        ([*range(200)], [*range(200, 400)], [("x", "changed")]),
        ([1, 2], [1], [("x[1]", "removed")]),
        ({"a": 1}, [1], [("x", "changed")]),
        ({}, {"a": 1}, [("x", "changed")]),
    ],
)
def test_values_without_a_common_path_are_shown_whole(
    asked: JsonValue, decided: JsonValue, kinds: list[tuple[str, str]]
) -> None:
    assert of({"x": asked}, {"x": decided}) == kinds


def test_changes_are_said_in_one_line_each() -> None:
    asked: JSONObject = {"amount": 4200, "memo": TEXT, "to": {"a": 1, "b": 2}, "n": "x", "s": 1}
    decided: JSONObject = {
        "amount": 4000,
        "memo": TEXT.replace("Monday", "Tuesday").replace("Bob", "Eve"),
        "to": {"b": 3},
        "n": " ",
        "s": 1,
        "new": "y" * 100,
    }

    assert in_words(asked, decided) == (
        "amount: 4200 → 4000",
        "memo: Monday … Bob → Tuesday … Eve",
        "to.a: removed 1",
        "to.b: 2 → 3",
        'n: x → " "',
        "and 1 more",
    )
    assert in_words({"a": 4200, "b": "1"}, {"a": "4200", "b": 1}) == (
        'a: 4200 → "4200"',
        'b: "1" → 1',
    )
    assert in_words({}, {"new": "y" * 100}) == (f"new: added {'y' * 60} …",)


async def test_changed_text_shows_its_changed_words_and_folds_the_rest(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store, context={"memo": TEXT, "payee": {"iban": "DE1"}})
    changed = TEXT.replace("Monday", "Tues\u202eday").replace("Bob", "Eve")
    modified: JSONObject = {"memo": changed, "payee": {"iban": "DE2"}}
    decision = Decision(decision="approved", modified_params=modified)
    await sqlite_store.decide_interrupt(path.split("/")[-1], decision, REVIEWER)

    for place in (path, "/history"):
        page = Page(await inbox.get(place))
        assert page["del"] == ["[removed: Monday]", "[removed: Bob]"]
        assert page["ins"] == ["[added: TuesU+202Eday]", "[added: Eve]"]
        assert "… 342 characters unchanged" in page["summary"]
        assert page["difference-tr"][-1] == "payee.iban changed DE1 DE2"
    assert Page(await inbox.get(path))["what-changed"] == [
        "memo: Monday … Bob → TuesU+202Eday … Eve payee.iban: DE1 → DE2"
    ]


def test_many_folded_lines_are_counted() -> None:
    lines = "".join(f"line {number}\n" for number in range(60))
    interrupt = Interrupt(
        interrupt_id="1",
        status="approved",
        action="Pay",
        context={"text": f"{lines}one\n{lines}"},
        modified_params={"text": f"{lines}two\n{lines}"},
    )

    [field] = differences(interrupt)

    assert [part.size for part in field.stretches if part.folded] == [
        "50 lines unchanged",
        "48 lines unchanged",
    ]
    shown = "".join(part.text + part.folded + part.rest for part in field.stretches)
    assert shown == f"{lines}onetwo\n{lines}"


@given(before=st.text("ab .\n"), after=st.text("ab .\n"))
@example(before="a b", after="c d")
@example(before="x " * 3000, after="y " * 3000)
@example(before="a b " * 9000, after="b a " * 9000)
def test_parts_of_two_texts_are_both_of_them(before: str, after: str) -> None:
    parts = word_diff(before, after)

    assert "".join(part.text for part in parts if part.kind != "new") == before
    assert "".join(part.text for part in parts if part.kind != "gone") == after
    if before == after:
        assert {part.kind for part in parts} <= {"same"}


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


@pytest.mark.parametrize(("before", "after"), [("!" * 65_536, "?" * 65_536), ("a!" * 99, "")])
def test_comparison_of_hostile_texts_costs_no_more_than_a_decision_may(
    before: str, after: str
) -> None:
    assert Budget(4 * 1024).allows(cost_of(before, after))
    assert {part.kind for part in word_diff(before, after)} <= {"gone", "new"}


CONTEXT: JSONObject = {"amount": 4200, "to": {"iban": "GB29"}, "n": 1, "m": 4200}


async def test_page_and_lists_show_the_difference(
    inbox: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store, context=CONTEXT)
    modified: JSONObject = {
        "amount": 4000,
        "to": {"iban": "GB29"},
        "n": True,
        "m": "4200",
        "<b>\u202e": "\u200b",
    }
    decision = Decision(decision="approved", modified_params=modified)
    await sqlite_store.decide_interrupt(path.split("/")[-1], decision, REVIEWER)

    pages = [Page(await inbox.get(place)) for place in (path, "/history")]

    for page in pages:
        assert page["difference-tr"] == [
            "Name Proposed Approved",
            "amount changed 4200 4000",
            'to unchanged { "iban": "GB29" } { "iban": "GB29" }',
            "n changed 1 true",
            'm changed 4200 "4200"',
            "<b>U+202E added — U+200B",
        ]
    assert "Modified parameters: 3 changed, 1 added, 1 unchanged" in pages[1]["summary"]


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


def test_only_so_much_text_is_compared_by_word() -> None:
    texts = [" ".join(f"w{(n + m) % 97}" for m in range(500)) for n in range(9)]
    asked: JSONObject = {f"text {n}": text for n, text in enumerate(texts)}
    decided: JSONObject = {
        f"text {n}": " ".join(reversed(text.split())) for n, text in enumerate(texts)
    }
    asked["note"] = decided["note"] = "the same "
    asked["last"], decided["last"] = (f"{'a b ' * 3000}{end}" for end in ("4", "5"))

    found = differences_of(asked, decided)

    assert [each.by_word for each in found] == [True] * 3 + [False] * 6 + [True] * 2
    assert not found[8].parts
    assert [part.kind for part in found[10].parts] == ["same", "gone", "new"]
