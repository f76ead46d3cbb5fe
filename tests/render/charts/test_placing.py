"""Where labels go."""

import pytest

from supcr_bench.render.charts.placing import Box, Wanted, place, spread

INSIDE = Box(0, 0, 400, 300)


def test_a_label_alone_stands_right_of_its_spot() -> None:
    (box,) = place([Wanted(100, 100, 50, 20)], [], INSIDE)
    assert box == Box(107, 90, 50, 20)


def test_labels_of_spots_close_together_do_not_overlap() -> None:
    boxes = place([Wanted(100, 100 + i, 50, 20) for i in range(5)], [], INSIDE)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])


def test_a_label_keeps_clear_of_what_is_drawn_and_of_what_is_taken() -> None:
    line = [(107.0 + 5 * i, 100.0) for i in range(10)]
    (box,) = place([Wanted(100, 100, 50, 20)], line, INSIDE, [Box(107, 110, 50, 40)])
    assert not any(box.holds(x, y) for x, y in line)
    assert not box.overlaps(Box(107, 110, 50, 40))


def test_a_label_stays_inside() -> None:
    (box,) = place([Wanted(390, 295, 50, 20)], [], INSIDE)
    assert box.within(INSIDE)


@pytest.mark.parametrize(
    ("wanted", "moved"),
    [
        ([10, 50], [10, 50]),
        ([10, 12, 14], [10, 30, 50]),
        ([95, 99], [80, 100]),
        ([], []),
    ],
)
def test_positions_move_apart_no_further_than_they_need(
    wanted: list[float], moved: list[float]
) -> None:
    assert spread(wanted, 20, 0, 100) == moved
