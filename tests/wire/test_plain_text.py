"""Text on one line in which nothing is hidden, for forms, prompts and notifications."""

import unicodedata

import pytest

from loopin_mcp.wire.plain_text import marked, plain_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "a[U+202E]b"),
        ("a\u200bb", "a[U+200B]b"),
        ("a\x1b[2Jb", "a[U+001B][2Jb"),
        ("a\u3164b", "a[U+3164]b"),
        ("a\u2028b", "a[U+2028]b"),
        ("a\rb", "a[U+000D]b"),
        ("a\ud800b", "a[U+D800]b"),
        ("a\u200db", "a[U+200D]b"),
    ],
)
def test_character_that_would_not_be_seen_is_shown_by_its_code(text: str, shown: str) -> None:
    assert plain_text(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("one\ntwo", "one ↵ two"),
        ("one\r\ntwo", "one ↵ two"),
        ("one \n\n \t\n  two", "one␣ ↵  ↵ ␣[U+0009] ↵ ␣␣two"),
        ("wide\u3000\u00a0 \t   space", "wide[U+3000][U+00A0] [U+0009]␣␣␣space"),
        ("wide\u3000space, no\u00a0break", "wide\u3000space, no\u00a0break"),
        ("thin\u2009space", "thin[U+2009]space"),
        ("\n\u3000 text \u00a0\r\n", " ↵ [U+3000] text [U+00A0] ↵ "),
        (" text ", "␣text␣"),
        ("", ""),
    ],
)
def test_white_space_can_be_counted_on_one_line(text: str, shown: str) -> None:
    assert plain_text(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "Grüße, 東京, हिन्दी, རྫོགས་ཆེན, Pha\u0323\u0302n, ΔΕΗ, Москва",
        "👍🏽 👩‍💻 👩🏽‍💻 ❤️ ❤️‍🔥 🏳️‍🌈 1️⃣ #️⃣",
        "<b>&amp;</b> $4,200.00 *as it is*",
    ],
)
def test_readable_text_is_left_as_it_is(text: str) -> None:
    assert plain_text(text) == text


def test_marks_cannot_be_piled_over_the_lines_around() -> None:
    letter = "a\u0323\u0301\u0300\u0302"

    assert plain_text(letter) == letter
    assert plain_text(f"{letter}\u0303\u0304 b") == f"{letter}[U+0303][U+0304] b"
    assert plain_text("a" + 100 * "\u0301") == "a\u0301" + 99 * "[U+0301]"


def test_no_character_of_the_kinds_that_hide_text_is_left() -> None:
    kinds = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    hiding = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in kinds]

    left = [character for character in hiding if character in plain_text(f"a{character}b")]

    assert left == []


def test_text_on_a_terminal_keeps_its_lines_and_hides_nothing() -> None:
    text = '{\n  "reason": "a\x9b2J\u202eb", "to": "דנה כהן"\n}'

    assert marked(text) == ('{\n  "reason": "a[U+009B]2J[U+202E]b", "to": "\u2067דנה כהן\u2069"\n}')
