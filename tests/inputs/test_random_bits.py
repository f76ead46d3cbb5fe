import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supcr_bench.inputs.tensors import Stream

EXAMPLES = settings(deadline=None, derandomize=True, max_examples=25)
SEEDS = st.integers(0, 2**40)


def test_the_stream_is_pinned() -> None:
    """Exact values: a change on any machine, or with any NumPy, changes every stored case."""
    assert Stream("pin", 0).words(3).tolist() == [
        0xE082F91CF8E76EE2,
        0x2A01439CCC92098E,
        0x755A98382F0C03AB,
    ]
    assert Stream("pin", 0).uniform(3).tolist() == [
        0.8769984908803089,
        0.1640817888078986,
        0.4584136140029358,
    ]
    assert Stream("pin", 0).bell(3).tolist() == [
        -0.2287139892578125,
        -0.3820953369140625,
        2.0875091552734375,
    ]
    assert Stream("pin", 0).choose(4, of=9).tolist() == [1, 8, 4, 3]


def test_the_bell_has_mean_zero_and_variance_one() -> None:
    count = 200_000
    values = Stream("bell").bell(count)
    assert abs(values.mean()) < 4 / np.sqrt(count)
    assert abs(values.var() - 1) < 4 * np.sqrt(2 / count)


def test_the_bell_is_nearly_normal() -> None:
    values = Stream("bell").bell(200_000)
    within = [float((np.abs(values) < k).mean()) for k in (1, 2, 3)]
    assert within == pytest.approx([0.6827, 0.9545, 0.9973], abs=0.006)
    assert np.abs(values).max() < 6


@given(SEEDS)
@EXAMPLES
def test_bell_values_are_exact_in_float32(seed: int) -> None:
    values = Stream("bell", seed).bell(500)
    assert (values.astype(np.float32).astype(np.float64) == values).all()
    assert (values * 2**16 == np.round(values * 2**16)).all()


@given(SEEDS)
@EXAMPLES
def test_uniform_values_are_multiples_of_two_to_the_minus_53_below_one(seed: int) -> None:
    values = Stream("uniform", seed).uniform(500)
    assert ((values >= 0) & (values < 1)).all()
    scaled = np.ldexp(values, 53)
    assert (scaled == np.floor(scaled)).all()


def test_uniform_values_fill_the_interval_evenly() -> None:
    counts, _ = np.histogram(Stream("uniform").uniform(100_000), bins=10, range=(0, 1))
    assert np.abs(counts - 10_000).max() < 4 * np.sqrt(10_000)


def test_a_stream_goes_on_where_it_stopped() -> None:
    stream = Stream("words")
    parts = np.concatenate([stream.words(5), stream.words(7)])
    assert (parts == Stream("words").words(12)).all()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("perturbed", 0), ("intact", 0)),
        (("perturbed", 0), ("perturbed", 1)),
        (("nan", 0, 0), ("nan", 0, 1)),
        (("labels", 0, 1), ("labels", 1, 0)),
    ],
)
def test_streams_of_different_names_are_independent(
    one: tuple[object, ...], other: tuple[object, ...]
) -> None:
    count = 20_000
    a, b = Stream(*one).bell(count), Stream(*other).bell(count)
    assert abs(float(np.corrcoef(a, b)[0, 1])) < 4 / np.sqrt(count)
    assert not (a == b).all()


@given(SEEDS, st.integers(1, 60), st.integers(0, 60))
@EXAMPLES
def test_chosen_indices_are_different_and_in_range(seed: int, of: int, count: int) -> None:
    chosen = Stream("choose", seed).choose(min(count, of), of=of)
    assert len(set(chosen.tolist())) == len(chosen) == min(count, of)
    assert all(0 <= index < of for index in chosen.tolist())


def test_every_index_is_chosen_about_equally_often() -> None:
    counts = np.zeros(10)
    for seed in range(2000):
        counts[Stream("choose", seed).choose(3, of=10)] += 1
    assert np.abs(counts - 600).max() < 4 * np.sqrt(2000 * 0.3 * 0.7)
