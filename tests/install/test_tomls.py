"""TOML is edited in place."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_mcp.errors import ConfigurationError
from loopin_mcp.install.jsonc import JSON
from loopin_mcp.install.tomls import drop, put

PLACE = ("mcp_servers", "loopin")
ENTRY: JSON = {"command": "/x", "args": [], "env": {"A": "b"}}
BLOCKS = st.permutations(
    [
        '# one\n[mcp_servers.a]\ncommand = "a" # two\n',
        "[mcp_servers.a.env]\nK = '''\n[mcp_servers.loopin]\n'''\n",
        "\n# three\n\n[[hooks.PreToolUse]]\nmatcher = 1\n",
        "[other]\nwhen = 1979-05-27T07:32:00Z\n# four\n",
        '\n\n[projects."/a.b"]\nx = { y = 1 } # five\n',
    ]
)
HEADERS = st.sampled_from(
    ["[mcp_servers.loopin]", '[ mcp_servers . "loopin" ]', "[mcp_servers.'loopin'] # own"]
)


@given(st.lists(st.sampled_from(["a = 1", "# zero", "b.c = 'x'", ""]), unique=True), BLOCKS)
def test_any_document_keeps_all_else(lines: list[str], blocks: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines) + "".join(blocks)
    before = tomllib.loads(text)

    added = put(text, PLACE, ENTRY)

    servers = before["mcp_servers"]
    assert tomllib.loads(added) == {**before, "mcp_servers": {**servers, "loopin": ENTRY}}
    assert added.startswith(text)
    removed = drop(added, PLACE)
    assert tomllib.loads(removed) == before
    assert removed.rstrip() == text.rstrip()


@given(HEADERS, BLOCKS, st.integers(0, 5))
def test_values_are_changed_in_their_place(header: str, blocks: list[str], number: int) -> None:
    blocks = [block.replace("[mcp_servers.loopin]", "[no header]") for block in blocks]
    own = f'{header}\ncommand = "uvx" # kept\n'
    text = "".join([*blocks[:number], own, *blocks[number:]])

    changed = put(put(text, (*PLACE, "command"), "/x"), (*PLACE, "required"), True)

    expected = f'{header}\nrequired = true\ncommand = "/x" # kept\n'
    assert changed == text.replace(own, expected)
    removed = drop(text, PLACE)
    assert removed.split() == "".join(blocks).split()


@pytest.mark.parametrize(
    ("text", "keys", "reason"),
    [
        ("[[mcp_servers]]\na = 1\n", PLACE, "mcp_servers is not a table"),
        ("mcp_servers = 1\n", PLACE, "mcp_servers is not a table"),
        ("a = = 1\n", PLACE, "cannot be edited safely"),
    ],
)
def test_document_that_cannot_hold_it_is_refused(
    text: str, keys: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        put(text, keys, ENTRY)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "[s.e]\na = 1\n"),
        ("\ufeffx = 1", "\ufeffx = 1\n\n[s.e]\na = 1\n"),
        ("x = 1\r\n", "x = 1\r\n\r\n[s.e]\r\na = 1\r\n"),
        ("s = { x = 1 }\n", "s = { x = 1, e = {a = 1}}\n"),
        ("s.x = 1\n", "s.x = 1\n\n[s.e]\na = 1\n"),
    ],
)
def test_new_table_comes_where_it_can(before: str, after: str) -> None:
    added = put(before, ("s", "e"), {"a": 1})

    assert tomllib.loads(added.removeprefix("\ufeff")) == tomllib.loads(
        after.removeprefix("\ufeff")
    )
    assert added.split()[0] == after.split()[0]


def test_value_of_an_inline_table_is_added_there() -> None:
    assert put("e = {a = 1}\n", ("e", "b"), 2) == "e = {a = 1,b = 2}\n"
