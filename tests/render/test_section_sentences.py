"""What each section of a report finds, in sentences."""

from dataclasses import replace

from supcr_bench.analysis.crossover import Crossover
from supcr_bench.analysis.findings import Findings, find
from supcr_bench.analysis.statistics import NoiseFloor
from supcr_bench.render.sentences import (
    agreement_sentences,
    axis_sentences,
    growth_sentences,
    measured_sentences,
    memory_sentences,
    time_sentences,
)
from supcr_bench.values.axes import get_axis
from supcr_bench.values.case import Case
from supcr_bench.values.result import Result, Status
from tests.made_results import make_result, make_series

SIZES = [16, 24, 32, 48, 64, 256]


def found(*results: Result, **fields: object) -> Findings:
    findings = find(list(results), {"rowsort": {"time": "N^2 log N", "memory": "N^2"}})
    return Findings(**{**{n: getattr(findings, n) for n in findings.__slots__}, **fields})


def crossover(size: float | None, small: str | None, large: str | None) -> Crossover:
    return Crossover(
        one="broadcast",
        other="rowsort",
        case=Case(batch_size=256, pass_="training"),
        sizes=(16, 256),
        small=small,
        large=large,
        size=size,
        low=size and size - 5,
        high=size and size + 5,
    )


def test_agreement_names_the_definition_the_largest_error_and_who_failed() -> None:
    failed = make_result("loopy", n=8, status=Status.FAILED, reason="it broke")
    right = make_series("rowsort", [8, 16], lambda n: 1e-3)
    assert agreement_sentences(found(*right, failed)) == [
        "rowsort agrees with the definition (torchcell) in all 2 answers.",
        "The largest error, of rowsort, is 0.5 of what rounding explains.",
        "loopy failed, first in forward at N=8 D=1 NaN 0%.",
    ]
    wrong = make_result("loopy", n=8, status=Status.WRONG, case={"definition": "no-self"})
    assert agreement_sentences(found(*right, wrong)) == [
        "rowsort agrees with the definition (torchcell) in all 2 answers; "
        "loopy is wrong by the definition (no-self) in 1 of 1 answers."
    ]
    assert agreement_sentences(found(failed))[0] == "Nothing could be measured."


def test_time_tells_four_crossovers_and_counts_the_rest() -> None:
    results = make_series("broadcast", [16, 256], lambda n: 1e-6 * n, pass_="training")
    results += make_series("rowsort", [16, 256], lambda n: 1e-5, pass_="training")
    rows = [crossover(100.0 + i, "broadcast", "rowsort") for i in range(6)]
    rows += [crossover(None, "rowsort", "rowsort"), crossover(None, None, "rowsort")]
    said = time_sentences(found(*results, crossovers=rows))
    assert said[0] == (
        "In training (D=1, NaN 0%, continuous labels, d=64, cpu) rowsort overtakes broadcast "
        "at N=100, 95 % interval 95 to 105."
    )
    assert said[4:] == [
        "And 2 more crossovers, in the table.",
        "In 1 of 8 pairs the same one is faster at the smallest and at the largest size.",
        "1 of 8 pairs is undecided.",
    ]


def test_memory_says_what_fits_and_how_far_predictions_were_off() -> None:
    results = make_series("rowsort", SIZES, lambda n: 1e-3, lambda n: 8.0 * n**3)
    peak = results[-1].peak_bytes or 0
    off = "Peaks of memory predicted from sizes up to a quarter of N were off by up to "
    far = replace(results[-1], predicted_peak_bytes=4.27 * peak, predicted_peak_from=64)
    assert memory_sentences(found(*results[:-1], far)) == [f"{off}327% (rowsort at N=256)."]
    results[-1] = replace(far, predicted_peak_bytes=1.05 * peak)
    assert memory_sentences(found(*results)) == [
        "24 GiB hold the tensors of rowsort up to N=1,476 (forward, D=1, NaN 0%, continuous "
        "labels, d=64, cpu), as the growth of the bytes predicts.",
        f"{off}5% (rowsort at N=256).",
    ]
    few = memory_sentences(found(*make_series("rowsort", [16], lambda n: 1e-3)))
    assert few == [
        "The largest peak is 2.05 kB, of rowsort at N=16; too few sizes for a growth law."
    ]
    assert memory_sentences(found(make_result())) == ["No peak was measured."]


def test_growth_tells_laws_and_broken_claims() -> None:
    results = [
        r
        for n in SIZES
        for r in make_series("rowsort", [n], lambda n: 1e-6 * n, elements_processed=n**3)
    ]
    said = growth_sentences(found(*results))
    assert said[:2] == [
        "The elements processed grow as N^3 (rowsort in forward).",
        "rowsort claims to grow as N^2 log N, and grows as N^3 in forward.",
    ]
    assert growth_sentences(found(make_result())) == ["Too few sizes to tell growth laws apart."]


def test_an_axis_says_what_its_last_value_changes() -> None:
    results = [
        make_result(times=[t] * 6, peak_bytes=size, case={"nan_density": density})
        for density, t, size in ((0.0, 1.0, 5300), (0.5, 0.25, 2650), (0.9, 0.01, 100))
    ]
    axis = get_axis("nan_density")
    assert axis_sentences(found(*results), axis) == [
        "Along missing labels, in forward: from 0% to 90% loopy takes 0.010 times the time and "
        "0.019 times the memory (N=64 D=1 NaN 90%).",
        "Agreement holds at every value.",
    ]
    wrong = make_result(times=[120.0] * 6, status=Status.WRONG, case={"nan_density": 0.97})
    assert axis_sentences(found(*results, wrong), axis) == [
        "Along missing labels, in forward: from 0% to 97% loopy takes 120.0 times the time "
        "(N=64 D=1 NaN 97%).",
        "Wrong results of loopy at 97%.",
    ]
    assert axis_sentences(found(results[0]), axis) == []


def test_the_noise_and_what_has_no_figures_are_said_where_it_was_measured() -> None:
    timed = make_result(times=[1.0] * 6, time_stopped_by="precision")
    skipped = make_result(n=128, status=Status.SKIPPED, reason="too slow")
    noise = NoiseFloor(spread=0.022, cells=36, with_interval=36, covering=34)
    assert measured_sentences(found(timed, skipped, noise=noise)) == [
        "Noise floor: 2.2%, from 36 timings of identical code against itself; the 95 % interval "
        "contains 1 in 34 of 36. Smaller differences are noise here.",
        "Of 2 results: 1 skipped; the table says why.",
        "Of 1 timings 1 reached the precision asked for, 0 ended with their budget.",
    ]
    assert measured_sentences(found(timed))[0].startswith("No implementation was timed twice")
