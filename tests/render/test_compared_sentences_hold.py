"""Every sentence on two runs is true of them, and agrees with the others and with the tables.

SUPCR_BENCH_RUNS sets how many pairs are simulated.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator
from itertools import product

import pytest

from supcr_bench.analysis.compare import Comparison, compare_results
from supcr_bench.commands.compared_runs import compare_loaded
from supcr_bench.render.comparison import all_sentences, changes_table, ratio_table, verdicts
from supcr_bench.render.sentences import KINDS, Sentence
from supcr_bench.values.case import PASSES
from supcr_bench.values.errors import UsageError
from supcr_bench.values.units import MISSING
from tests.render.compared_propositions import contradictions, holds, reason_holds
from tests.render.falsehoods import falsehoods
from tests.render.simulated_pairs import Pair, simulated_pair

PAIRS = int(os.environ.get("SUPCR_BENCH_RUNS", "300"))
OWN = {kind for kind, write in KINDS.items() if write.__module__.endswith("render.comparison")}
Told = list[tuple[Pair, Comparison, list[Sentence]]]


def compared() -> Iterator[tuple[Pair, Comparison, list[Sentence]]]:
    for pair in map(simulated_pair, range(PAIRS)):
        try:
            found = compare_loaded(pair.first, pair.second, pair.margin)
        except UsageError:
            continue  # no case in common
        yield pair, found, all_sentences(found)


@pytest.fixture(scope="module")
def told() -> Told:
    return list(compared())


def test_each_kind_of_sentence_can_be_decided_and_is_said_of_some_pair(told: Told) -> None:
    said = Counter(s.kind for *_, own in told for s in own)
    several = {"processes_spread", "at_one_speed"}  # each of these runs has one process
    assert set(said) == OWN - several
    assert len(told) >= 0.95 * PAIRS
    assert said.total() >= 5 * len(told)


def test_every_sentence_is_true_of_its_pair(told: Told) -> None:
    false = [
        f"{seed}: {s.text} {dict(s.facts)}"
        for seed, (pair, _, own) in enumerate(told)
        for s in own
        if not holds(pair, s)
    ]
    assert false == []


def test_no_two_sentences_of_a_pair_contradict_each_other(told: Told) -> None:
    assert [pair for *_, own in told for pair in contradictions(own)] == []


PROCESSES, MOST = "the processes of each run differ", "would decide most"
FALSE_WHY = {
    PROCESSES: "the machine changed between the runs",
    f"{PROCESSES}; `--processes N` {MOST}": f"{PROCESSES}; `--processes 900` {MOST}",
    "the machine changed between the runs": f"{PROCESSES}; `--processes 4` {MOST}",
}
"""Reasons why times are undecided, and false ones instead."""


def test_sentences_on_runs_of_several_processes_are_true_and_agree() -> None:
    """Of how many they are, and why times are undecided."""
    said, noticed = [], Counter[str]()
    for seed, processes in product(range(PAIRS // 25), ((3, 3), (5, 3))):
        pair = simulated_pair(seed, processes, (0.02, 0.05, 0.2)[seed % 3], quiet=seed % 2 == 1)
        own = all_sentences(compare_results(pair.first.results, pair.second.results))
        told = [s for s in own if s.kind == "processes_spread"]
        assert all(holds(pair, s) for s in told)
        assert not any(holds(pair, false) for s in told for false in falsehoods(s))
        assert contradictions(own) == []
        said += told
        ways = [s.facts["counts"] for s in own if s.facts.get("what") == "Time"]
        for how in (how for counts in ways for how in counts):
            if told_why := re.fullmatch(r"undecided \((the (?:machine ch|proc).*)\)", how):
                kind = re.sub(r"\d+", "N", told_why[1])
                assert reason_holds(pair, told_why[1]), (seed, processes, told_why[1])
                noticed[kind] += not reason_holds(pair, FALSE_WHY[kind])
    assert (+noticed).keys() == FALSE_WHY.keys()
    assert len(said) > PAIRS / 50
    assert {str(s).count("3 or more") for s in said} == {1}


def test_a_fact_of_a_sentence_that_is_changed_is_noticed(told: Told) -> None:
    tried: Counter[str] = Counter()
    for pair, _, own in told:
        for sentence in own:
            if tried[sentence.kind] < 40:
                for false in falsehoods(sentence):
                    tried[sentence.kind] += 1
                    assert not holds(pair, false), (sentence.text, false.facts)


def test_a_sentence_beside_another_verdict_is_a_contradiction(told: Told) -> None:
    by_kind = {s.kind: s for *_, own in told for s in own}
    for one, other in (
        ("nothing_worse", "got_worse"),
        ("nothing_worse", "became_slower"),
        ("nothing_shared", "got_worse"),
        ("in_both", "in_both"),
    ):
        assert contradictions([by_kind[one], by_kind[other]])


def test_the_verdict_is_that_of_the_exit_status(told: Told) -> None:
    for _, comparison, _ in told:
        kinds = {s.kind for s in verdicts(comparison)}
        assert bool(kinds & {"became_slower", "got_worse"}) is comparison.finding
        assert ("nothing_shared" in kinds) is comparison.nothing_compared


def test_the_tables_have_as_many_rows_as_the_sentences_say(told: Told) -> None:
    for _, comparison, said in told[: PAIRS // 4]:
        facts = {s.facts["what"]: s.facts["counts"] for s in said if s.kind == "directions"}
        for what, head in (("Time", "time"), ("Work", "work")):
            counted = Counter[str]()
            for how, n in facts.get(what, {}).items():
                counted[how.split()[0]] += n
            assert Counter(column(comparison, head)) == counted
        worse = any(c.tone == "bad" for row in changes_table(comparison).rows for c in row.cells)
        assert worse is any(s.kind == "got_worse" for s in said)


def column(comparison: Comparison, head: str) -> list[str]:
    """The texts of a column in the tables of both passes."""
    tables = [ratio_table(comparison, pass_) for pass_ in PASSES]
    texts = [row[table.headers.index(head)] for table in tables for row in table.texts]
    return [text for text in texts if text != MISSING]


def test_an_interval_that_is_shown_lies_on_the_side_that_is_told(told: Told) -> None:
    for pair, comparison, _ in told[: PAIRS // 4]:
        for pass_ in PASSES:
            table = ratio_table(comparison, pass_)
            at = [table.headers.index(head) for head in ("interval", "time")]
            for row in table.texts:
                shown = re.fullmatch(r"([\d.,]+)-([\d.,]+)", row[at[0]])
                if shown:
                    low, high = (float(end.replace(",", "")) for end in shown.groups())
                    sides = {
                        "slower": low > 1,
                        "faster": high < 1,
                        "same": 1 - pair.margin <= low and high <= 1 + pair.margin,
                        "undecided": low <= 1 <= high,
                    }
                    assert sides[row[at[1]]], row


def test_what_is_called_slower_is_slower_in_truth(told: Told) -> None:
    named = [
        pair.slower[s.facts["name"]] > 1
        for pair, _, own in told
        for s in own
        if s.kind == "became_slower"
    ]
    assert len(named) >= PAIRS / 50
    assert named.count(False) <= 0.05 * len(named)
