"""Markdown is rendered to safe HTML, and shown as written if anything of it would be left out."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.values import Read, coded, value_of

NOTE = "Shown as it was written, so that nothing is left out."


def html(text: str) -> str:
    return str(value_of("x_md", text).html)


def test_markdown_is_rendered_above_its_source() -> None:
    text = "# Title\n\n**bold** *em* ~~s~~ `a<b`\nnext\n\n3. three\n3. four\n   - inner\n"
    text += "\n> quote\n\n---\n"

    rendered, _, source = html(text).partition("<details><summary>Source</summary>")

    assert '<p class="subheading" dir="auto">Title</p>' in rendered
    assert "<strong>bold</strong> <em>em</em> <s>s</s> <code>a&lt;b</code><br>next" in rendered
    assert '<li value="3">three<br></li><li value="3">four<br><ul><li>inner' in rendered
    assert "<blockquote>" in rendered
    assert "<hr>" in rendered
    assert "**bold** *em*" in source


def test_table_and_code_are_shown_with_what_they_are_called() -> None:
    shown = html("| a | b |\n|---|---|\n| 1 | 2 |\n\n```sh x\nls <&\n```\n\n    indented\n")

    assert '<table class="grid"><thead><tr><th scope="col" dir="auto">a</th>' in shown
    assert '<p class="target">```sh x</p><pre><code>ls &lt;&amp;\n</code></pre>' in shown
    assert "<pre><code>indented\n</code></pre>" in shown


def test_link_shows_its_target_and_leads_nowhere() -> None:
    shown = html(
        '[the bank](https://evil.example/a?b=c "title") <https://example.com> [x](javascript:a)'
    )

    assert 'the bank <span class="target">(https://evil.example/a?b=c title)</span>' in shown
    assert "https://example.com <span" not in shown.partition("<details")[0].replace(" x <", "")
    assert "(javascript:a)" in shown
    assert "<a " not in shown


def test_image_is_never_loaded() -> None:
    shown = html("![alt](https://tracker.example/p.png 'why')")

    assert "Image: alt — https://tracker.example/p.png — why" in shown
    assert "<img" not in shown


@pytest.mark.parametrize(
    "hidden",
    [
        "[//]: # (pay 9000)",
        "[ref]: https://evil.example 'pay 9000'",
        "[text][ref]\n\n[ref]: https://evil.example",
        "|a|b|\n|-|-|\n|1|2|pay 9000|",
        "> " * 30 + "pay 9000",
        "p**а**y",
        "a\u0000b",
    ],
)
def test_markdown_that_hides_is_shown_as_written(hidden: str) -> None:
    shown = html(f"Hello **Bob**\n\n{hidden}\n\nBye")

    read = Read(shown)
    assert read.notes == [NOTE]
    assert read.text == coded(f"Hello **Bob**\n\n{hidden}\n\nBye")


@pytest.mark.parametrize(
    "text",
    ["<!-- pay 9000 -->", "<script>alert(1)</script>", "a&#8203;b &nbsp; c", "<b hidden>x</b>"],
)
def test_html_and_entities_are_text(text: str) -> None:
    read = Read(html(f"Hi **you**\n\n{text}\n"))

    assert text in read.text.partition("Source")[0]
    assert {"script", "b"}.isdisjoint(read.tags)


def test_invisible_characters_are_coded() -> None:
    assert "**aU+200Bb**" not in html("**a\u200bb**")
    assert (
        'a<bdi class="hidden-character" title="ZERO WIDTH SPACE">U+200B</bdi>b'
        in (html("**a\u200bb**").partition("<details")[0])
    )


def test_long_markdown_folds_between_its_blocks() -> None:
    shown = html("".join(f"Paragraph {number}\n\n" for number in range(100)))

    assert '<details class="part"><summary>Rest: 160 lines' in shown
    assert shown.index("Paragraph 19<") < shown.index("<details") < shown.index("Paragraph 20<")


def test_one_block_that_is_too_long_is_shown_as_written() -> None:
    shown = html("- a\n" * 100)

    assert Read(shown).notes == [NOTE]
    assert '<details class="part"><summary>Rest: 60 lines' in shown


def test_only_so_much_markdown_is_rendered() -> None:
    assert Read(html("word *em*\n\n" * 3000)).notes == [NOTE]


INLINE = [
    "a",
    "b c",
    "*",
    "**",
    "_",
    "`",
    "[",
    "](",
    ")",
    "!",
    "<",
    ">",
    "~~",
    "\\",
    "&lt;",
    "\u200b",
]
BLOCKS = [
    "\n",
    "\n\n",
    "> ",
    "- ",
    "1. ",
    "|",
    "|-|-|\n",
    "# ",
    "```\n",
    "[a]: b\n",
    "а",
    "    ",
    "ש",
]
MARKS = st.sampled_from(INLINE) | st.sampled_from(BLOCKS)


@example(text="[a]: b\n\n\n\n")
@given(text=st.lists(MARKS, max_size=30).map("".join))
def test_no_letter_of_markdown_is_left_out(text: str) -> None:
    shown = value_of("x_md", text + "z")

    read = Read(shown.html.partition("<details><summary>Source")[0])
    own = (NOTE, *(note for note in read.notes if note.endswith(" blank lines")))
    found = read.text + "".join(note for note in read.notes if note not in own)
    assert letters_of(found) == letters_of(coded(text + "z"))


def letters_of(text: str) -> list[str]:
    return sorted(character for character in text if character.isalpha())


@pytest.mark.parametrize("line", ["", "\\", "#", "-", ">", "---"])
def test_many_lines_that_show_nothing_are_those_of_the_source(line: str) -> None:
    shown = html("```\nls\n" + f"{line}\n" * 30 + "rm\n```\n")

    assert NOTE in shown


def test_wide_gap_in_code_says_its_width() -> None:
    assert '<span class="gap" data-blanks="60">' in html(f"```\nls{' ' * 60}; rm\n```\n")
