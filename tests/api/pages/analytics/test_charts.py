"""The geometry of charts: in proportion to the counts, and within the picture."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loopin_mcp.api.pages.analytics.charts import (
    MOST_LABELS,
    MOST_LINES,
    PLOT_EM,
    ROW_EM,
    THINNEST_EM,
    THINNEST_PERCENT,
    BarChart,
    ColumnChart,
)

COUNTS = st.integers(0, 10**7) | st.integers(0, 3)
PAIRS = st.lists(st.tuples(COUNTS, COUNTS), min_size=1, max_size=60).map(tuple)
Pairs = tuple[tuple[int, int], ...]


def bar_chart(*counts: int, total: int | None = None) -> BarChart:
    return BarChart.of(
        [(f"n{place}", "kind", count) for place, count in enumerate(counts)],
        sum(counts) if total is None else total,
    )


@given(counts=st.lists(COUNTS, min_size=1, max_size=8))
def test_bars_are_as_long_as_their_counts_beside_the_longest(counts: list[int]) -> None:
    chart = bar_chart(*counts)

    for bar, count in zip(chart.bars, counts, strict=True):
        exact = 100 * count / max(counts) if count else 0
        assert bar.width == pytest.approx(exact, abs=THINNEST_PERCENT)
        assert (bar.width > 0) == (count > 0)
        assert bar.width <= 100
    assert max(bar.width for bar in chart.bars) == (100 if any(counts) else 0)


def test_bars_lie_one_below_the_other_and_fill_the_chart() -> None:
    chart = bar_chart(5, 0, 2)

    assert [bar.text_y for bar in chart.bars] == [1.1, 3.85, 6.6]
    assert [bar.y for bar in chart.bars] == [1.55, 4.3, 7.05]
    assert chart.height == 3 * ROW_EM
    assert chart.description == "n0: 5, n1: 0, n2: 2"


@pytest.mark.parametrize(
    ("count", "total", "share"),
    [
        (0, 0, "0%"),
        (0, 7, "0%"),
        (7, 7, "100%"),
        (1, 3, "33%"),
        (1, 1000, "<1%"),
        (1, 100, "1%"),
        (999, 1000, ">99%"),
    ],
)
def test_share_says_nothing_or_all_only_where_it_is_so(count: int, total: int, share: str) -> None:
    [bar] = bar_chart(count, total=total).bars

    assert bar.share == share


@given(pairs=PAIRS)
@example(pairs=((0, 0),))
@example(pairs=((0, 7),))
def test_columns_stay_within_the_plot_and_in_proportion(pairs: Pairs) -> None:
    chart = ColumnChart.of(pairs)
    most = max(max(pair) for pair in pairs)

    for column, pair in zip(chart.columns, pairs, strict=True):
        assert column.above_y >= -THINNEST_EM
        assert column.above_y + column.above_height == pytest.approx(chart.zero, abs=0.002)
        assert chart.zero + column.below_height <= PLOT_EM + THINNEST_EM
        for height, count in zip((column.above_height, column.below_height), pair, strict=True):
            assert (height > 0) == (count > 0)
            if most:
                tallest = max(max(c.above_height, c.below_height) for c in chart.columns)
                exact = tallest * count / most
                assert height == pytest.approx(exact, abs=THINNEST_EM + 0.002)


@given(pairs=PAIRS)
def test_columns_stand_side_by_side_across_the_plot(pairs: Pairs) -> None:
    columns = ColumnChart.of(pairs).columns

    edges = [edge for column in columns for edge in (column.x, column.x + column.width)]
    assert edges == sorted(edges)
    assert edges[0] > 0
    assert edges[-1] < 100
    for column in columns:
        assert column.middle == pytest.approx(column.x + column.width / 2, abs=0.002)
        assert column.slot_x <= column.x


@given(pairs=PAIRS)
@example(pairs=((0, 0),))
@example(pairs=((0, 3), (0, 0)))
def test_lines_are_few_at_round_counts_and_hold_all_columns(pairs: Pairs) -> None:
    chart = ColumnChart.of(pairs)

    places = [line.y for line in chart.lines]
    assert len(places) <= MOST_LINES + 1
    assert places[0] == 0
    assert places[-1] == pytest.approx(PLOT_EM, abs=0.002)
    assert places == sorted(places)
    assert {line.count for line in chart.lines if line.y == chart.zero} == {0}
    counts = sorted({line.count for line in chart.lines})
    steps = {after - before for before, after in pairwise(counts)}
    assert len(steps) == 1
    assert str(steps.pop()).rstrip("0") in ("1", "2", "5")


def test_lines_are_labelled_above_and_below_zero() -> None:
    labels = [line.label for line in ColumnChart.of(((17, 3), (9, 7))).lines]
    large = [line.label for line in ColumnChart.of(((31_000, 9000),)).lines]

    assert labels == ["20", "15", "10", "5", "0", "5", "10"]
    assert large == ["40k", "30k", "20k", "10k", "0", "10k"]


@pytest.mark.parametrize(
    ("count", "places"),
    [
        (1, [0]),
        (4, [0, 1, 2, 3]),
        (7, [0, 2, 4, 6]),
        (30, [0, 8, 16, 24]),
        (53, [0, 14, 28, 42]),
    ],
)
def test_labels_have_room_on_a_phone(count: int, places: list[int]) -> None:
    chart = ColumnChart.of(((1, 0),) * count)

    assert list(chart.label_places) == places
    assert len(places) <= MOST_LABELS
