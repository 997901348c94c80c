"""The geometry of charts: in proportion to the counts, and within the picture."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loopin_mcp.api.pages.history.analytics.charts import (
    MOST_LABELS,
    MOST_LINES,
    PLOT_EM,
    THINNEST_EM,
    THINNEST_PERCENT,
    ColumnChart,
    Part,
    bar,
    percent,
)

COUNTS = st.integers(0, 10**7) | st.integers(0, 3)
PAIRS = st.lists(st.tuples(COUNTS, COUNTS), min_size=1, max_size=60).map(tuple)
Pairs = tuple[tuple[int, int], ...]


@given(
    counts=st.lists(st.tuples(COUNTS, COUNTS), min_size=1, max_size=8).filter(
        lambda pairs: any(map(any, pairs))
    )
)
def test_bars_are_as_long_as_their_counts_beside_the_longest(
    counts: list[tuple[int, int]],
) -> None:
    longest = max(map(sum, counts))

    for pair in counts:
        parts = bar([("approved", pair[0]), ("rejected", pair[1])], longest)

        widths = {part.kind: part.width for part in parts}
        for kind, count in zip(("approved", "rejected"), pair, strict=True):
            exact = 100 * count / longest
            assert widths.get(kind, 0) == pytest.approx(exact, abs=THINNEST_PERCENT)
            assert (kind in widths) == (count > 0)
        assert all(part.x >= 0 and part.x + part.width <= 100.01 for part in parts)


def test_parts_of_a_bar_lie_side_by_side() -> None:
    assert bar([("approved", 3), ("rejected", 1)], 8) == (
        Part("approved", 0, 37.5),
        Part("rejected", 37.5, 12.5),
    )
    assert bar([("approved", 0), ("rejected", 0)], 0) == ()


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
    assert percent(count, total) == share


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
