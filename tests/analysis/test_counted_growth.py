"""Laws of figures without noise: named, refuted, or left open, and how far they predict."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supcr_bench.analysis.counted_growth import Size, fit_counted, fit_sum, judge_counted
from supcr_bench.values.growth_law import LAWS

SIZES = [16.0, 32.0, 64.0, 128.0, 256.0, 512.0]


def plain(sizes: list[float]) -> tuple[Size, ...]:
    """Sizes with every label."""
    return tuple(Size(n, n) for n in sizes)


EXAMPLES = settings(deadline=None, derandomize=True, max_examples=60)


def counts(*terms: tuple[float, str], sizes: list[float] = SIZES) -> tuple[float, ...]:
    return tuple(sum(c * LAWS[law].of(n) for c, law in terms) for n in sizes)


@pytest.mark.parametrize("name", LAWS)
def test_a_law_by_itself_is_named(name: str) -> None:
    found = judge_counted(plain(SIZES), counts((7.0, name)))
    assert found.law == name
    assert found.candidates == (name,)
    assert "exactly" in found.evidence


@given(
    st.sampled_from([name for name in LAWS if name != "constant"]),
    st.lists(st.tuples(st.floats(0.0, 50.0), st.sampled_from(list(LAWS))), max_size=3),
)
@EXAMPLES
def test_slower_terms_beside_a_law_do_not_hide_it(
    name: str, others: list[tuple[float, str]]
) -> None:
    order = list(LAWS)
    slower = [(c, law) for c, law in others if order.index(law) < order.index(name)]
    found = judge_counted(plain(SIZES), counts((5.0, name), *slower))
    # A law with little weight may be left open; another one is never named in its place.
    assert found.law in (name, None)
    assert name in found.candidates


def test_pairs_of_different_rows_follow_the_law_of_all_pairs() -> None:
    found = judge_counted(plain(SIZES), tuple(30 * n * (n - 1) + 11 * n for n in SIZES))
    assert found.law == "N^2"


def test_a_logarithm_that_weighs_little_is_left_open_until_a_size_that_decides() -> None:
    terms = ((300.0, "N^2"), (0.3, "N^2 log N"))
    few = SIZES[:5]
    found = judge_counted(plain(few), counts(*terms, sizes=few))
    assert found.law is None
    assert found.candidates == ("N^2", "N^2 log N")
    assert found.needs_size is not None
    assert f"needs N up to about {found.needs_size}" in found.evidence
    more = [n for n in (*SIZES, 1024.0, 2048.0) if n < found.needs_size]
    more.append(float(found.needs_size))
    assert judge_counted(plain(more), counts(*terms, sizes=more)).law == "N^2 log N"


@pytest.mark.parametrize(
    ("terms", "law"),
    [
        (((1.0, "N^2"), (0.003, "N^3")), "N^3"),
        (((1.0, "N^3"), (0.0008, "N^4")), "N^4"),
        (((300.0, "N^2"), (0.4, "N^2 log N")), "N^2 log N"),
    ],
)
def test_a_faster_term_of_little_weight_is_seen_where_the_counts_show_it(
    terms: tuple[tuple[float, str], ...], law: str
) -> None:
    sizes = [*SIZES, 1024.0]
    assert judge_counted(plain(sizes), counts(*terms, sizes=sizes)).law == law


def test_work_on_all_rows_beside_work_on_labelled_ones_is_met_exactly() -> None:
    sizes = tuple(Size(n, n - round(0.2 * n)) for n in (16, 23, 32, 45, 64, 91, 128, 181, 256))
    figures = tuple(31.0 * s.labelled * (s.labelled - 1) + 64 * s.rows + 80 for s in sizes)
    found = judge_counted(sizes, figures)
    assert found.law == "N^2"
    assert "exactly" in found.evidence


def test_a_faster_law_that_could_hide_among_small_sizes_is_left_open() -> None:
    few = [16.0, 18.0, 20.0, 22.0, 24.0]
    found = judge_counted(plain(few), tuple(300 * n**2 + 5 * n for n in few))
    assert found.law is None
    assert found.candidates == ("N^2", "N^2 log N")
    assert "would not show; needs N up to about" in found.evidence


def test_sizes_far_apart_are_no_trouble() -> None:
    sizes = [2.0**k for k in range(4, 21)]
    assert judge_counted(plain(sizes), tuple(n**4 + 5 for n in sizes)).law == "N^4"


def test_few_sizes_and_figures_on_no_law_cannot_be_told() -> None:
    few = judge_counted(plain(SIZES[:4]), counts((1.0, "N^3"), sizes=SIZES[:4]))
    assert few.law is None
    assert "takes 5" in few.evidence
    jagged = judge_counted(plain(SIZES), (1e6, 1e3, 1e6, 1e3, 1e6, 1e3))
    assert jagged.law is None
    assert "no sum of growth laws" in jagged.evidence


def test_small_sizes_that_take_another_path_are_left_out_and_it_is_said() -> None:
    figures = counts((3.0, "N^2"))
    found = judge_counted(plain(SIZES), (figures[0] * 1.1, *figures[1:]))
    assert found.law == "N^2"
    assert "from N=32 on" in found.evidence


@given(
    st.floats(0.1, 100),
    st.floats(0.0, 100),
    st.sampled_from(["N^2", "N^2 log N", "N^3"]),
)
@EXAMPLES
def test_a_prediction_at_four_times_the_largest_size_lies_in_its_interval(
    leading: float, slower: float, name: str
) -> None:
    terms = ((leading, name), (slower, "N"))
    fit = fit_counted(plain(SIZES), tuple(counts(*terms)))
    assert fit is not None
    (true,) = counts(*terms, sizes=[2048.0])
    low, high = fit.bounds(Size(2048.0, 2048.0))
    assert low * (1 - 1e-9) <= true <= high * (1 + 1e-9)
    assert fit.predict(Size(2048.0, 2048.0)) == pytest.approx(true, rel=0.02)


def test_the_power_is_the_local_one_at_the_largest_size() -> None:
    found = judge_counted(plain(SIZES), counts((1.0, "N^3"), (100.0, "N^2")))
    local = (3 * 512**3 + 200 * 512**2) / (512**3 + 100 * 512**2)
    assert found.exponent == pytest.approx(local, abs=1e-3)
    assert found.exponent_low is not None
    assert found.exponent_high is not None
    assert found.exponent_low <= local <= found.exponent_high


def test_slower_laws_alone_miss_by_what_the_fit_says() -> None:
    fit = fit_sum(plain([2.0, 4.0]), (1.0, 3.0), 1)
    # The best constant c minimises (c - 1)^2 + (c / 3 - 1)^2: c = 1.2.
    assert fit.misfit == pytest.approx(0.6)


def test_a_change_of_path_with_the_size_is_said() -> None:
    """Pairs in blocks of 64 rows from N=128 on: quadratic memory, then linear."""
    sizes = [16.0, 24.0, 32.0, 48.0, 64.0, 128.0, 256.0, 512.0]
    blocks = [0.0] * 5 + [3e4, 9e4, 0.0]
    peaks = tuple(40 * n * min(n, 64) + 300 * n + b for n, b in zip(sizes, blocks, strict=True))
    found = judge_counted(plain(sizes), peaks, peak=True)
    assert (found.law, found.law_before, found.changes_at) == (None, "N^2", 128)
    assert found.course == "N^2, N^0.9 from N=128 on"
    assert "less at N=128, where it takes another path" in found.evidence
    # More is no proof of another path in a peak, which may be that of another point.
    higher = (*peaks[:5], *(3 * y + n**1.5 for y, n in zip(peaks[5:], sizes[5:], strict=True)))
    found = judge_counted(plain(sizes), higher, peak=True)
    assert found.changes_at == 128
    assert "another path" not in found.evidence


def test_sizes_that_one_sum_meets_take_no_other_path() -> None:
    """A sum of fewer terms meets four of them by accident, and gives more at the fifth."""
    sizes = (Size(16, 13), Size(32, 26), Size(64, 51), Size(128, 102), Size(256, 205))
    figures = (242421.0, 907399.0, 3547583.0, 15020633.0, 65297963.0)
    found = judge_counted(sizes, figures)
    assert fit_sum(sizes, figures, list(LAWS).index("N^2 log N") + 1).misfit < 1e-12
    assert (found.law, found.law_before, found.changes_at) == (None, None, None)
    assert found.evidence.startswith("5 sizes do not tell which sum of growth laws")


def test_a_law_whose_sum_alone_meets_the_counts_is_a_candidate_though_sizes_are_too_few() -> None:
    sizes = [8, 12, 16, 20, 24, 32]
    counts = [50059.0, 105031.0, 184067.0, 290359.0, 426955.0, 803315.0]  # rowsort, training
    found = judge_counted(tuple(Size(n, n) for n in sizes), tuple(counts))
    assert found.law is None
    assert found.candidates == ("N^2", "N^2 log N", "N^3")
    assert found.evidence.startswith(
        "N^2 or N^2 log N or N^3: N^2 misses the counts by only 5.2%; "
    )


def test_the_fastest_of_all_laws_may_be_open_too() -> None:
    """As in a simulated program, whose counts a sum up to N^4 meets only roughly."""
    sizes: list[float] = [8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256]
    elements = (11232, 27686, 58816, 189773, 455936, 1615784, 4002176, 14426435, 35832448)
    found = judge_counted(plain(sizes), (*elements, 128937366, 319292544))
    assert found.law is None
    assert found.candidates == ("N^3", "N^4")
    assert found.evidence.startswith("N^3 or N^4: N^3 misses the counts by only 17%; needs N up to")
