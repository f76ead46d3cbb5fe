import math

import pytest

from supcr_bench.values.errors import UnknownNameError
from supcr_bench.values.growth_law import LAWS, get_law


@pytest.mark.parametrize(
    ("name", "ratio"),
    [
        ("N", 4.0),
        ("N log N", 4 * math.log(256) / math.log(64)),
        ("N^2", 16.0),
        ("N^2 log N", 16 * math.log(256) / math.log(64)),
        ("N^3", 64.0),
        ("N^4", 256.0),
    ],
)
def test_a_law_says_how_much_more_four_times_the_rows_cost(name: str, ratio: float) -> None:
    assert get_law(name).ratio(64, 256) == pytest.approx(ratio)
    assert get_law(name).ratio(64, 64) == 1.0


def test_laws_are_named_by_themselves_and_listed_by_rising_growth() -> None:
    assert all(law.name == name for name, law in LAWS.items())
    ratios = [law.ratio(64, 4096) for law in LAWS.values()]
    assert ratios == sorted(ratios)


def test_an_unknown_law_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'N\^2 log N'") as caught:
        get_law("N^2 logN")
    assert caught.value.kind == "growth law"
