"""Laws of figures without noise: named, refuted, or left open, and how far they predict."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supcr_bench.analysis.counted_growth import fit_counted, fit_sum, judge_counted
from supcr_bench.values.growth_law import LAWS

SIZES = [16.0, 32.0, 64.0, 128.0, 256.0, 512.0]
EXAMPLES = settings(deadline=None, derandomize=True, max_examples=60)


def counts(*terms: tuple[float, str], sizes: list[float] = SIZES) -> list[float]:
    return [sum(c * LAWS[law].of(n) for c, law in terms) for n in sizes]


@pytest.mark.parametrize("name", LAWS)
def test_a_law_by_itself_is_named(name: str) -> None:
    found = judge_counted(SIZES, counts((7.0, name)))
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
    found = judge_counted(SIZES, counts((5.0, name), *slower))
    # A law with little weight may be left open; another one is never named in its place.
    assert found.law in (name, None)
    assert name in found.candidates


def test_pairs_of_different_rows_follow_the_law_of_all_pairs() -> None:
    found = judge_counted(SIZES, [30 * n * (n - 1) + 11 * n for n in SIZES])
    assert found.law == "N^2"


def test_a_logarithm_that_weighs_little_is_left_open_until_a_size_that_decides() -> None:
    figures = counts((100.0, "N^2"), (0.4, "N^2 log N"))
    found = judge_counted(SIZES, figures)
    assert found.law is None
    assert found.candidates == ("N^2", "N^2 log N")
    assert found.needs_size is not None
    assert f"needs N up to about {found.needs_size}" in found.evidence
    more = [*SIZES, 1024.0, 2048.0, float(found.needs_size)]
    more = sorted(set(more[: more.index(found.needs_size) + 1]))
    decided = judge_counted(more, counts((100.0, "N^2"), (0.4, "N^2 log N"), sizes=more))
    assert decided.law == "N^2 log N"


def test_few_sizes_and_figures_on_no_law_cannot_be_told() -> None:
    few = judge_counted(SIZES[:4], counts((1.0, "N^3"), sizes=SIZES[:4]))
    assert few.law is None
    assert "takes 5" in few.evidence
    jagged = judge_counted(SIZES, [1e6, 1e3, 1e6, 1e3, 1e6, 1e3])
    assert jagged.law is None
    assert "no sum of growth laws" in jagged.evidence


def test_small_sizes_that_take_another_path_are_left_out_and_it_is_said() -> None:
    figures = counts((3.0, "N^2"))
    found = judge_counted(SIZES, [figures[0] * 1.1, *figures[1:]])
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
    fit = fit_counted(tuple(SIZES), tuple(counts(*terms)))
    assert fit is not None
    (true,) = counts(*terms, sizes=[2048.0])
    low, high = fit.bounds(2048.0)
    assert low * (1 - 1e-9) <= true <= high * (1 + 1e-9)
    assert fit.predict(2048.0) == pytest.approx(true, rel=0.02)


def test_the_power_is_the_local_one_at_the_largest_size() -> None:
    found = judge_counted(SIZES, counts((1.0, "N^3"), (100.0, "N^2")))
    local = (3 * 512**3 + 200 * 512**2) / (512**3 + 100 * 512**2)
    assert found.exponent == pytest.approx(local, abs=1e-3)
    assert found.exponent_low is not None
    assert found.exponent_high is not None
    assert found.exponent_low <= local <= found.exponent_high


def test_slower_laws_alone_miss_by_what_the_fit_says() -> None:
    fit = fit_sum([1.0 * 2, 4.0], [1.0, 3.0], 1)
    # The best constant c minimises max(|c - 1|, |c / 3 - 1|): c = 1.5.
    assert fit.misfit == pytest.approx(0.5)
