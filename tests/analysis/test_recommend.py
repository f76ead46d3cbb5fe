"""Recommendations: the fastest that is right and fits, and an honest word on where figures end."""

from dataclasses import replace
from functools import partial

import pytest

from supcr_bench.analysis.recommend import Question, Recommendation, Source, recommend
from supcr_bench.render.recommendation import explanation
from supcr_bench.values.result import Result, Status
from tests.made_results import make_result, make_series

SIZES = [16, 32, 64, 128, 256]


def times(factor: float, n: int) -> float:
    return factor * 1e-7 * n**2


def run(dims: int = 2, factor: float = 1.0) -> list[Result]:
    case = {"dims": dims, "nan_density": 0.2}
    results = []
    for name, seconds, size in (
        ("cubic", lambda n: factor * 1e-9 * n**3, lambda n: 8.0 * n**3),
        ("square", lambda n: factor * 1e-7 * n**2, lambda n: 8.0 * n**2),
    ):
        results += make_series(name, SIZES, seconds, size, pass_="training", case=case)
    return results


def asked(results: list[Result], n: int, **fields: object) -> Recommendation:
    question = {"dims": 2, "nan_density": 0.2, "pass_": "training", **fields}
    return recommend(results, Question(batch_size=n, **question))  # type: ignore[arg-type]


def test_a_measured_size_has_its_own_fastest() -> None:
    small, large = asked(run(), 32), asked(run(), 256)
    assert small.implementation == "cubic"
    assert large.implementation == "square"
    assert large.candidates[0].time is not None
    assert large.candidates[0].time.source is Source.MEASURED
    assert "use square: about 6.55 ms a call (measured), 524 kB above the inputs" in (
        explanation(large)
    )
    assert "Cubic takes 2.6 times as long" in explanation(large)


def test_a_file_keeps_its_name_at_the_start_of_a_sentence() -> None:
    renamed = {"cubic": "my_loss.py:RnC"}
    results = [
        replace(r, implementation=renamed.get(r.implementation, r.implementation)) for r in run()
    ]
    assert " my_loss.py:RnC takes 2.6 times as long" in explanation(asked(results, 256))


def test_between_sizes_figures_are_interpolated_in_log_log() -> None:
    best = asked(run(), 90).candidates[0]
    assert best.implementation == "cubic"
    assert best.time is not None
    assert best.time.source is Source.INTERPOLATED
    assert best.time.value == pytest.approx(1e-9 * 90**3)


def test_beyond_the_sizes_it_extrapolates_and_says_so() -> None:
    found = asked(run(), 1024)
    assert found.implementation == "square"
    assert found.candidates[0].time is not None
    assert found.candidates[0].time.value == pytest.approx(1e-7 * 1024**2)
    assert "extrapolated" in explanation(found)
    assert "were not measured" in explanation(found)


def test_between_dimensions_and_densities_it_interpolates_and_beyond_it_says_so() -> None:
    results = run(dims=1) + run(dims=4, factor=4.0)
    between = asked(results, 64, dims=2).candidates[0]
    assert between.time is not None
    assert between.time.source is Source.INTERPOLATED
    assert between.time.value == pytest.approx(2.0 * 1e-9 * 64**3)
    beyond = asked(results, 64, dims=16)
    assert "extrapolated" in explanation(beyond)
    assert beyond.candidates[0].time is not None
    assert beyond.candidates[0].time.value == pytest.approx(16.0 * 1e-9 * 64**3)


def test_what_was_not_measured_and_cannot_be_reached_is_refused() -> None:
    for n, fields in ((64, {"nan_density": 0.9}), (64, {"dims": 16}), (10_000, {})):
        found = asked(run(), n, **fields)
        assert found.implementation is None
        assert "too far from" in explanation(found)


def test_as_many_missing_labels_are_the_same_density() -> None:
    found = asked(run(), 64, nan_density=0.2000001).candidates[0]
    assert found.time is not None
    assert found.time.source is Source.MEASURED


def test_between_four_measured_places_both_axes_are_interpolated() -> None:
    results = []
    for dims in (1, 4):
        for density in (0.0, 0.5):
            case = {"dims": dims, "nan_density": density}
            law = partial(times, dims)
            results += make_series("one", SIZES, law, pass_="training", case=case)
    found = asked(results, 64, dims=2, nan_density=0.25).candidates[0]
    assert found.time is not None
    assert found.time.source is Source.INTERPOLATED
    assert found.time.value == pytest.approx(2 * 1e-7 * 64**2)


def test_one_that_is_known_to_fail_there_is_not_used_beyond() -> None:
    failed = make_result(
        "cubic",
        n=512,
        pass_="training",
        case={"dims": 2, "nan_density": 0.2},
        status=Status.OUT_OF_MEMORY,
        reason="an allocation of 1 GB failed",
    )
    found = asked([*run(), failed], 600)
    assert found.implementation == "square"
    assert "Not cubic: out of memory at N=512" in explanation(found)
    assert asked([*run(), failed], 64).implementation == "cubic"


def test_the_usual_precision_temperature_and_labels_are_meant() -> None:
    odd = make_series(
        "odd", SIZES, lambda n: 1e-9, pass_="training", case={"dims": 2, "dtype": "float64"}
    )
    found = asked([*odd, *odd, *odd, *run()], 64)
    assert found.implementation == "cubic"
    assert "(float32, tau=0.1, d=64)" in explanation(found)


def test_labels_of_ones_own_bring_their_density() -> None:
    case = {"dims": 2, "nan_density": None, "labels": "file:abc"}
    results = make_series("one", SIZES, lambda n: 1e-7 * n**2, pass_="training", case=case)
    assert asked(results, 64).implementation == "one"


def test_what_does_not_fit_is_out_and_the_next_is_used() -> None:
    found = asked(run(), 64, memory_bytes=2**20)
    assert found.implementation == "square"
    assert "Not cubic: needs 2.13 MB (measured), more than 1 MiB" in explanation(found)


def test_a_wrong_one_is_out_however_fast() -> None:
    wrong = make_result(
        "quick",
        pass_="training",
        case={"dims": 2, "nan_density": 0.2},
        times=[1e-9] * 6,
        status=Status.WRONG,
        reason="the loss is nan",
    )
    found = asked([*run(), wrong], 64)
    assert found.implementation == "cubic"
    assert "not quick: wrong at N=64" in explanation(found)


def test_one_that_is_wrong_on_ties_is_out_where_there_are_none_too() -> None:
    tied = make_result(
        "cubic",
        pass_="training",
        case={"dims": 1, "labels": "tied"},
        times=[1.0] * 6,
        status=Status.WRONG,
        reason="off",
    )
    low = make_result(
        "square",
        pass_="training",
        case={"dims": 1, "dtype": "float16"},
        times=[1.0] * 6,
        status=Status.WRONG,
        reason="overflow",
    )
    found = asked([*run(), tied, low], 32)
    assert found.implementation == "square"
    assert "Not cubic: wrong at N=64 D=1 NaN 0% tied labels" in explanation(found)


def test_times_that_the_noise_hides_are_said_to_be_as_fast() -> None:
    times = {"one": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "two": [1.1, 1.9, 3.1, 3.9, 5.1, 5.9]}
    results = [
        make_result(name, pass_="training", times=own, session="s") for name, own in times.items()
    ]
    found = asked(results, 64, dims=1, nan_density=0.0)
    assert "use one or two: about" in explanation(found)
    assert "Two is as fast within the noise (-5% / +10% of its time, 6 samples)" in (
        explanation(found)
    )


def test_few_samples_with_a_wide_interval_recommend_nothing() -> None:
    wide = {"one": [1.0, 2.0, 1.0, 2.0, 1.0, 2.0], "two": [1.4, 1.4, 1.4, 1.4, 1.4, 1.4]}
    results = [
        make_result(name, pass_="training", times=own, session="s") for name, own in wide.items()
    ]
    found = asked(results, 64, dims=1, nan_density=0.0)
    assert found.implementation is None
    assert "the times do not decide between" in explanation(found)


def test_a_run_that_does_not_tell_recommends_nothing() -> None:
    other = asked(run(), 64, device="cuda")
    assert other.implementation is None
    assert "has no results for training on cuda" in explanation(other)
    failed = [make_result("mine", pass_="training", status=Status.FAILED, reason="no")]
    assert asked(failed, 64).implementation is None
    assert "mine: not timed: no" in explanation(asked(failed, 64))
    assert asked(run(), 256, memory_bytes=100).implementation is None


def test_each_definition_has_its_own_tau_in_the_answer() -> None:
    results = run()
    two = [
        replace(r, case=replace(r.case, definition="rank-n-contrast", temperature=2.0))
        if r.implementation == "square"
        else r
        for r in results
    ]
    text = asked([replace(r, case=replace(r.case, own_temperature=True)) for r in two], 64)
    assert "(float32, tau=0.1 of cubic; tau=2 of square, d=64)" in explanation(text)
    assert "several definitions (torchcell: cubic; rank-n-contrast: square)" in explanation(text)
    assert {asked(two, n, definition="torchcell").implementation for n in (64, 256)} == {"cubic"}
    assert "no results for training on cpu of none" in explanation(
        asked(two, 64, definition="none")
    )


def test_one_that_may_not_fit_is_not_said_to_need_more() -> None:
    (peak,) = (c.peak_bytes for c in asked(run(), 1024).candidates if c.implementation == "square")
    assert peak is not None
    assert peak.low is not None
    assert peak.high is not None
    inputs = 1024 * (2 * 64 + 2) * 4
    for limit, said in ((peak.high, None), (peak.value, "may need"), (peak.low / 2, "needs")):
        found = asked(run(), 1024, memory_bytes=int(limit) + inputs + 1)
        (why,) = (c.ruled_out for c in found.candidates if c.implementation == "square")
        assert (why is None) if said is None else (why or "").startswith(said)
