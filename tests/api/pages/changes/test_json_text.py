"""Faults of typed JSON are named by line and column, in words."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loopin_mcp.api.pages.changes.json_text import fault_of, read_object
from tests.api.pages.changes.faults import FAULTS

PIECES = st.sampled_from([*"{}[]\":,.-+0123 \n\\u'”", "true", "null", "NaN", "amount", "1e5", "\t"])
SAYS_OTHERWISE = ("surrogate", "would be rounded", "twice", "finite", "integer")


@pytest.mark.parametrize(("text", "place", "words"), FAULTS)
def test_fault_is_named_by_its_place_and_in_words(text: str, place: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"^is not valid JSON") as refused:
        read_object(text)

    assert str(refused.value) == f"is not valid JSON. At {place}, {words}"


@given(text=st.lists(PIECES, max_size=12).map("".join))
@example(text='{"a": "\\ud800"}')
@example(text="[" * 80)
@example(text="[" * 80 + "]" * 80)
@example(text="\ufeff{}")
@example(text='{"a": {}}')
@example(text="\u00a0{}")
@example(text="{\u00e9: 1}")
@example(text='{"a": 1\u0661}')
def test_exactly_texts_that_are_not_json_have_a_fault(text: str) -> None:
    try:
        json.loads(text, parse_constant=refuse)
        is_json = True
    except ValueError:
        is_json = False

    assert (fault_of(text) is None) == (is_json or text.startswith("[" * 80))


def refuse(name: str) -> None:
    raise ValueError(name)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", "must be a JSON object: names and values between { and }"),
        ('{"a": 1, "a": 2}', 'names "a" twice in one object: send each name once'),
        ('{"a": 9007199254740993.0}', "has the number 9007199254740993.0, which would be rounded"),
        ('{"a": "\\ud800"}', "is not valid JSON: "),
    ],
)
def test_json_that_cannot_be_used_says_why(text: str, words: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - its text is compared
        read_object(text)

    assert str(refused.value).startswith(words)
