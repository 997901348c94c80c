"""What is too long for two screens folds, with its size, and is counted as not opened."""

import pytest

from loopin_mcp.api.pages.values.shown import shown_context
from tests.support.values import Read, asked, value_of


def parts_of(context: dict[str, object]) -> int:
    return shown_context(asked(context)).parts


def numbered(count: int) -> str:
    return "".join(f"line {number}\n" for number in range(1, count + 1))


@pytest.mark.parametrize("name", ["x_sh", "x_txt"])
def test_long_text_folds_after_its_first_screen(name: str) -> None:
    short, long = (value_of(name, numbered(count)).html for count in (60, 400))

    assert "<details" not in short
    assert long.count('<details class="part"><summary>Rest: 360 lines, 3 KB</summary>') == 1
    first, _, rest = long.partition("<details")
    assert Read(first).text.endswith("line 40")
    assert Read(f"<details{rest}").text.partition("KB")[2].startswith("line 41")


def test_lines_after_a_fold_keep_their_numbers() -> None:
    rest = value_of("x_sh", numbered(400)).html.partition("<details")[2]

    assert '<pre class="numbers" aria-hidden="true"> 41\n 42\n' in rest


@pytest.mark.parametrize("name", ["x_sh", "x_txt"])
def test_blank_lines_at_the_start_of_a_long_text_take_one_row(name: str) -> None:
    shown = value_of(name, "\n" * 50 + numbered(400)).html

    assert Read(shown).notes == ["50 blank lines"]
    assert "<summary>Rest: 361 lines, 3 KB</summary>" in shown


@pytest.mark.parametrize("name", ["x_sh", "x_txt"])
def test_blank_lines_in_a_row_are_counted(name: str) -> None:
    shown = value_of(name, "a\n" + "\n" * 40 + " \t\n\nb\n\n\nc\n").html

    read = Read(shown)
    assert read.notes == ["42 blank lines"]
    assert read.text.split() == ["ab", "c"]
    assert "<details" not in shown
    if name == "x_sh":
        assert '"true">44\n45\n46\n47</pre>' in shown


def test_lines_of_invisible_characters_fold_and_can_be_opened() -> None:
    shown = value_of("x_sh", "a\n" + "\u200b\n" * 30 + "b\n").html

    assert "<summary>30 lines of invisible characters</summary>" in shown
    assert shown.count("U+200B") == 30
    assert parts_of({"x_sh": "a\n" + "\u200b\n" * 30}) == 1


def test_blank_lines_that_a_diff_adds_are_counted() -> None:
    shown = value_of("x_diff", "@@ -1,2 +1,12 @@\n a\n" + "+\n" * 10 + " b\n").html

    assert Read(shown).notes == ["10 blank lines"]
    assert Read(shown).lines == ["@@ -1,2 +1,12 @@", " a", *[""] * 10, " b"]


def test_text_with_blank_lines_everywhere_stays_short() -> None:
    shown = value_of("x_sh", "1\n\n\n\n" * 1000 + "\n" * 30 + "end").html

    assert Read(shown).notes == ["33 blank lines"]
    assert len(shown) < 60_000


@pytest.mark.parametrize("name", ["x_sh", "x_txt", "x_diff", "x_md", "x"])
def test_very_long_line_is_named_and_its_rest_folds(name: str) -> None:
    text = "+ " + "pаy " * 5000 + "\u202eend"

    shown = value_of(name, text).html

    read = Read(shown)
    assert "A line of 20,006 characters" in read.notes
    assert "<summary>Rest of this line: 18,006 characters</summary>" in shown
    joined = read.text.replace("Rest of this line: 18,006 characters", "")
    assert joined == "+ " + "pU+0430y " * 5000 + "U+202Eend"


def test_long_lines_of_code_have_a_place_of_their_own() -> None:
    shown = value_of("x_sh", "a\n" + "b" * 600 + "\nc\n").html

    assert Read(shown).notes == ["A line of 600 characters"]
    assert Read(shown).lines == ["a", "b" * 600, "c"]
    assert "<details" not in shown


def test_many_values_fold() -> None:
    context = {f"k{number}": number for number in range(1000)}

    shown = shown_context(asked(context))

    assert (len(shown.first), len(shown.rest)) == (40, 960)
    assert shown.unopened == "1 part not opened"


def test_parts_are_counted_in_all_values() -> None:
    context = {"a_sh": numbered(100), "b_txt": numbered(100), "c": "short"}

    assert shown_context(asked(context)).unopened == "2 parts not opened"
    assert shown_context(asked({"c": "short"})).unopened == ""
    assert parts_of({"c": '<details class="part">'}) == 0


def test_box_is_reached_by_the_keyboard_only_if_it_may_scroll() -> None:
    assert "tabindex" not in value_of("x_sh", "a\nb").html
    name = 'x"<\u202e_sh'
    assert (
        'tabindex="0" aria-label="x&#34;&lt;[U+202E]_sh, Shell"' in value_of(name, "a\n" * 50).html
    )
