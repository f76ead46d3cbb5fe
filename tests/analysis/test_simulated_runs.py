"""Claims, fastest implementations and recommendations of simulated runs, held against the truth."""

import math
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pytest

from supcr_bench.analysis.claims import claim_rows
from supcr_bench.analysis.frontier import input_bytes
from supcr_bench.analysis.growth import growth_in, series_of
from supcr_bench.analysis.recommend import Question, recommend
from supcr_bench.analysis.statistics import faster_in
from supcr_bench.analysis.summary import fastest_by_size, known_wrong
from supcr_bench.values.axes import PASSES, Pass
from supcr_bench.values.case import Case
from supcr_bench.values.growth_law import Holds, grows_faster
from supcr_bench.values.metrics import ELEMENTS_PROCESSED, MEMORY
from supcr_bench.values.result import Result, Status
from tests.analysis.simulated_runs import NOTE, SIZES, Subject, drawn_subjects, simulated_run

RUNS = int(os.environ.get("SUPCR_BENCH_SWEEPS", "25"))
WITHIN = 1.01
"""Times this close are a tie: either may be named."""
CLEAR = 1.5
"""Noise does not hide a difference that is larger, in runs of this kind."""
Subjects = Mapping[str, Subject]
Held = set[Holds]
"""The verdicts on a claim that are not false."""


def at_most(law: str, claimed: str) -> Held:
    return {Holds.NO if grows_faster(law, claimed) else Holds.YES}


def duels(
    results: Sequence[Result],
    subjects: Subjects,
    one: str,
    others: Sequence[str],
    passes: Sequence[Pass] = PASSES,
    pick: Callable[[Iterable[float]], float] = min,
) -> list[list[float]]:
    """By series and rising size, how many times the first one's time an other takes.

    What ran out of memory or was skipped for its time takes for ever; of two such nothing is known.
    """
    by_series: dict[object, dict[int, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for r in results:
        if r.case.pass_ in passes and r.status is not Status.FAILED:
            at = by_series[r.case.pass_, r.case.series()][r.case.batch_size]
            at[r.implementation] = (
                subjects[r.implementation].seconds(r.case) if r.time_samples_s else math.inf
            )
    found = []
    for cells in by_series.values():
        ratios = []
        for _, times in sorted(cells.items()):
            pairs = [(times[n], times[one]) for n in others if {n, one} <= times.keys()]
            met = [other / own for other, own in pairs if math.isfinite(min(other, own))]
            ratios += [pick(met)] if met else []
        found += [ratios] if ratios else []
    return found


def among(ratios: Iterable[float]) -> Held:
    """The verdicts that hold of ratios that a claim says to be above 1; ties are both."""
    ratios = list(ratios)
    held = set()
    if all(ratio * WITHIN > 1 for ratio in ratios):
        held.add(Holds.YES)
    if any(ratio * WITHIN > 1 for ratio in ratios):
        held.add(Holds.CONDITION)
    if any(ratio < WITHIN for ratio in ratios) and all(ratio < CLEAR for ratio in ratios):
        held.add(Holds.NO)
    return held


def true_verdicts(results: Sequence[Result], subjects: Subjects) -> dict[str, Held]:
    loopy, broadcast, rowsort = (subjects[name] for name in NOTE)
    held: dict[str, Held] = {}
    for name, claimed in (("loopy", "N^3"), ("broadcast", "N^3"), ("rowsort", "N^2 log N")):
        for pass_ in PASSES:
            text = f"{name} takes O({claimed}) work: {pass_}."
            held[text] = at_most(subjects[name].work[pass_][0], claimed)
    memory = "{} builds no N x N x N tensor: memory N^2."
    held[memory.format("loopy")] = at_most(loopy.program.law, "N^2")
    held[memory.format("rowsort")] = at_most(rowsort.program.law, "N^2")
    held["broadcast takes O(N^3) memory."] = at_most(broadcast.program.law, "N^3")
    large = duels(results, subjects, "rowsort", ["broadcast"])
    held["rowsort is faster than broadcast for large N."] = among(own[-1] for own in large)
    training: Sequence[Pass] = ["training"]
    small = duels(results, subjects, "broadcast", ["rowsort"], training)
    held["broadcast is fine for small batches."] = among(own[0] for own in small)
    slow = duels(results, subjects, "loopy", ["broadcast", "rowsort"], training, max)
    held["loopy is the slowest."] = among(1 / max(ratio, 1e-9) for own in slow for ratio in own)
    fast = duels(results, subjects, "rowsort", ["broadcast", "loopy"], training)
    fastest = among(ratio for own in fast for ratio in own) - {Holds.NO}
    at_end = among(own[-1] for own in fast) & {Holds.NO}
    held["rowsort is the fastest, so it is the one to use."] = fastest | at_end
    both = {r.case for r in results if r.implementation == "rowsort" and r.peak_bytes} & {
        r.case for r in results if r.implementation == "broadcast" and r.peak_bytes
    }
    peaks = [broadcast.peak(c) / rowsort.peak(c) for c in both if c.pass_ == "training"]
    held["rowsort takes less memory than broadcast."] = among(peaks)
    right = not any(subjects[name].wrong for name in NOTE)
    held["All three give the same result, up to rounding."] = (
        {Holds.YES} if right else {Holds.NO, Holds.CONDITION}
    )
    return held


def judge_claims(results: Sequence[Result], subjects: Subjects, counts: Counter[str]) -> None:
    growth = [
        found
        for own in series_of([r for r in results if r.implementation in NOTE])
        for metric in (ELEMENTS_PROCESSED, MEMORY)
        if (found := growth_in(own, metric, {}))
    ]
    held = true_verdicts(results, subjects)
    for row in claim_rows(results, growth):
        if row.claim in held and row.verdict is not Holds.UNDECIDED:
            counts["claims"] += 1
            counts["claims, false"] += row.verdict not in held[row.claim]


def judge_fastest(results: Sequence[Result], subjects: Subjects, counts: Counter[str]) -> None:
    wrong = known_wrong(results)
    by_case = defaultdict(set)
    for r in results:
        if r.time_samples_s and not subjects[r.implementation].wrong:
            by_case[r.case.shared].add(r.implementation)
    for shared, ahead in fastest_by_size(results, wrong, faster_in(results)).items():
        case = next(r.case for r in results if r.case.shared == shared)
        least = min(subjects[name].seconds(case) for name in by_case[shared])
        best = min(subjects[name].seconds(case) for name in ahead)
        counts["cells"] += 1
        counts["fastest named"] += len(ahead) == 1
        counts["fastest, false"] += best > WITHIN * least


def drawn_question(random: np.random.Generator, results: Sequence[Result]) -> Question:
    device = str(random.choice(sorted({r.case.device for r in results})))
    n = int(random.choice([*SIZES, 48, 100, 400, 700, 1024, 4096]))
    dims, density = [(1, 0.0), (2, 0.2), (1, 0.0), (4, 0.2)][int(random.integers(4))]
    limit = None if random.random() < 0.5 else int(2 ** random.uniform(18, 31))
    pass_ = PASSES[int(random.integers(2))]
    return Question(
        batch_size=n,
        dims=dims,
        nan_density=density,
        device=device,
        pass_=pass_,
        memory_bytes=limit,
        definition="torchcell" if random.random() < 0.3 else None,
    )


def judge_answers(
    random: np.random.Generator,
    results: Sequence[Result],
    subjects: Subjects,
    counts: Counter[str],
) -> None:
    for _ in range(6):
        question = drawn_question(random, results)
        answer = recommend(results, question)
        case = Case(
            batch_size=question.batch_size,
            dims=question.dims,
            nan_density=question.nan_density,
            device=question.device,
            pass_=question.pass_,
        )
        inputs = input_bytes(case, case.batch_size)
        needs = {name: own.peak(case) + inputs for name, own in subjects.items()}
        limit = question.memory_bytes or float("inf")
        for c in answer.candidates:
            said = (c.ruled_out or "").startswith("needs")
            counts["ruled out for memory"] += said
            counts["ruled out for memory, false"] += said and needs[c.implementation] <= limit
            true = subjects[c.implementation].seconds(case)
            if c.time and c.time.low and c.time.high:
                counts["times"] += 1
                counts["times, covered"] += c.time.low <= true <= c.time.high
        if answer.implementation is None:
            continue
        counts["answers"] += 1
        usable = [
            c.implementation
            for c in answer.candidates
            if c.ruled_out is None and needs[c.implementation] <= limit
        ]
        least = min((subjects[name].seconds(case) for name in usable), default=0.0)
        best = min(subjects[name].seconds(case) for name in answer.tied)
        counts["answers, false"] += best > WITHIN * least
        counts["answers too large"] += needs[answer.implementation] > limit
        counts["answers wrong"] += subjects[answer.implementation].wrong
        asked = {question.definition} - {None}
        counts["answers of another definition"] += any(
            {subjects[name].definition} != (asked or {subjects[name].definition})
            for name in answer.tied
        )


@pytest.fixture(scope="module")
def found() -> Counter[str]:
    random, counts = np.random.default_rng(20261126), Counter[str]()
    for k in range(RUNS):
        devices = ["cpu", "cuda"] if k % 4 == 0 else ["cpu"]
        subjects = drawn_subjects(random, devices)
        results = simulated_run(random, subjects, devices)
        judge_claims([r for r in results if r.case.device == "cpu"], subjects, counts)
        judge_fastest(results, subjects, counts)
        judge_answers(random, results, subjects, counts)
    return counts


def test_claims_are_right_or_undecided(found: Counter[str]) -> None:
    assert found["claims"] >= 8 * RUNS
    assert found["claims, false"] <= 0.01 * found["claims"]


def test_no_fastest_is_named_against_the_truth_beyond_one_percent(found: Counter[str]) -> None:
    assert found["fastest named"] >= 0.7 * found["cells"]
    assert found["fastest, false"] <= 0.01 * found["cells"]


def test_what_is_recommended_is_right_fits_and_is_the_fastest(found: Counter[str]) -> None:
    assert found["answers"] >= 2 * RUNS
    assert found["answers, false"] <= 0.01 * found["answers"]
    assert found["answers too large"] <= 0.01 * found["answers"]
    assert found["answers wrong"] == found["answers of another definition"] == 0
    assert found["ruled out for memory, false"] <= 0.01 * found["ruled out for memory"]
    assert found["times, covered"] >= 0.93 * found["times"]
