"""Diffs are tinted by line and by word, with the numbers of both sides."""

from tests.support.values import Read, value_of

DIFF = """\
--- a/pay.py
+++ b/pay.py
@@ -10,4 +10,4 @@ def pay():
 one
-amount = 4200
+amount = 4000
--- no head
 two
\\ No newline at end of file
"""


def html(text: str) -> str:
    return str(value_of("x_diff", text).html)


def test_lines_are_tinted_by_what_happens_to_them() -> None:
    shown = html(DIFF)

    assert '<span class="head">--- a/pay.py\n</span>' in shown
    assert '<span class="hunk">@@ -10,4 +10,4 @@ def pay():\n</span>' in shown
    assert "<del>-amount = <mark>4200</mark>\n</del>" in shown
    assert "<ins>+amount = <mark>4000</mark>\n</ins>" in shown
    assert "<del>--- no head\n</del>" in shown
    assert '<span class="hunk">\\ No newline' in shown


def test_lines_have_their_numbers_before_and_after() -> None:
    numbers = html(DIFF).partition('aria-hidden="true">')[2].partition("</pre>")[0].split("\n")

    assert numbers[3:] == ["10 10", "11   ", "   11", "12   ", "13 12", "     "]


def test_diff_without_numbers_of_its_own_is_numbered() -> None:
    patch = "*** Begin Patch\n*** Update File: a.py\n@@\n-a\n+b\n*** End Patch"

    shown = html(patch)

    assert '"true">1\n2\n3\n4\n5\n6</pre>' in shown
    assert '<span class="head">*** End Patch\n</span>' in shown


def test_words_of_lines_with_little_in_common_are_not_marked() -> None:
    assert "<mark>" not in html("-one two three\n+4 5 6 seven\n")
    assert "<mark>" not in html(" a b c\n+a b d\n")


def test_blanks_and_signs_between_changed_words_are_marked_with_them() -> None:
    shown = html("-the total is (4200, EUR) for now\n+the total is (4000, USD) for now\n")

    assert "-the total is (<mark>4200, EUR</mark>) for now" in shown
    assert "+the total is (<mark>4000, USD</mark>) for now" in shown


def test_line_with_a_misleading_character_is_whole_and_coded() -> None:
    shown = html("-pay alice now\n+pay аlice now\n")

    assert "<mark>" not in shown
    assert Read(shown).lines == ["-pay alice now", "+pay U+0430lice now"]


def test_words_are_compared_without_what_begins_and_ends_both_lines() -> None:
    same = "!;" * 110

    shown = html(f"-{same}4{same}\n+{same}5{same}\n")

    assert "<mark>4</mark>" in shown
    assert "<mark>5</mark>" in shown


def test_lines_of_words_that_return_too_often_are_not_compared() -> None:
    assert "<mark>" not in html(f"-{'!!' * 220}\n+{'!%' * 220}\n")


def test_only_so_many_lines_are_compared() -> None:
    shown = html("".join(f"-{n} {'a ' * 90}{n}\n+x{n} {'a ' * 90}x{n}\n" for n in range(60)))

    assert 0 < shown.count("<mark>") < 100
    assert shown.count("<ins>") == 60


def test_more_lines_than_a_hunk_announces_are_still_tinted() -> None:
    shown = html("@@ -1 +1 @@\n-a\n+b\n+c\n")

    assert "<ins>+c\n</ins>" in shown
