"""The characters that pages replace by their code, and those that stay."""

import unicodedata

import pytest

from loopin_mcp.api.pages.filters import visible, visible_json, visible_name


@pytest.mark.parametrize(
    ("text", "code", "name"),
    [
        ("\u202e", "U+202E", "RIGHT-TO-LEFT OVERRIDE"),
        ("\u2066", "U+2066", "LEFT-TO-RIGHT ISOLATE"),
        ("\u200b", "U+200B", "ZERO WIDTH SPACE"),
        ("\u200d", "U+200D", "ZERO WIDTH JOINER"),
        ("\u00ad", "U+00AD", "SOFT HYPHEN"),
        ("\ufeff", "U+FEFF", "ZERO WIDTH NO-BREAK SPACE"),
        ("\u2028", "U+2028", "LINE SEPARATOR"),
        ("\U000e0041", "U+E0041", "TAG LATIN CAPITAL LETTER A"),
        ("\u3164", "U+3164", "HANGUL FILLER"),
        ("\u2800", "U+2800", "BRAILLE PATTERN BLANK"),
        ("\u034f", "U+034F", "COMBINING GRAPHEME JOINER"),
        ("\ufe0f", "U+FE0F", "VARIATION SELECTOR-16"),
        ("\U000e0100", "U+E0100", "VARIATION SELECTOR-17"),
        ("\x00", "U+0000", "unnamed character"),
        ("\x1b", "U+001B", "unnamed character"),
        ("\x7f", "U+007F", "unnamed character"),
        ("\r", "U+000D", "unnamed character"),
        ("\ue000", "U+E000", "unnamed character"),
        ("\ud800", "U+D800", "unnamed character"),
    ],
)
def test_hidden_character_is_shown_by_its_code(text: str, code: str, name: str) -> None:
    shown = visible(f"a{text}b")

    assert shown == f'a<bdi class="hidden-character" title="{name}">{code}</bdi>b'


@pytest.mark.parametrize(
    "text",
    [
        "Grüße, 東京, हिन्दी",
        "שלום, 100 ש״ח: מה־זה?",
        "مرحبا، ٤٬٢٠٠ ريال؟",
        "two\n\tlines",
        "two\r\nlines",
        "wide\u3000space and no\u00a0break",
        "👍🏽 👩‍💻 👩🏽‍💻 ❤️ ❤️‍🔥 🏳️‍🌈 1️⃣ #️⃣",
    ],
)
def test_readable_text_is_left_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    "text", ["a\ufe0f", "❤️\ufe0f", "a\u200db", "👩\u200d", "👩\u200dx", "\u200d👩"]
)
def test_parts_of_emoji_are_shown_where_they_draw_nothing(text: str) -> None:
    assert visible(text).count("hidden-character") == 1


def test_no_character_of_the_kinds_that_hide_text_is_left() -> None:
    hiding = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) == "Cf"]

    left = [character for character in hiding if "hidden-character" not in visible(character)]

    assert left == []


def test_words_from_right_to_left_are_isolated_in_other_text() -> None:
    assert visible("<Pay> דנה כהן & Bob ל") == (
        '&lt;Pay&gt; <bdi dir="rtl">דנה כהן</bdi> &amp; Bob '
        '<bdi class="hidden-character" title="HEBREW LETTER LAMED">U+05DC</bdi>'
    )


def test_name_is_one_line_whose_blanks_can_be_counted() -> None:
    codes = visible_name("a\nExpires\t never  b ").split("U+")[1:]

    assert [code[:4] for code in codes] == ["000A", "0009", "0020", "0020", "0020"]
    assert visible_name("Dana <Cohen> 👩‍💻") == "Dana &lt;Cohen&gt; 👩‍💻"


def test_markup_is_escaped_between_hidden_characters() -> None:
    shown = visible("<b>\u202e&\"'")

    assert shown == (
        "&lt;b&gt;"
        '<bdi class="hidden-character" title="RIGHT-TO-LEFT OVERRIDE">U+202E</bdi>'
        "&amp;&#34;&#39;"
    )


def test_json_strings_are_escaped_and_isolated_one_by_one() -> None:
    shown = visible_json({"<a>": ['\\"', {"ש": "\u202e"}], "n": 1})

    assert shown == (
        "{\n"
        '  <bdi class="json-name">"&lt;a&gt;"</bdi>: [\n'
        '    <bdi>"\\\\\\&#34;"</bdi>,\n'
        "    {\n"
        '      <bdi class="json-name">"ש"</bdi>: <bdi>"'
        '<bdi class="hidden-character" title="RIGHT-TO-LEFT OVERRIDE">U+202E</bdi>"</bdi>\n'
        "    }\n"
        "  ],\n"
        '  <bdi class="json-name">"n"</bdi>: 1\n'
        "}"
    )
