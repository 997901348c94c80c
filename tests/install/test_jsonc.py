"""JSON with comments is edited in place."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.install.jsonc import drop, is_blank, parse, put

PLACE = ("mcpServers", "loopin")
BLANKS = st.lists(
    st.sampled_from([" ", "\n", "\r\n", "\t", "// note: {\n", "/* kept, */", "/*\n*/"]), max_size=3
).map("".join)
SCALARS = st.sampled_from(["1", "-2.5e3", "true", "null", '"a // b"', '"\\"{"', '"ü"', '""'])
NAMES = st.sampled_from(['"mcpServers"', '"other"', '"x"', '"\\u0061"', '"hooks"'])


def joined(opening: str, closing: str, parts: list[str], tail: str, comma: str) -> str:
    return opening + ",".join(parts) + (comma if parts else "") + tail + closing


def values(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    element = st.tuples(BLANKS, inner, BLANKS).map("".join)
    member = st.tuples(BLANKS, NAMES, BLANKS, st.just(":"), element)
    members = st.lists(member, max_size=3, unique_by=lambda it: str(parse(it[1]).value))
    return objects(members.map(lambda them: ["".join(it) for it in them])) | st.builds(
        joined, st.just("["), st.just("]"), st.lists(element, max_size=3), BLANKS, COMMAS
    )


def objects(members: st.SearchStrategy[list[str]]) -> st.SearchStrategy[str]:
    return st.builds(joined, st.just("{"), st.just("}"), members, BLANKS, COMMAS)


COMMAS = st.sampled_from(["", ","])
DOCUMENTS = st.tuples(BLANKS, st.recursive(SCALARS, values, max_leaves=12), BLANKS).map("".join)


@given(DOCUMENTS)
@example('{\n"x": 1,/* kept, */}/* kept, */\n')
def test_any_document_keeps_all_else(text: str) -> None:
    before = parse(text).value
    if not isinstance(before, dict) or not isinstance(before.get("mcpServers", {}), dict):
        with pytest.raises(ConfigurationError):
            put(text, PLACE, {"command": "c"})
        return

    added = put(text, PLACE, {"command": "c", "args": []})
    after = parse(added).value
    assert isinstance(after, dict)
    servers = before.get("mcpServers", {})
    assert after == {**before, "mcpServers": {**servers, "loopin": {"command": "c", "args": []}}}  # type: ignore[dict-item]  # checked above

    removed = drop(added, PLACE)
    assert parse(removed).value == {**before, "mcpServers": servers}
    comments = re.compile(r"// note: \{|/\* kept, \*/|/\*\r?\n\*/")
    assert comments.findall(removed) == comments.findall(text)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{}", '{\n  "k": [\n    1\n  ]\n}'),
        ('{"a": 1}', '{"a": 1, "k": [1]}'),
        ('{"a": 1,}', '{"a": 1, "k": [1],}'),
        ('{\n\t"a": 1 // one\n}\n', '{\n\t"a": 1, // one\n\t"k": [\n\t\t1\n\t]\n}\n'),
        ('{\n    "a": 1, /* c */\n}', '{\n    "a": 1, /* c */\n    "k": [\n        1\n    ],\n}'),
        ('{\r\n  "a": 1\r\n}', '{\r\n  "a": 1,\r\n  "k": [\r\n    1\r\n  ]\r\n}'),
        ("{\n  // none\n}", '{\n  // none\n  "k": [\n    1\n  ]\n}'),
        ('\ufeff{\n  "k": 0 // now\n}', '\ufeff{\n  "k": [\n    1\n  ] // now\n}'),
        ('{"k": 0, "z": {}}', '{"k": [1], "z": {}}'),
    ],
)
def test_new_text_looks_like_the_text_around_it(before: str, after: str) -> None:
    assert put(before, ("k",), [1]) == after


def test_elements_of_lists_are_added_and_dropped() -> None:
    text = '{"a": [\n  {"x": 1}, // first\n  {"x": 2}\n]}'

    assert put(text, ("a", 2), 3) == '{"a": [\n  {"x": 1}, // first\n  {"x": 2},\n  3\n]}'
    assert drop(text, ("a", 0)) == '{"a": [\n // first\n  {"x": 2}\n]}'
    assert drop(text, ("a", 1)) == '{"a": [\n  {"x": 1} // first\n]}'
    assert drop(text, ("a", 1, "x")) == '{"a": [\n  {"x": 1}, // first\n  {}\n]}'


def test_of_two_members_with_a_name_the_last_one_counts() -> None:
    assert parse('{"a": 1, "b": 2, "a": 3}').value == {"b": 2, "a": 3}
    assert put('{"a": 1, "a": 3}', ("a",), 4) == '{"a": 1, "a": 4}'


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "line 1, column 1"),
        ('{\n  "a": 1\n  "b": 2\n}', "line 3, column 3"),
        ('{"a" 1}', "line 1, column 6"),
        ("{1: 2}", "line 1, column 2"),
        ('{"a": 01}', "line 1, column 7"),
        ('{"a": 1}\n}', "line 2, column 1"),
        ('{"a": [1', "line 1, column 9"),
        ('{"a": "x\ny"}', "line 1, column 7"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_wrong_text_is_refused_with_its_place(text: str, place: str) -> None:
    with pytest.raises(ConfigurationError, match=place):
        parse(text)


@pytest.mark.parametrize(
    ("text", "keys", "reason"),
    [
        ("[]", ("a",), "the whole is not an object"),
        ('{"a": null}', ("a", "b"), "a is not an object"),
        ('{"a": {"b": {}}}', ("a", "b", 0), "a.b is not a list"),
    ],
)
def test_value_of_another_kind_is_not_replaced(
    text: str, keys: tuple[str | int, ...], reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        put(text, keys, 1)


def test_text_of_comments_is_blank() -> None:
    assert is_blank("// mine\n/* and */\n")
    assert not is_blank("// mine\n{}")
