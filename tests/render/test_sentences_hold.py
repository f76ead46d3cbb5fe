"""Every sentence on a run is true of its results, and no two of one run contradict each other.

SUPCR_BENCH_RUNS sets how many runs are simulated.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from supcr_bench.analysis.fastest import Estimate, Question, Source
from supcr_bench.analysis.findings import find
from supcr_bench.analysis.recommend import recommend
from supcr_bench.render.answer import answer, section_sentences, uses
from supcr_bench.render.recommendation import recommendation_sentences
from supcr_bench.render.sentences import KINDS, Sentence, ties
from supcr_bench.store.loaded_run import Run
from supcr_bench.store.run import load_run
from supcr_bench.values.machine import by_machine
from tests.render import propositions
from tests.render.simulated_runs import simulated_run

ROOT = Path(__file__).parents[2]
RUNS = int(os.environ.get("SUPCR_BENCH_RUNS", "500"))
STORED = ("results/reference", "results/gpu", "tests/golden/quick", "tests/golden/paper")
ADVICE = {
    "not_asked_for",
    "available",
    "not_recommended",
    "recommended",
    "takes_longer",
    "may_be_noise",
    "ties",
    "ruled_out",
    "only_one",
    "extrapolated",
    "several_definitions",
}
"""The kinds of sentences of a recommendation."""
CLAIMS = {"rowsort": {"time": "N^2 log N", "memory": "N^2"}, "loopy": {"time": "N^3"}}


def runs() -> Iterator[Run]:
    yield from (load_run(ROOT / path) for path in STORED)
    yield from map(simulated_run, range(RUNS))


def sentences_of(run: Run) -> list[Sentence]:
    findings = find(run.results, CLAIMS)
    said = [s for own in answer(run, findings).values() for s in own]
    said += [s for own in section_sentences(findings).values() for s in own]
    return said


@pytest.fixture(scope="module")
def told() -> list[tuple[Run, list[Sentence]]]:
    return [
        (replace(run, results=tuple(by_machine(run.results))), sentences_of(run)) for run in runs()
    ]


def test_each_kind_of_sentence_can_be_decided_and_is_said_in_some_run(
    told: list[tuple[Run, list[Sentence]]],
) -> None:
    said = Counter(s.kind for _, own in told for s in own)
    own = {kind for kind, write in KINDS.items() if write.__module__.endswith("render.sentences")}
    assert own == set(said) | ADVICE
    assert all(callable(getattr(propositions, kind)) for kind in own)
    assert sum(said.values()) >= 10 * len(told)


def test_every_sentence_is_true_of_its_run(told: list[tuple[Run, list[Sentence]]]) -> None:
    false = [
        f"{run.id}: {s.text} {dict(s.facts)}"
        for run, own in told
        for s in own
        if not propositions.holds(run, s)
    ]
    assert false == []


def test_a_law_of_time_is_that_of_the_simulation_in_99_percent(
    told: list[tuple[Run, list[Sentence]]],
) -> None:
    named = [
        run.info["laws"][f"{s.facts['name']} {s.facts['case'].pass_}"] == s.facts["law"]
        for run, own in told
        for s in own
        if s.kind == "grows" and "laws" in run.info
    ]
    assert len(named) >= RUNS / 20
    assert named.count(False) <= max(1, 0.01 * len(named))


def test_no_two_sentences_of_a_run_contradict_each_other(
    told: list[tuple[Run, list[Sentence]]],
) -> None:
    assert [pair for _, own in told for pair in propositions.contradictions(own)] == []


def test_what_a_page_says_for_each_size_is_true_too(
    told: list[tuple[Run, list[Sentence]]],
) -> None:
    for run, _ in told[: RUNS // 10]:
        for group in uses(run.results, run.verification or {}, spans=False):
            for sentence in group:
                assert propositions.holds(run, sentence), (run.id, sentence.text)


def test_a_sentence_that_is_false_or_contradicts_another_is_noticed(
    told: list[tuple[Run, list[Sentence]]],
) -> None:
    run, said = told[0]
    by_kind = {s.kind: s for s in said}

    def changed(kind: str, **facts: object) -> Sentence:
        return replace(by_kind[kind], facts={**by_kind[kind].facts, **facts})

    for kind, facts in (
        ("right", {"answers": 187}),
        ("use", {"names": ("loopy",)}),
        ("use", {"times_s": (1.0, 2.0)}),
        ("noise", {"spread": 0.5}),
        ("missing", {"total": 1}),
        ("mispredicted", {"share": 9.9}),
        ("fits", {"batch_size": 2**20}),
    ):
        assert not propositions.holds(run, changed(kind, **facts)), (kind, facts)
    twice = changed("use", names=("loopy",))
    assert propositions.contradictions([by_kind["use"], twice])
    swapped = changed(
        "overtakes",
        name=by_kind["overtakes"].facts["other"],
        other=by_kind["overtakes"].facts["name"],
    )
    assert propositions.contradictions([by_kind["overtakes"], swapped])


def questions(run: Run) -> Iterator[Question]:
    """At a measured place, between and beyond them, with and without a memory, and on no device."""
    cases = sorted({r.case.shared for r in run.results if r.case.labels == "continuous"}, key=str)
    if cases:
        case = cases[len(run.results) % len(cases)]
        question = Question(
            batch_size=case.batch_size,
            dims=case.dims,
            nan_density=case.nan_density or 0.0,
            device=case.device,
            pass_=case.pass_,
        )
        yield question
        yield replace(question, batch_size=3 * case.batch_size // 2)
        yield replace(question, memory_bytes=100 * case.batch_size**2)
        yield replace(question, batch_size=40 * case.batch_size)
        yield replace(question, device="mps")


@pytest.fixture(scope="module")
def advised() -> list[tuple[Run, Question, list[Sentence]]]:
    return [
        (run, question, list(recommendation_sentences(recommend(run.results, question))))
        for run in map(simulated_run, range(RUNS))
        for question in questions(run)
    ]


def test_every_sentence_of_a_recommendation_is_true_of_its_run(
    advised: list[tuple[Run, Question, list[Sentence]]],
) -> None:
    false = [
        f"{run.id} {question}: {s.text}"
        for run, question, own in advised
        for s in own
        if not propositions.holds(run, s, question)
    ]
    assert false == []
    said = Counter(s.kind for *_, own in advised for s in own)
    assert set(said) == ADVICE


def test_a_recommendation_that_is_false_is_noticed(
    advised: list[tuple[Run, Question, list[Sentence]]],
) -> None:
    found = {s.kind: (run, question, s) for run, question, own in advised for s in own}
    for kind, facts in (
        ("recommended", {"time": Estimate(9.0, Source.MEASURED)}),
        ("ties", {"low": 0.5}),
        ("ruled_out", {"reason": "wrong at N=3: it is wrong"}),
        ("only_one", {"name": "another"}),
    ):
        run, question, sentence = found[kind]
        changed = replace(sentence, facts={**sentence.facts, **facts})
        assert not propositions.holds(run, changed, question), kind


def test_one_that_is_slower_beyond_doubt_is_not_said_to_be_faster_or_slower() -> None:
    for low, high, words in (
        (6.13, 110.11, "differs by what may be noise"),
        (0.9, 1.4, "may be faster or slower"),
        (0.95, 1.1, "is as fast within the noise"),
    ):
        close = high < 1.25 * low
        said = ties(name="one", other="two", low=low, high=high, samples=9, close=close)
        assert words in said.text
