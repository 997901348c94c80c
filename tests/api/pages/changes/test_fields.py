"""Fields for single values: of their type, filled in, and only differences are recorded."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loopin_mcp.api.audit.digests import canonical, payload_digest
from loopin_mcp.api.pages.changes.changes import read_changes
from loopin_mcp.api.pages.changes.value_fields import MOST_FIELDS, value_fields
from loopin_mcp.api.store.store import Store
from loopin_mcp.wire.models import Interrupt
from tests.support.page import Page, ask, decide

BIG = 12345678901234567890123
# More than a float can hold.
HUGE = 10**400
CONTEXT: dict[str, Any] = {
    "amount": 4200,
    "account": "4200",
    "rate": 0.1,
    "big": BIG,
    "memo": "one\r\ntwo",
    "due": "2026-03-07",
    "at": "2026-03-07T14:05:00Z",
    "urgent": True,
    "currency": "USD",
    "note": None,
    "payee": {"iban": "DE1"},
    "hidden": "a\u200bb",
    "decision": "approved",
    "value.0": "x",
    "__proto__": "y",
    "": "empty",
}
OPTIONS = {"currency": ["USD", "EUR"]}


async def filled(store: Store, path: str) -> dict[str, str]:
    """What a browser sends of an untouched form."""
    interrupt = await store.get_interrupt_status(path.split("/")[-1])
    fields = {field.name: field.proposed for field in value_fields(interrupt)}
    return {"payloadDigest": payload_digest(interrupt), "decision": "approved", **fields}


async def outcome(store: Store, path: str) -> dict[str, Any] | None:
    return (await store.get_interrupt_status(path.split("/")[-1])).modified_params


async def test_each_value_has_a_field_of_its_type(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store, context=CONTEXT, options=OPTIONS)

    page = Page(await api.get(path))

    names = {"amount": 0, "account": 1, "rate": 2, "big": 3, "due": 5, "at": 6}
    found = {key: page.element(name=f"value.{place}") for key, place in names.items()}
    assert {key: (each["type"], each["value"]) for key, each in found.items()} == {
        "amount": ("text", "4200"),
        "account": ("text", "4200"),
        "rate": ("text", "0.1"),
        "big": ("text", str(BIG)),
        "due": ("date", "2026-03-07"),
        "at": ("datetime-local", "2026-03-07T14:05"),
    }
    assert found["amount"]["inputmode"] == "decimal"
    assert page["option"] == ["true", "false", "USD", "EUR"]
    assert "one\ntwo" in page["textarea"]
    assert "Change values (13)" in page["summary"]
    assert "3 values have no field; change them here." in page["hint"][-1]


async def test_untouched_form_changes_nothing(api: httpx.AsyncClient, sqlite_store: Store) -> None:
    path = await ask(sqlite_store, context=CONTEXT, options=OPTIONS)
    form = await filled(sqlite_store, path)

    # Browsers send CRLF.
    await decide(api, path, **{name: text.replace("\n", "\r\n") for name, text in form.items()})

    assert await outcome(sqlite_store, path) is None


async def test_only_differences_are_recorded_and_types_stay(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store, context=CONTEXT, options=OPTIONS)
    form = await filled(sqlite_store, path)
    form |= {
        "value.0": " 4000.10 ",
        "value.1": "4000",
        "value.2": "0.10",
        "value.3": str(HUGE),
        "value.4": "one\r\nthree",
        "value.5": "2026-03-08",
        "value.6": "2026-03-08T09:00",
        "value.7": "1",
        "value.8": "1",
        "value.12": "rejected",
        "value.15": "",
        "modifiedParams": '{"payee": {"iban": "DE2"}, "amount": 4200}',
    }

    await decide(api, path, **form)

    assert await outcome(sqlite_store, path) == {
        "amount": 4000.1,
        "account": "4000",
        "big": HUGE,
        "memo": "one\r\nthree",
        "due": "2026-03-08",
        "at": "2026-03-08T09:00:00Z",
        "urgent": False,
        "currency": "EUR",
        "decision": "rejected",
        "": "",
        "payee": {"iban": "DE2"},
    }


@pytest.mark.parametrize(
    ("name", "typed", "fault"),
    [
        ("value.0", "abc", "amount must be a number such as 4200 or 0.5"),
        ("value.0", "", "amount must be a number"),
        ("value.0", "4,200", "amount must be a number"),
        ("value.0", "true", "amount must be a number"),
        ("value.0", "1e999", "amount must be a number"),
        ("value.0", "9007199254740993.0", "amount has the number 9007199254740993.0, which would"),
        ("value.5", "2026-02-30", "due must be a date such as 2026-03-07"),
        ("value.5", "", "due must be a date"),
        ("value.6", "soon", "at must be a date and time such as 2026-03-07T14:05"),
        ("value.6", "2026-02-30T10:00", "at must be a date and time"),
        ("value.6", "2026-03-07T14:05Z", "at must be a date and time"),
        ("value.8", "2", "currency must be one of the choices"),
        ("value.8", "CHF", "currency must be one of the choices"),
    ],
)
async def test_value_that_is_not_of_its_type_is_a_fault_beside_its_field(
    api: httpx.AsyncClient, sqlite_store: Store, name: str, typed: str, fault: str
) -> None:
    path = await ask(sqlite_store, context=CONTEXT, options=OPTIONS)
    form = await filled(sqlite_store, path)

    answer = await decide(api, path, **form | {name: typed, "value.1": "kept"})

    page = Page(answer)
    assert (answer.status_code, len(page["fault"])) == (400, 1)
    assert page["fault"][0].startswith(fault)
    assert page.element(name=name)["aria-invalid"] == "true"
    assert page.element(name="value.1")["value"] == "kept"
    assert page.element(name="value.1")["data-was"] == "4200"
    assert "open" in page.element(**{"": "details", "class": "changes"})
    assert (await sqlite_store.get_interrupt_status(path.split("/")[-1])).is_pending


async def test_unknown_key_counts_once_the_reviewer_was_warned(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store, context=CONTEXT)
    typed = {"decision": "approved", "modifiedParams": '{"ammount": 4000}'}

    warned = Page(await decide(api, path, **typed))
    confirmed = str(warned.element(name="newKeys")["value"])
    other = {"modifiedParams": '{"ammount": 4000, "amounts": 1, "b": 1, "c": 1, "d": 1}'}
    again = Page(await decide(api, path, **typed | other, newKeys=confirmed))
    await decide(api, path, **typed, newKeys=confirmed)

    assert warned["fault"] == [
        'This has "ammount", which the request does not have. Did you mean "amount"? Correct it, '
        "or decide again to add it as it is."
    ]
    assert again["fault"][0].startswith('This has "amounts", "b", "c" and 1 more, which')
    assert await outcome(sqlite_store, path) == {"ammount": 4000}


@pytest.mark.parametrize("confirmed", ["", "{", "1", '{"zzz": 1}', '["other", 1]'])
async def test_nothing_else_confirms_an_unknown_key(
    api: httpx.AsyncClient, sqlite_store: Store, confirmed: str
) -> None:
    path = await ask(sqlite_store, context={"a": 1})
    form = {"decision": "approved", "modifiedParams": '{"zzz": 1}', "newKeys": confirmed}

    page = Page(await decide(api, path, **form))

    assert page["fault"] == [
        'This has "zzz", which the request does not have. Correct it, or decide again to add it '
        "as it is."
    ]


async def test_field_and_json_must_not_differ(api: httpx.AsyncClient, sqlite_store: Store) -> None:
    path = await ask(sqlite_store, context=CONTEXT)
    form = await filled(sqlite_store, path) | {"value.0": "4000"}

    page = Page(await decide(api, path, **form, modifiedParams='{"amount": 4100}'))
    await decide(api, path, **form, modifiedParams='{"amount": 4000}')

    assert page["fault"] == [
        'This changes "amount", which its own field changes, too: change it in one place.'
    ]
    assert await outcome(sqlite_store, path) == {"amount": 4000}


@pytest.mark.parametrize(
    ("form", "fault"),
    [
        ({"value.9999": "1"}, "value.9999 is not a field of this request"),
        ({"value.10": "1"}, "value.10 is not a field of this request"),
        ({"value.99999": "1"}, "value.99999 is not a known field"),
        ({"value.0": "1", "payloadDigest": ""}, "payloadDigest is required with changed values"),
    ],
)
async def test_field_of_another_form_is_refused(
    api: httpx.AsyncClient, sqlite_store: Store, form: dict[str, str], fault: str
) -> None:
    path = await ask(sqlite_store, context=CONTEXT)

    answer = await decide(api, path, **await filled(sqlite_store, path) | form)

    assert answer.status_code == 400
    assert fault in Page(answer)["p"][0]


async def test_values_of_another_context_are_not_put_into_the_form(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store, context=CONTEXT)
    form = await filled(sqlite_store, path) | {"value.0": "1", "payloadDigest": "0" * 64}

    answer = await decide(api, path, **form)

    assert answer.status_code == 409
    assert Page(answer).element(name="value.0")["value"] == "4200"


async def test_late_decision_shows_what_was_changed(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store, context=CONTEXT, options=OPTIONS)
    form = await filled(sqlite_store, path) | {"value.0": "4000", "value.8": "1"}
    await decide(api, path, decision="rejected")

    page = Page(await decide(api, path, **form))

    assert (page.facts["amount"], page.facts["currency"]) == ("4000", "EUR")


async def test_only_what_may_be_changed_has_a_field(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    path = await ask(sqlite_store, context=CONTEXT, editable=["payee", "amount"])
    none = await ask(sqlite_store, context=CONTEXT, editable=[])

    page, closed = Page(await api.get(path)), Page(await api.get(none))
    form = await filled(sqlite_store, path)
    refused = Page(await decide(api, path, **form, modifiedParams='{"account": "1"}'))
    sent = Page(await decide(api, none, decision="approved", modifiedParams='{"amount": 1}'))

    assert "Change values (1)" in page["summary"]
    assert "You can change only these values." in page["hint"]
    assert "1 value has no field; change it here." in page["hint"][-1]
    assert refused["fault"][0].startswith(
        'This has a change that is not allowed: "account" cannot be changed: only "payee", "amount"'
    )
    assert "The values of this request cannot be changed." in closed["hint"]
    assert [text for text in closed["summary"] if "Change" in text] == []
    assert "Nothing was recorded yet." in sent["alert"][0]


async def test_request_of_a_thousand_keys_has_fields_for_the_first(
    api: httpx.AsyncClient, sqlite_store: Store
) -> None:
    keys = {f"key {number}": number for number in range(1000)}
    path = await ask(sqlite_store, context=keys)
    named = await ask(sqlite_store, context=keys, editable=["key 999"])

    page = Page(await api.get(path))
    await decide(api, named, **await filled(sqlite_store, named) | {"value.999": "5"})

    assert f"Change values ({MOST_FIELDS})" in page["summary"]
    assert "950 values have no field; change them here." in page["hint"][-1]
    assert await outcome(sqlite_store, named) == {"key 999": 5}


@pytest.mark.parametrize(
    "value",
    [
        None,
        [1],
        {"a": 1},
        "a\u202eb",
        "lone \r return",
        "mixed\r\nline\nbreaks",
        "\0",
        "\x1b[31m",
    ],
)
def test_value_that_a_field_cannot_hold_is_left_to_json(value: object) -> None:
    assert value_fields(asked({"value": value, "k" * 201: 1})) == ()


def test_long_texts_have_fields_as_far_as_a_form_can_hold_them() -> None:
    context = {"first": "a" * 30_000, "second": "b" * 5_000, "third": "c" * 100, "fourth": "d"}

    found = {field.key: (field.kind, field.rows) for field in value_fields(asked(context))}

    assert found == {"first": ("long", 12), "third": ("long", 2), "fourth": ("text", 2)}


@pytest.mark.parametrize(
    ("value", "kind", "proposed", "typed", "read"),
    [
        ("2026-13-07", "text", "2026-13-07", "x", "x"),
        ("2026-02-30", "text", "2026-02-30", "x", "x"),
        ("2026-02-30T10:00", "text", "2026-02-30T10:00", "x", "x"),
        ("2026-03-07T25:00", "text", "2026-03-07T25:00", "x", "x"),
        (
            "2026-03-07 14:05:09+02:00",
            "datetime-local",
            "2026-03-07T14:05:09",
            "2026-03-07T14:05",
            "2026-03-07 14:05:00+02:00",
        ),
        (
            "2026-03-07T14:05",
            "datetime-local",
            "2026-03-07T14:05",
            "2026-03-07T14:06:30",
            "2026-03-07T14:06:30",
        ),
    ],
)
def test_dates_and_times_keep_their_form(
    value: str, kind: str, proposed: str, typed: str, read: str
) -> None:
    [field] = value_fields(asked({"at": value}))

    assert (field.kind, field.proposed, field.read(typed)) == (kind, proposed, read)
    assert field.read(field.proposed) == value


def test_choices_that_look_alike_are_shown_as_json() -> None:
    [field] = value_fields(asked({"n": "1"}, options={"n": ["1", 1, "\u202e"]}))

    assert list(field.labels.values()) == ['"1"', "1", '"[U+202E]"']
    assert (field.was, field.read("1")) == ('"1"', 1)


def test_choices_that_would_read_the_same_are_distinguished() -> None:
    choices = ["a\nb", "a↵b", "a  b", "a␣␣b", "\u202e", "[U+202E]"]

    [field] = value_fields(asked({"n": "a\nb"}, options={"n": choices}))

    assert len(set(field.labels.values())) == len(choices)


def test_options_without_the_proposed_value_have_no_field() -> None:
    assert value_fields(asked({"n": "1"}, options={"n": ["2"]})) == ()


TEXTS = st.text(st.characters(codec="utf-8")) | st.sampled_from(
    ["a\r\nb", "\n", " x ", "\r", "x\n"]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
CONTEXTS = st.dictionaries(TEXTS, SCALARS, max_size=5)


@given(context=CONTEXTS)
@example(context={"a": 0.1, "b": -0.0, "c": 2**53 + 1, "d": 1e300, "e": "2026-03-07T00:00:00Z"})
def test_what_nobody_touches_comes_back_as_it_was(context: dict[str, Any]) -> None:
    interrupt = asked(context)
    sent = {
        # As a browser sends it, and the form is read.
        field.name: field.proposed.replace("\n", "\r\n").replace("\r\n", "\n")
        for field in value_fields(interrupt)
    }

    changes = read_changes(interrupt, sent, "", ())

    assert (changes.params, changes.faults) == ({}, {})
    for field in value_fields(interrupt):
        assert canonical(field.read(sent[field.name])) == canonical(context[field.key])


@given(context=CONTEXTS, other=SCALARS)
def test_what_is_typed_as_json_is_recorded_or_refused(
    context: dict[str, Any], other: object
) -> None:
    interrupt = asked({**context, "a": 1})

    changes = read_changes(interrupt, {}, json.dumps({"a": other}), ())

    assert changes.faults == {}
    assert canonical({"a": 1} | changes.params) == canonical({"a": other})


def asked(context: dict[str, Any], **fields: Any) -> Interrupt:  # noqa: ANN401 - fields of a model
    return Interrupt(interrupt_id="1", status="pending", action="Pay", context=context, **fields)


def test_faulty_json_changes_nothing() -> None:
    changes = read_changes(asked({"a": 1}), {"value.0": "2"}, "{a: 3}", ())

    assert changes.params == {"a": 2}
    assert list(changes.faults) == ["modifiedParams"]
