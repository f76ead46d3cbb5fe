"""What decides whether evidence is true finds it false where it is."""

from collections.abc import Sequence

import pytest

from supcr_bench.analysis.counted_growth import judge_counted
from supcr_bench.analysis.growth import size_of
from supcr_bench.values.growth_law import LAWS
from supcr_bench.values.result import Result
from tests.made_results import make_series
from tests.render.evidence_propositions import Times, course_holds, rising, time_holds
from tests.render.made_counts import falling, in_blocks, in_other_blocks

SIZES = (16, 23, 32, 45, 64, 91, 128, 181, 256, 362, 512)


@pytest.mark.parametrize(
    ("results", "course", "false"),
    [
        (
            in_blocks(),
            "N^2, N from N=64 on",
            [
                "N^2",
                "N^3, N from N=64 on",
                "N log N, N from N=64 on",
                "N^2.0, N from N=64 on",
                "N^2, N^2 from N=64 on",
                "N^2, N log N from N=64 on",
                "N^2, N from N=48 on",
                "N^2, N from N=96 on",
                "N^2, N from N=65 on",
                "N^2, other from N=64 on",
            ],
        ),
        (
            in_other_blocks(),
            "N^2, N^0.9 from N=128 on",
            [
                "N^3, N^0.9 from N=128 on",
                "N^1.9, N^0.9 from N=128 on",
                "N^2, N^1.1 from N=128 on",
                "N^2, N from N=128 on",
                "N^2, N^0.9 from N=64 on",
                "N^2, N^0.8 from N=256 on",
                "N^2, other from N=128 on",
            ],
        ),
        (
            falling(),
            "N^2.2, N^0.8 from N=256 on",
            [
                "N^2.5, N^0.8 from N=256 on",
                "N^2, N^0.8 from N=256 on",
                "N^2.2, N^1.0 from N=256 on",
                "N^2.2, other from N=256 on",
            ],
        ),
        (
            falling(5),
            "N^2.2, other from N=256 on",
            ["N^2.4, other from N=256 on", "N^2.2, N^0.9 from N=256 on"],
        ),
    ],
)
def test_each_part_of_a_course_is_decided(
    results: Sequence[Result], course: str, false: Sequence[str]
) -> None:
    points = rising(results, "peak_bytes")
    sizes = tuple(size_of(r.case) for r, _ in points)
    assert judge_counted(sizes, tuple(y for _, y in points), peak=True).course == course
    assert course_holds(points, course)
    assert [text for text in false if course_holds(points, text)] == []


@pytest.mark.parametrize(("late", "holds"), [(1.3, True), (1.9, False)])
def test_a_law_of_times_holds_if_it_misses_no_time_by_half(late: float, holds: bool) -> None:
    own = make_series("loopy", SIZES, lambda n: 1e-9 * n**4 * (late if n == 91 else 1))
    points = rising(own, "time")
    worst = Times(own, points).worst(LAWS["N^4"].of)
    assert (worst < 1.5) is holds
    assert worst < 2
    assert time_holds(own, "grows as N^4", (16, 512), None, points) is holds
    assert not time_holds(own, "grows as N^3", (16, 512), None, points)
