"""What could mislead in a text: directions, marks, spaces, alphabets and digits."""

import unicodedata

import pytest

from loopin_mcp.wire.misleading import pieces
from loopin_mcp.wire.plain_text import plain_text, quoted


def shown(text: str) -> str:
    """The text with codes in brackets and isolated parts in angles."""
    return plain_text(text).replace("\u2067", "⟨").replace("\u2069", "⟩")


@pytest.mark.parametrize(
    "text",
    [
        "שלם 100 ש״ח לדנה, מה־זה?",
        "ادفع ٤٬٢٠٠ ريال إلى دانة؛ نعم؟",
        "שָׁלוֹם עֲלֵיכֶם",
    ],
)
def test_text_of_right_to_left_letters_is_one_part(text: str) -> None:
    assert shown(text) == f"⟨{text}⟩"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Pay דנה כהן now", "Pay ⟨דנה כהן⟩ now"),
        ("Pay דנה 100 ריאל 200", "Pay ⟨דנה⟩ 100 ⟨ריאל⟩ 200"),
        ("Pay ٤٢ to مرحبا، دانة", "Pay ⟨٤٢⟩ to ⟨مرحبا، دانة⟩"),
        ("Pay Dana\nשלם 100 לדנה", "Pay Dana ↵ ⟨שלם 100 לדנה⟩"),
        ("שלום ל-Dana", "⟨שלום ל⟩-Dana"),
    ],
)
def test_words_from_right_to_left_are_isolated_in_other_text(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize("stray", ["\u05be", "\u05c0", "\u05c3", "\u05f4", "\u061b", "\u061f"])
def test_punctuation_from_right_to_left_is_coded_unless_it_touches_its_letters(stray: str) -> None:
    code = f"[U+{ord(stray):04X}]"

    assert shown(f"{stray}Alice {stray} pays {stray}Bob") == (f"{code}Alice {code} pays {code}Bob")
    assert shown(f"{stray} 100 {stray} 200") == f"{code} 100 {code} 200"
    assert shown(f"של{stray}שלום") == f"⟨של{stray}שלום⟩"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Pay ו to Bob", "Pay [U+05D5] to Bob"),
        ("Pay 4ס0", "Pay 4[U+05E1]0"),
        ("100 ו 200", "100 [U+05D5] 200"),
        ("Pay Aliכe and Bob", "Pay Ali[U+05DB]e and Bob"),
        ("Pay AliשָׁBob", "Pay Ali[U+05E9][U+05B8][U+05C1]Bob"),
        ("x٣", "x[U+0663]"),
    ],
)
def test_letter_from_right_to_left_is_coded_alone_or_inside_a_word(
    text: str, expected: str
) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize(
    "mark",
    [
        mark
        for mark in map(chr, range(0x110000))
        if unicodedata.combining(mark) == 1 or unicodedata.category(mark) == "Me"
    ],
)
def test_mark_that_strikes_out_is_coded(mark: str) -> None:
    assert shown(f"not{mark} 5{mark}") == f"not[U+{ord(mark):04X}] 5[U+{ord(mark):04X}]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\u0301a", "[U+0301]a"),
        ("4\u03262", "4[U+0326]2"),
        ("a \u0301", "a [U+0301]"),
        ("a\u17d2b", "a[U+17D2]b"),
        ("שלם\u05b0 a", "⟨שלם\u05b0⟩ a"),
        ("1\u20e3", "1[U+20E3]"),
        ("a\ufe0f\u20e3", "a[U+FE0F][U+20E3]"),
    ],
)
def test_mark_is_coded_where_no_letter_carries_it(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p\u0430ypal", "p[U+0430]ypal"),
        ("\u0391lice", "[U+0391]lice"),
        ("сбербa", "сберб[U+0061]"),
        ("5 µm, 3 kΩ, Tシャツ", "5 µm, 3 k[U+03A9], Tシャツ"),
    ],
)
def test_letter_of_another_alphabet_in_a_word_is_coded(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Pay 1\u09ea EUR", "Pay 1[U+09EA] EUR"),
        ("Pay \u09ea EUR", "Pay [U+09EA] EUR"),
        ("\u0663 EUR", "[U+0663] EUR"),
        ("৪ টাকা", "৪ টাকা"),
        ("１２月", "１２月"),
    ],
)
def test_digit_that_looks_like_another_is_coded(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_parts_are_the_whole_text() -> None:
    text = "".join(map(chr, range(0x3000)))

    assert "".join(piece.text for piece in pieces(text)) == text


def test_isolated_part_that_is_cut_still_ends() -> None:
    assert quoted("שלום לדנה", 5).startswith("`\u2067שלום\u2069` … (cut here")


def test_backtick_is_shown_by_its_code() -> None:
    assert quoted("a`b") == "`a[U+0060]b`"
