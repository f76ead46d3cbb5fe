"""Every verdict, reason, note and sentence of a gate is true of what it measured.

SUPCR_BENCH_RUNS sets how many gates are simulated.
"""

import os
import re
from collections import Counter
from dataclasses import replace

import pytest

from supcr_bench.render import gate_words
from supcr_bench.render.gate_tables import closing_sentences, passed_table, tables_of
from supcr_bench.render.sentences import KINDS, Sentence
from supcr_bench.values.gate import GateVerdict
from tests.render.falsehoods import falsehoods
from tests.render.gate_propositions import (
    contradictions,
    holds,
    note_holds,
    reason_holds,
    verdict_holds,
)
from tests.render.simulated_gates import Gated, simulated_gate

GATES = int(os.environ.get("SUPCR_BENCH_RUNS", "500"))
OWN = {kind for kind, write in KINDS.items() if write.__module__.endswith("gate_words")}
Told = list[tuple[Gated, list[Sentence]]]


def sentences_of(gated: Gated) -> list[Sentence]:
    """All that the terminal prints, and the reasons of each figure that has one."""
    outcome = gated.outcome
    return [
        gate_words.verdict_sentence(outcome),
        *gate_words.following_sentences(outcome),
        *gate_words.reason_sentences(outcome.changes),
        *gate_words.better_sentences(outcome),
        *closing_sentences(outcome),
    ]


@pytest.fixture(scope="module")
def told() -> Told:
    return [(gated, sentences_of(gated)) for gated in map(simulated_gate, range(GATES))]


def test_every_verdict_reason_and_note_is_true_of_the_raw_results(told: Told) -> None:
    for seed, (gated, _) in enumerate(told):
        for change in gated.outcome.changes:
            assert verdict_holds(gated, change), (seed, change)
            assert reason_holds(gated, change), (seed, change)
        for note in gated.outcome.notes:
            assert note_holds(gated, note), (seed, note)


def test_every_sentence_is_true_and_each_kind_is_said(told: Told) -> None:
    false = [f"{seed}: {s}" for seed, (g, own) in enumerate(told) for s in own if not holds(g, s)]
    assert false == []
    said = Counter(s.kind for _, own in told for s in own)
    assert set(said) == OWN
    assert said.total() >= 5 * len(told)


def test_a_verdict_that_is_changed_is_noticed(told: Told) -> None:
    """Each by what is at odds with it: a pass for a regression, and the other way round."""
    swapped = {GateVerdict.PASS: GateVerdict.REGRESSION, GateVerdict.REGRESSION: GateVerdict.PASS}
    tried: Counter[str] = Counter()
    for gated, _ in told[: GATES // 5]:
        for change in gated.outcome.changes:
            if change.verdict in swapped:
                tried[change.metric] += 1
                assert not verdict_holds(gated, replace(change, verdict=swapped[change.verdict]))
    assert min(tried.values()) > 5


def test_a_fact_of_a_sentence_that_is_changed_is_noticed(told: Told) -> None:
    tried: Counter[str] = Counter()
    for gated, own in told:
        for sentence in own:
            if tried[sentence.kind] < 20 and sentence.kind.startswith(
                ("gate", "better", "because")
            ):
                for false in falsehoods(sentence):
                    tried[sentence.kind] += 1
                    assert not holds(gated, false), (sentence.text, false.facts)


def test_no_two_sentences_of_a_gate_contradict_each_other(told: Told) -> None:
    assert [pair for _, own in told for pair in contradictions(own)] == []


def test_a_sentence_beside_another_verdict_is_a_contradiction(told: Told) -> None:
    by_kind = {s.kind: s for _, own in told for s in own}
    verdict, because = by_kind["gate_verdict"], by_kind["because"]
    figures = because.facts["figures"]
    passed = replace(verdict, facts={**verdict.facts, "counts": {GateVerdict.PASS: 3}})
    shown = replace(verdict, facts={**verdict.facts, "leading": figures})
    grew = replace(because, facts={"figures": figures, "reason": "memory grew from 1 to 2"})
    name = figures[0][0]
    hidden = replace(by_kind["not_shown"], facts={"name": name, "figures": figures})
    better = replace(by_kind["better"], facts={**by_kind["better"].facts, "name": name})
    for one, other in (
        (passed, grew),
        (because, grew),
        (shown, hidden),
        (better, hidden),
        (by_kind["time_not_judged"], by_kind["time_spent"]),
        (by_kind["time_spent"], replace(by_kind["gate_took"], facts={"spent_s": 0.0})),
        (verdict, passed),
    ):
        assert contradictions([one, other]), (one, other)


def test_the_sentences_agree_with_the_tables_and_the_exit_status(told: Told) -> None:
    for gated, own in told:
        outcome = gated.outcome
        facts = own[0].facts
        assert (
            outcome.exit_status() == {"pass": 0, "regression": 1, "undecided": 3}[facts["verdict"]]
        )
        shown = [r for t in tables_of(outcome, GateVerdict.REGRESSION) for r in t.rows]
        assert len(shown) == len(facts["leading"])
        counts = facts["counts"]
        passed = [
            re.match(r"\d+", text) for row in passed_table(outcome).texts for text in row[1:4]
        ]
        assert sum(int(found[0]) for found in passed if found) == counts.get(GateVerdict.PASS, 0)
        kinds = {s.kind for s in own}
        assert not {"time_not_judged", "time_spent"} <= kinds


def test_a_slowdown_is_called_one_in_truth(told: Told) -> None:
    wrong = total = 0
    for gated, _ in told:
        for change in gated.outcome.changes:
            if change.metric == "time" and change.low and "mean call" not in str(change.reason):
                total += 1
                truth = (
                    gated.slower[change.implementation] > 1 + gated.allowed[change.implementation]
                )
                expected = {GateVerdict.REGRESSION: True, GateVerdict.PASS: False}
                wrong += expected.get(change.verdict, truth) is not truth
    assert total > GATES / 4
    assert wrong <= 0.01 * total
