"""Which results make a series, and what is held against a growth law."""

from dataclasses import replace
from typing import Any

import pytest

from supcr_bench.analysis.growth import Growth, growth_of, unrounded_size
from supcr_bench.values.case import Case, Pass
from supcr_bench.values.result import Result, Status
from tests.examples import measured
from tests.made_results import make_result

SIZES = (16, 32, 64, 128, 256)


def growth(results: list[Result], figure: str = "time") -> list[Growth]:
    return [g for g in growth_of(results, {}) if g.metric.name == figure]


def counted(n: int, **fields: Any) -> Result:
    return make_result("one", n=n, times=[1e-3] * 6, **fields)


def test_each_implementation_pass_and_series_grows_on_its_own() -> None:
    series: list[tuple[str, Pass, int, int]] = [
        ("a", "forward", 1, 1),
        ("a", "training", 1, 2),
        ("a", "forward", 2, 3),
        ("b", "forward", 1, 4),
    ]
    results = [
        measured(n, float(n) ** power, implementation=name, pass_=pass_, dims=dims)
        for name, pass_, dims, power in series
        for n in (64, 32)
    ]
    found = growth(results)
    assert [(g.implementation, g.case.pass_, g.case.dims) for g in found] == [
        ("a", "forward", 1),
        ("a", "training", 1),
        ("a", "forward", 2),
        ("b", "forward", 1),
    ]
    assert [g.last_exponent for g in found] == pytest.approx([1, 2, 3, 4])
    assert all(g.sizes == (32, 64) and g.case.batch_size == 64 for g in found)


def test_one_size_has_no_growth() -> None:
    assert growth([measured(64, 2.0)]) == []


def test_results_without_a_figure_are_left_out() -> None:
    whole = [measured(n, float(n)) for n in SIZES]
    (found,) = growth([*whole[:2], replace(whole[2], time_samples_s=None), *whole[3:]])
    assert found.sizes == (16, 32, 128, 256)


def test_each_figure_is_judged_by_its_kind_and_beside_its_claim() -> None:
    results = [
        counted(n, elements_processed=3 * n**3 + n, dispatched_ops=5 * n, peak_bytes=4 * n**2)
        for n in SIZES
    ]
    found = {
        g.metric.name: g for g in growth_of(results, {"one": {"time": "N^3", "memory": "N^3"}})
    }
    assert {figure: g.verdict.law for figure, g in found.items()} == {
        "time": None,
        "elements_processed": "N^3",
        "dispatched_ops": "N",
        "memory": "N^2",
    }
    assert [
        found[f].claimed for f in ("time", "elements_processed", "dispatched_ops", "memory")
    ] == [
        "N^3",
        "N^3",
        None,
        "N^3",
    ]


def test_missing_labels_that_were_rounded_do_not_bend_a_law() -> None:
    assert unrounded_size(Case(batch_size=16, nan_density=0.2)) == pytest.approx(13 / 0.8)
    assert unrounded_size(Case(batch_size=16, nan_density=1.0)) == 16
    assert unrounded_size(Case(batch_size=16, nan_density=None)) == 16
    results = [
        make_result(
            "one",
            n=n,
            times=[1e-3] * 6,
            case={"nan_density": 0.2},
            elements_processed=7 * (n - round(0.2 * n)) ** 3,
        )
        for n in (16, 23, 32, 45, 64)
    ]
    (found,) = growth(results, "elements_processed")
    assert found.verdict.law == "N^3"


def test_what_could_not_be_timed_is_a_bound() -> None:
    results: list[Result] = [measured(n, 1e-9 * n**3) for n in SIZES]
    ended = {
        512: (Status.SKIPPED, 0.2, "predicted"),
        1024: (Status.TIMED_OUT, None, "took over 1 s"),
        2048: (Status.SKIPPED, None, "timed out at N=1024 already"),
        4096: (Status.OUT_OF_MEMORY, None, "an allocation failed"),
    }
    results += [
        make_result(
            "one", n=n, status=status, reason=reason, predicted_s=predicted, time_limit_s=1.0
        )
        for n, (status, predicted, reason) in ended.items()
    ]
    (found,) = growth(results)
    assert found.bounds == (512, 1024, 2048)


def test_memory_that_ran_out_where_the_law_says_it_should_not_is_said() -> None:
    results = [counted(n, peak_bytes=4 * n**2) for n in SIZES]
    results.append(make_result("one", n=512, status=Status.OUT_OF_MEMORY, memory_limit_bytes=2**30))
    (found,) = growth(results, "memory")
    assert found.verdict.law == "N^2"
    assert (
        "ran out of 1 GiB at N=512, where its tensors take only 1.05 MB" in found.verdict.evidence
    )


def test_batches_with_as_many_labels_or_none_count_once_or_not_at_all() -> None:
    """At 97 % NaN both 32 and 40 rows leave one label: no logarithm, no quotient of sizes."""
    for sizes in ((32, 40, 64), (2, 3, 4), (16, 32, 64, 128, 256)):
        results = [
            make_result(
                "one",
                n=n,
                times=[1e-3] * 6,
                case={"nan_density": 0.97},
                elements_processed=n,
                peak_bytes=n,
            )
            for n in sizes
        ]
        for found in growth_of(results, {}):
            assert found.verdict.law is None or len(found.sizes) >= 5


def test_a_call_that_was_stopped_while_it_was_recorded_bounds_nothing() -> None:
    results: list[Result] = [measured(n, 1e-9 * n**3) for n in SIZES]
    for stage in ("work", "time"):
        ended = make_result(
            "one", n=512, status=Status.TIMED_OUT, reason="", stage=stage, time_limit_s=1.0
        )
        (found,) = growth([*results, ended])
        assert found.bounds == (() if stage == "work" else (512,))
