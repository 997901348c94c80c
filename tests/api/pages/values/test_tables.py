"""Lists of flat objects are tables, and other nested values are trees that fold by level."""

import re

import pytest

from tests.support.values import Read, value_of


def html(value: object) -> str:
    return str(value_of("x", value).html)


def test_list_of_flat_objects_is_a_table_of_their_fields() -> None:
    rows = [{"id": 1, "name": "Ann<", "ok": True}, {"id": 2.5, "ok": None, "name": ""}, {"id": 3}]

    shown = value_of("x", rows)

    assert shown.note == "3 rows"
    assert (
        '<th scope="col" dir="auto" class="number">id</th><th scope="col" dir="auto">' in shown.html
    )
    assert '<td class="number">2.5</td><td dir="auto"><bdi>""</bdi></td><td>null</td>' in shown.html
    assert '<tr><td class="number">3</td><td></td><td></td></tr>' in shown.html
    assert "Ann&lt;" in shown.html


@pytest.mark.parametrize(
    "value",
    [
        [{"a": 1}],
        [{"a": 1}, 2],
        [{"a": 1}, {"a": [1]}],
        [{"a": 1}, {"a": "x" * 201}],
        [{}, {}],
        [{f"k{number}": 1} for number in range(4)],
        [dict.fromkeys("abcdefghijklm", 1)] * 2,
    ],
)
def test_other_lists_are_trees(value: list[object]) -> None:
    assert "<table" not in html(value)
    assert '<ul class="tree">' in html(value)


def test_rest_of_a_long_table_folds() -> None:
    shown = html([{"id": number, "b": 1} for number in range(500)])

    assert '<details class="part"><summary>Rest: 440 rows</summary>' in shown
    assert shown.count("<thead>") == 2
    assert "<details" not in html([{"id": number} for number in range(60)])


def test_nested_values_fold_by_level_and_are_open_if_they_fit_on_a_screen() -> None:
    small = {"a": {"b": {"run_sh": "ls\nls"}, "c": [1, "two"]}}
    large = {f"k{number}": {"deep": {"er": 1}} for number in range(30)}

    assert html(small).count("<details") == html(small).count('class="part" open>') == 4
    assert html(large).count('<details class="part"><summary>') == 60
    assert "Shell · 2 lines" in html(small)


def test_text_of_a_tree_has_all_names_and_values() -> None:
    value = {"": {"__proto__": [" ", {"$type": "x"}], "a\u202eb": None}, "n": 2**60}

    text = Read(html(value)).text

    for part in ('""', "__proto__", '" "', "$type", "aU+202Eb", "null", str(2**60)):
        assert part in text


def test_long_lists_fold_after_their_first_values() -> None:
    shown = html(list(range(100)))

    assert '<details class="part"><summary>Rest: 60 values</summary>' in shown


def test_large_and_deep_values_are_json_in_lines() -> None:
    deep: dict[str, object] = {"end": "of it\u200b"}
    for _ in range(20):
        deep = {"deeper": deep}
    large = {"a": [{"n": [number]} for number in range(1000)]}

    assert html(deep).count("<details") == 6
    assert '"end": "of itU+200B"' in [line.strip() for line in Read(html(deep)).lines]
    assert Read(html(large)).lines[:4] == ["{", '  "a": [', "    {", '      "n": [']
    assert re.search(r'<details class="part"><summary>Rest: 4,\d+ lines, \d+ KB<', html(large))
