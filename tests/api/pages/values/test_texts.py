"""What a text is, and that nothing in it hides, whatever it is."""

import json
from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.values import Read, coded, value_of

# Text that code, diffs and Markdown give a meaning, and characters that mislead.
CODE = [
    "\n",
    "\n\n\n\n",
    "  ",
    "a",
    "if x:",
    "'",
    '"',
    "#",
    "/*",
    "--- ",
    "+",
    "-",
    "@@ -1 +1 @@\n",
]
OTHER = [
    "\u202e",
    "\u200b",
    "שלום",
    "а",
    "é",
    "<b>",
    "&amp;",
    "`",
    "\t",
    "*",
    "[a](b)",
    "\\",
    "\r\n",
]
PIECES = st.sampled_from(CODE) | st.sampled_from(OTHER)
TEXTS = st.lists(PIECES, max_size=40).map("".join)


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("note", "Pay the vendor.", ""),
        ("run_sh", "ls\nls", "Shell · 2 lines"),
        ("command", "ls\nls", "Shell · 2 lines"),
        ("x", "#!/usr/bin/env python3\nprint()\nprint()", "Python · 3 lines"),
        ("x", "#!/bin/sh\nls", "Shell · 2 lines"),
        ("x", "SELECT a\nFROM b", "SQL · 2 lines"),
        ("x", "DELETE the\nfile", ""),
        ("x", '{"a": 1,\n"b": 2}', "JSON · 2 lines"),
        ("x", '{"a": 1,\n"b"}', ""),
        ("x", "[" * 3000 + "\n]", "2 lines, 3 KB"),
        ("x", "--- a\n+++ b\n@@ -1 +1 @@\n-a\n+b\n", "Diff · +1 −1 · 5 lines"),
        ("x", "diff --git a b\n", "Diff · +0 −0 · 1 line"),
        ("x", "# Title\n\n- a\n- b\n", "Markdown · 4 lines"),
        ("x", "int a;\nint b;\nreturn;\n", "Code · 3 lines"),
        ("x", "Dear Bob,\n\nplease pay.\n\nAnna\n", "5 lines"),
        ("x_txt", "# Title\n\n- a\n- b\n", "4 lines"),
        ("X_PY", "a\nb", "Python · 2 lines"),
        ("x_unknown", "a\nb\nc\nd", "4 lines"),
        ("sql", "a\nb", "SQL · 2 lines"),
    ],
)
def test_text_is_what_its_name_says_or_what_it_looks_like(name: str, text: str, kind: str) -> None:
    assert value_of(name, text).note == kind


@example(ending="sh", text="ls\n\n")
@given(ending=st.sampled_from(["sh", "py", "sql", "html", "diff", "txt"]), text=TEXTS)
def test_no_character_of_a_text_is_lost_or_moved(ending: str, text: str) -> None:
    shown = value_of(f"x_{ending}", text)

    read = Read(shown.html)
    if shown.is_wide and ending != "txt":
        lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
        assert trimmed(read.lines) == trimmed(map(coded, lines))
    elif text.strip():
        shown_text = "".join(read.text.split())
        assert shown_text == "".join(coded(text.replace("\r\n", "\n")).split())


def trimmed(lines: Iterable[str]) -> list[str]:
    """Lines without the white space of blank ones, which are only counted."""
    return [line if line.strip() else "" for line in lines]


def test_text_of_a_type_is_shown_as_that_and_nothing_beside_it_is_left_out() -> None:
    diff = {"$type": "diff", "text": "-a\n+b\n"}

    assert value_of("x", diff).note == "Diff · +1 −1 · 2 lines"
    others = ({**diff, "more": 1}, {**diff, "text": 1}, {**diff, "$type": 1})
    for other in (*others, {"$type": "checked by LoopIn", "text": "Pay"}):
        read = Read(value_of("x", other).html)
        assert "$type" in read.text
        assert read.tags.count("li") == len(other)


def test_blank_text_keeps_its_quotes_whatever_it_is_called() -> None:
    for value in ("", " \n", "\u3000"):
        for name in ("x", "x_diff", "x_md", "x_sh"):
            assert Read(value_of(name, value).html).text.startswith('"')
        assert Read(value_of("x", {"$type": "text", "text": value}).html).text.startswith('"')


@pytest.mark.parametrize("text", ["true", "false", "null", "[]", "{}"])
def test_text_that_would_look_like_another_value_keeps_its_quotes(text: str) -> None:
    other = json.loads(text)

    assert Read(value_of("x", text).html).text == f'"{text}"'
    assert Read(value_of("x", other).html).text == text
    assert json.loads(value_of("x", text).copied) == text
    assert Read(value_of("x", [{"a": text}, {"a": other}]).html).text.count(f'"{text}"') == 1


@pytest.mark.parametrize(
    ("value", "shown"),
    [(2**70, str(2**70)), (0.1, "0.1"), (None, "null"), (True, "true"), ([], "[]")],
)
def test_hint_of_a_value_that_is_not_a_text_means_nothing(value: object, shown: str) -> None:
    assert value_of("x_sql", value).html == shown


def test_text_of_a_call_is_code_unless_its_lines_are_long() -> None:
    lines = "word\n" * 5

    assert value_of("new_string", lines, is_call=True).note == "Code · 5 lines"
    assert value_of("new_string", "ls -l", is_call=True).html == '<code class="one">ls -l</code>'
    assert value_of("body", lines + "w " * 100, is_call=True).note == "6 lines"


def test_copied_is_the_value_as_it_was_sent() -> None:
    copied = {
        "text": "",
        "4": "",
        "a\u200bb": '"a\u200bb"',
        "a\r\nb": '"a\\r\\nb"',
        "": '""',
        "a\nb\nc\nd": '"a\\nb\\nc\\nd"',
    }

    assert {text: value_of("x", text).copied for text in copied} == copied
    assert value_of("x", {"a": 1}).copied == '"{\\n  \\"a\\": 1\\n}"'


@pytest.mark.parametrize(
    "text",
    [
        f"ls{' ' * 300}; rm -rf /\nls\n",
        f"{' ' * 300}rm -rf /\nls\n",
        f"# שלום{' ' * 300}; rm -rf /\nls\n",
    ],
)
@pytest.mark.parametrize("name", ["run_sh", "run_rb", "run_diff"])
def test_wide_gap_in_a_line_of_code_is_narrow_and_says_its_width(name: str, text: str) -> None:
    shown = str(value_of(name, text).html)

    assert '<span class="gap" data-blanks="300">' in shown
    assert " " * 300 in Read(shown).text


def test_blanks_that_are_no_gap_are_not_marked() -> None:
    for text in ("a = 1      # b\nls\n", f"ls{' ' * 300}\nls\n"):
        assert "gap" not in str(value_of("run_sh", text).html)
