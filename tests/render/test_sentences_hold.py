"""Every sentence on a run is true of its results, and no two of one run contradict each other.

SUPCR_BENCH_RUNS sets how many runs are simulated.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from supcr_bench.analysis.claims import NOTE, ClaimRow, claim_rows
from supcr_bench.analysis.findings import Findings, find
from supcr_bench.analysis.growth import growth_in, series_of
from supcr_bench.analysis.recommend import Estimate, Question, Source, recommend
from supcr_bench.analysis.statistics import Interval
from supcr_bench.analysis.summary import known_wrong
from supcr_bench.render import report
from supcr_bench.render.answer import answer, claim_verdicts, refuted, section_sentences, uses
from supcr_bench.render.cells import facets_of
from supcr_bench.render.charts import charts_of
from supcr_bench.render.recommendation import recommendation_sentences, ties
from supcr_bench.render.report import Filter
from supcr_bench.render.run_tables import frontier_width, run_tables, second_counter
from supcr_bench.render.sentences import KINDS, Sentence
from supcr_bench.render.terminal import answer_lines
from supcr_bench.store.loaded_run import Run
from supcr_bench.store.run import load_run
from supcr_bench.values.growth_law import Holds
from supcr_bench.values.metrics import ELEMENTS_PROCESSED, MEMORY, TIME
from supcr_bench.values.result import Result
from supcr_bench.values.table import Cell, Table, Tone
from tests.analysis.simulated_runs import drawn_subjects
from tests.analysis.simulated_runs import simulated_run as simulated_programs
from tests.made_runs import make_run
from tests.render import propositions
from tests.render.chart_propositions import chart_holds, false_charts
from tests.render.contradictions import (
    RULES,
    contradict,
    contradictions,
    not_alone,
    of_one_device,
)
from tests.render.evidence_propositions import evidence_holds, evidence_kinds, parts
from tests.render.falsehoods import Tries, falsehoods, still_holds
from tests.render.made_counts import made_counts, mispredicted
from tests.render.propositions import Known
from tests.render.simulated_runs import simulated_run
from tests.render.table_propositions import KINDS as TABLES
from tests.render.table_propositions import kind_of, trend_holds
from tests.render.terminal_propositions import lines_hold

ROOT = Path(__file__).parents[2]
RUNS = int(os.environ.get("SUPCR_BENCH_RUNS", "500"))
STORED = ("results/reference", "results/gpu", "tests/golden/quick", "tests/golden/paper")
CLAIMS = {"rowsort": {"time": "N^2 log N", "memory": "N^2"}, "loopy": {"time": "N^3"}}


@dataclass(frozen=True, eq=False)
class Told:
    """A run, what its page says, and what is recommended from it."""

    run: Run
    known: Known
    findings: Findings
    answer: dict[str, list[Sentence]]
    page: list[Sentence]
    evidence: list[Sentence]
    advice: list[tuple[Question, list[Sentence]]]

    def each(self) -> Iterator[tuple[Sentence, Question | None]]:
        yield from ((s, None) for s in self.page)
        yield from ((s, question) for question, own in self.advice for s in own)


def runs() -> Iterator[Run]:
    yield from (load_run(ROOT / path) for path in STORED)
    yield from map(simulated_run, range(RUNS))


def page_of(found: Mapping[str, Sequence[Sentence]], findings: Findings) -> list[Sentence]:
    said = [s for own in found.values() for s in own if s.kind != "claim"]
    said += claim_verdicts(findings)
    said += second_counter(findings.results) + frontier_width(findings.frontier)
    return said + [s for own in section_sentences(findings).values() for s in own]


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
def told() -> list[Told]:
    found = []
    for run in runs():
        wrong = refuted(run.verification)
        findings = find(run.results, CLAIMS, wrong)
        advice = [
            (question, list(recommendation_sentences(recommend(run.results, question, wrong))))
            for question in (questions(run) if run.id.startswith("simulated") else ())
        ]
        said, known = answer(run, findings), Known.of(run)
        evidence = [s for row in findings.claims for s in parts(known, row.claim, row.evidence)]
        page = page_of(said, findings)
        found.append(Told(run, known, findings, said, page, evidence, advice))
    return found


def test_each_kind_of_sentence_can_be_decided_and_is_said_in_some_run(told: list[Told]) -> None:
    said = Counter(s.kind for own in told for s, _ in own.each())
    own = ("render.sentences", "render.recommendation")
    kinds = {kind for kind, write in KINDS.items() if write.__module__.endswith(own)}
    assert kinds == set(said)
    assert all(callable(getattr(propositions, kind)) for kind in kinds)
    assert said.total() >= 20 * len(told)


def test_every_sentence_is_true_of_its_run(told: list[Told]) -> None:
    false = [
        f"{own.run.id}: {s.text} {dict(s.facts)} {question or ''}"
        for own in told
        for s, question in own.each()
        if not propositions.holds(own.known, s, question)
    ]
    assert false == []


def evidence_of(told: list[Told]) -> Iterator[tuple[Known, ClaimRow]]:
    """The evidence for each claim, in these runs and in some whose counts follow sums of laws."""
    yield from ((own.known, row) for own in told for row in own.findings.claims)
    random = np.random.default_rng(8)
    for number in range(8):
        results = simulated_programs(random, drawn_subjects(random, ["cpu"]), ["cpu"])
        own = [replace(r, aa_samples_s=None) for r in results if r.implementation in NOTE]
        yield from _evidence_in(f"programs-{number}", own)
    for name, own in made_counts().items():
        yield from _evidence_in(name, own)


def _evidence_in(name: str, own: Sequence[Result]) -> Iterator[tuple[Known, ClaimRow]]:
    growth = [
        found
        for series in series_of(own)
        for metric in (TIME, ELEMENTS_PROCESSED, MEMORY)
        if (found := growth_in(series, metric, {}))
    ]
    known = Known.of(make_run(own, name))
    yield from ((known, row) for row in claim_rows(own, growth, known_wrong(own)))


def test_the_evidence_for_each_claim_is_true_and_noticed_where_it_is_made_false(
    told: list[Told],
) -> None:
    said, tries = Counter[str](), Tries(most=8)
    for known, row in evidence_of(told):
        said.update(evidence_kinds(row.evidence))
        assert evidence_holds(known, row.claim, row.verdict, row.evidence), (known.id, row)
        for false in FALSE_EVIDENCE:
            changed = re.sub(*false, row.evidence, count=1)
            if changed != row.evidence:
                tries.add(false, evidence_holds, known, row.claim, row.verdict, changed)
    assert [kind for kind, count in said.items() if not count] == []
    assert [false for false in FALSE_EVIDENCE if not tries.tried[false]] == []
    assert +tries.found_true == {}


def _wider(told: re.Match[str]) -> str:
    return f"[{told[1]}, {float(told[2]) + 0.5:.2f}]"


def _narrower(told: re.Match[str]) -> str:
    """The interval without its lower third, if that is more than rounding hides."""
    low, high = map(float, told.groups())
    third = (high - low) / 3
    return f"[{low + third * (third > 0.1):.2f}, {high:.2f}]"


def _another_law(told: re.Match[str]) -> str:
    return f"its time grows as {'N^3' if told[1] == 'N^4' else 'N^4'}, N="


Falsehood = tuple[str, str | Callable[[re.Match[str]], str]]
FALSE_EVIDENCE: tuple[Falsehood, ...] = (
    (r"at every N from N=(\d+) to", r"at every N from N=1\1 to"),
    (r"(\w+ and broadcast |and broadcast )(\d)", r"\g<1>9\2"),
    (r"noise hides it", "not"),
    (r"the other one is faster", "noise hides which is faster"),
    (r"noise hides which is faster", "the other one is faster"),
    (r"up to N=(\d+), not at N=(\d+)", r"from N=\1 on, not at N=\2"),
    (r": from N=(\d+) on, not at", r": from N=1\1 on, not at"),
    (r"only from N=(\d+) on", r"only from N=1\1 on"),
    (r"another is faster up to N=(\d+)", r"another is faster up to N=1\1"),
    (r"it grows as N\^3", "it grows as N^2"),
    (r"it grows as N\^4", "it grows as N^3"),
    (r"it grows as N\^2, N=", "it grows as N^2 log N, N="),
    (r"it grows as N\^2, (N\S*) from", r"it grows as N^3, \1 from"),
    (r"it grows as N\^2, (N\S*) from", r"it grows as N log N, \1 from"),
    (r"it grows as (N\S*), (N\S*) from N=64 on", r"it grows as \1, \2 from N=96 on"),
    (r"its time grows as (N\S*(?: log N)?), N=", _another_law),
    (r"\[([\d.]+), ([\d.]+)\]", _wider),
    (r"\[([\d.]+), ([\d.]+)\]", _narrower),
    (r"misses by (\d)", r"misses by 4\1"),
    (r"by only (\d)", r"by only 4\1"),
    (r"misses the counts by (\d)", r"misses the counts by 4\1"),
    (r"counts (exactly|to \S+) from N=(\d+) on", r"counts \1 from N=1\2 on"),
    (r"exactly from N=(\d+) to", r"exactly from N=1\1 to"),
    (r"needs N up to about (\d+)", r"needs N up to about \g<1>0"),
    (r"needs N up to about \d+", "no feasible size would decide"),
    (r"no feasible size would decide", "needs N up to about 363"),
    (r"a share of (.*?) up to (\d+)%", r"a share of \1 up to 1\2%"),
    (r"counted at \d", "counted at 1"),
    (r"ran out of (\d)", r"ran out of 7\1"),
    (r"take only (\d)", r"take only 4\1"),
    (r"by (\d\.\d), where it takes", r"by 1\1, where it takes"),
    (r"less at N=(\d+), where it takes another path", r"less at N=\1"),
    (r"in all \d+ cases", "in all 999 cases"),
    (r"not in \d+ of", "not in 99 of"),
    (r"in value is \d", "in value is 7"),
    (r"did not finish at N=(\d+)", r"did not finish at N=2, \1"),
    (r"(\d[\d.]*)% (less|more) at", r"4\1% \2 at"),
    (r"of the two", "of the three"),
    (r"were measured", "were timed together, both being right"),
)
"""Texts by which true evidence becomes false."""


def test_what_a_table_says_is_true_of_the_run(told: list[Told]) -> None:
    """Titles, notes and cells: figures, statuses, reasons and laws."""
    said, tries = Counter[str](), Tries()
    made = make_run(mispredicted(), "mispredicted")
    runs = [(Known.of(made), find(made.results, {}))]
    runs += [(own.known, own.findings) for own in told]
    for known, findings in runs:
        for table in (table for table in run_tables(findings) if table.name != "claims"):
            kind = kind_of(table)
            said[kind] += 1
            assert TABLES[kind](known, table), (known.id, table)
            for how, false in _false_tables(kind, table) if said[kind] <= 80 else ():
                tries.add((kind, how), TABLES[kind], known, false)
    assert said.keys() == TABLES.keys()
    rare = ("Along", "crossovers", "frontier", "predictions")
    assert min(said[kind] for kind in rare) >= RUNS / 40
    assert min(count for kind, count in said.items() if kind not in rare) >= RUNS / 4
    expected = {(kind, how) for kind, own in FALSE_CELLS.items() for how, _ in own}
    assert expected <= tries.tried.keys()
    assert +tries.found_true == {}


def _false_tables(kind: str, table: Table) -> Iterator[tuple[str, Table]]:
    """The table with another title, note or cell; its last row left out, told twice, or turned."""
    passes = {"forward": "training", "training": "forward"}
    if table.title.endswith((*passes,)) and "agreement" not in table.title:
        rest, _, pass_ = table.title.rpartition(" ")
        yield "another pass", replace(table, title=f"{rest} {passes[pass_]}")
    for how, by in FALSE_CELLS.get(kind, ()):
        for i, j in product(range(len(table.rows)), range(table.keys, len(table.columns))):
            cell = table.rows[i].cells[j]
            text = re.sub(how, by, cell.text, count=1)
            if text != cell.text:
                yield how, _with_cell(table, i, j, replace(cell, text=text))
                break
    processes = "geometric mean over processes of the "
    if processes in table.note:
        yield "no processes", replace(table, note=table.note.replace(processes, ""))
    elif kind == "time":
        yield "processes", replace(table, note=processes + table.note)
    elif kind == "memory":
        yield "by", replace(table, note=table.note.replace("; by ", "; by no "))
    elif kind == "frontier" and "\u00b1" in table.note:
        yield "intervals", replace(table, note=table.note.replace("\u00b1", "\u00b19"))
    elif kind == "predictions":
        cell = table.rows[0].cells[-1]
        other: Tone = "" if cell.tone else "bad"
        yield "tone", _with_cell(table, 0, len(table.columns) - 1, replace(cell, tone=other))
    elif kind == "growth":
        for i, own in enumerate(table.rows):
            for j, cell in enumerate(own.cells):
                if cell.tone == "good":
                    law = "N" if cell.text == "N^4" else "N^4"
                    yield "law", _with_cell(table, i, j, replace(cell, text=law))
    elif kind in ("agreement", "outcomes"):
        *others, last = table.rows
        yield "left out", replace(table, rows=tuple(others))
        yield "twice", replace(table, rows=(*table.rows, last))
        turned = (*others, replace(last, cells=last.cells[::-1]))
        yield "turned", replace(table, rows=turned)


def _with_cell(table: Table, i: int, j: int, cell: Cell) -> Table:
    cells = table.rows[i].cells
    row = replace(table.rows[i], cells=(*cells[:j], cell, *cells[j + 1 :]))
    return replace(table, rows=(*table.rows[:i], row, *table.rows[i + 1 :]))


FALSE_CELLS: Mapping[str, Sequence[tuple[str, str]]] = {
    "Along": ((r"^(\d[\d.]* .?B)", r"9\1"), (r"^(\d[\d.]* .?s)", r"9\1"), ("^x", "x9")),
    "crossovers": (
        (r"^\d+ \[", "9999 ["),
        ("none in range|undecided", "9999 [9999, 9999]"),
        (r"^[a-z]\w+$", "nobody"),
    ),
    "frontier": ((r"^(\d+)$", r"\g<1>0"),),
    "memory": ((r"^(\d)", r"9\1"), (" wrong", ""), ("B$", "B wrong")),
    "predictions": (
        (r"^(\d+)$", r"1\1"),
        (r"^(\d[\d.]* .?B)", r"9\1"),
        (r"^([+-])(\d)", r"\g<1>9\2"),
        (r"from N=\d+", "from N=1"),
    ),
    "time": (
        (r"^(\d)", r"9\1"),
        (r"\((\d+)\)", r"(1\1)"),
        (r"±(\d)", r"±9\1"),
        (r"-(\d+)/\+(\d)", r"-\1/+9\2"),
        (r"\)$", ")*"),
        (" wrong", ""),
        (r" [-±]\S+% ", " "),
    ),
}
"""By kind, texts by which a true cell becomes false."""


def test_what_a_chart_says_is_true_of_what_it_shows(told: list[Told]) -> None:
    said, tries = Counter[str](), Tries()
    for own in (*told[: len(STORED)], *told[len(STORED) :: 2]):
        for chart in charts_of(own.findings):
            kind = re.sub(r": .*|, at .*", "", chart.title)
            said[kind] += 1
            assert chart_holds(own.known, chart), (own.run.id, chart.title)
            for how, false in false_charts(chart) if said[kind] <= 20 else ():
                tries.add(how, chart_holds, own.known, false)
    assert len(said) == 8
    assert sorted(said.values())[2] >= RUNS / 40  # along ranks, only one stored run has two
    assert len(tries.tried) == 18
    assert +tries.found_true == {}


def test_the_last_lines_of_a_terminal_say_what_the_sentences_do(told: list[Told]) -> None:
    ends = ("Results results/x/", "Report  reports/x/index.html")
    tries = Tries()
    for own in told:
        lines = answer_lines(own.answer, ends)
        assert lines_hold(own.answer, lines, ends), (own.run.id, lines)
        for how, by in FALSE_LINES:
            text = "\n".join(lines)
            changed = re.sub(how, by, text, count=1, flags=re.MULTILINE)
            if changed != text:
                tries.add(how, lines_hold, own.answer, changed.split("\n"), ends)
    assert [how for how, _ in FALSE_LINES if not tries.tried[how]] == []
    assert +tries.found_true == {}


FALSE_LINES = (
    (r"^    N=(\d)", r"    N=9\1"),
    (r"^(    N=\d+(?: to \d+)? +)\w+", r"\1nobody"),
    (r" (\d[\d.]* [nµm]?s)", r" 9\1"),
    (r" (\d[\d.]* .?B)", r" 9\1"),
    (r" ([\d.,]+x)", r" 9\1"),
    (r"x at (\d+)", r"x at 9\1"),
    (r" [\d.,]+x floor", ""),
    ("; floor: ", "; "),
    (r"times as fast as \w+", "times as fast as nobody"),
    (r"^  (training|forward), ", "  neither, "),
    (r"and (\d+) more, on the page", r"and 9\1 more, on the page"),
    (r"None is both timed and right: ", "None is both timed and right: everywhere; "),
    (r"(None is both timed and right: [^;]*);[^;]*\.$", r"\1."),
    (r"^  Right: ", "  Right too: "),
    (r"^Beware$", "Beware too"),
)
"""Texts by which true lines become false."""


def test_the_trends_of_a_list_of_reports_are_those_of_its_runs(
    told: list[Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of suites, each of which was run nine times or more."""
    suites = len(told) // 9
    monkeypatch.setattr(report, "render_page", lambda *_, **values: values)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    runs = [(str(start + timedelta(hours=i)), own) for i, own in enumerate(told)]
    reports: list[dict[str, Any]] = [
        {
            "suite": str(i % suites),
            "machine": "ee24d4",
            "started_at": started,
            "figures": report.main_figures(own.findings),
        }
        for i, (started, own) in enumerate(runs)
    ]
    page: Any = report.render_reports_index([(own["suite"], own) for own in reports[::-1]])
    assert len(page["trends"]) == suites
    blind = 0
    for table in page["trends"]:
        suite = int(table.title.removeprefix("Suite ").removesuffix(" on machine ee24d4"))
        known = [(started, own.known) for started, own in runs[suite::suites]]
        assert trend_holds(table, known), table
        row = max(range(len(table.rows)), key=lambda i: len(set(table.texts[i])))
        for j, cell in enumerate(table.rows[row].cells):
            text = re.sub(r"^\d|^-?$", "99 s", cell.text)
            false = _with_cell(table, row, j, replace(cell, text=text))
            blind += text != cell.text and still_holds(trend_holds, false, known)
    assert not blind


def test_a_law_of_time_is_that_of_the_simulation_in_99_percent(told: list[Told]) -> None:
    named = [
        own.run.info["laws"][f"{s.facts['name']} {s.facts['case'].pass_}"] == s.facts["law"]
        for own in told
        for s in own.page
        if s.kind == "grows" and "laws" in own.run.info
    ]
    assert len(named) >= RUNS / 20
    assert named.count(False) <= max(1, 0.01 * len(named))


def test_no_two_sentences_of_a_run_contradict_each_other(told: list[Told]) -> None:
    found = []
    for own in told:
        pairs = contradictions(own.known, own.page)
        pairs += contradictions(own.known, own.evidence, own.page)
        for _, advice in own.advice:
            pairs += contradictions(own.known, advice)
            pairs += contradictions(own.known, own.page, advice)
        found += [(own.run.id, *pair) for pair in pairs]
    assert found == []


def test_what_a_page_says_for_each_size_is_true_and_what_it_says_for_all(
    told: list[Told],
) -> None:
    for own in told[: RUNS // 10]:
        spans = {
            (propositions.place_of(s.facts["case"]), n): set(s.names)
            for s in own.page
            if s.kind == "use"
            for n in s.facts["sizes"]
        }
        for sentence in (s for group in uses(own.findings, spans=False) for s in group):
            assert propositions.holds(own.known, sentence), (own.run.id, sentence.text)
            place = propositions.place_of(sentence.facts["case"])
            named = spans.get((place, sentence.facts["sizes"][0]), set())
            assert named == set(sentence.names)


def test_what_a_filter_hides_goes_with_each_sentence_that_names_it(told: list[Told]) -> None:
    """By the words of the page: a sentence that names a value has the class that hides it."""
    named: Counter[str] = Counter()
    words: dict[str, Callable[[str], str]] = {
        "dims": "D={}".format,
        "nan-density": "NaN {}".format,
        "embedding-size": "d={}".format,
        "temperature": "tau={}".format,
        "labels": "{} labels".format,
        "ranks": "{} ranks".format,
        "embedding-norm": "norm {}".format,
    }
    for own in told:
        chosen = Filter([facets_of(r.case, r.implementation) for r in own.known.results])
        said = [s for own in section_sentences(own.findings).values() for s in own]
        for name, _, values in chosen.choices:
            for value, hides in values:
                words_of = re.escape(words.get(name, str)(value))
                for sentence in said:
                    if re.search(rf"(?<![\w.]){words_of}(?![\w%:.])", sentence.text):
                        named[name] += 1
                        assert hides in chosen.of(sentence).split(), (sentence.text, value)
    assert set(named) >= {"implementation", "pass", "dims", "nan-density", "labels", "device"}


def test_a_fact_of_a_sentence_that_is_changed_is_noticed(told: list[Told]) -> None:
    tried: Counter[str] = Counter()
    blind = {
        *("computes", "headline", "baseline", "apart", "law", "low", "high", "sizes", "size"),
        *("batch_size", "source", "known", "computed", "speedup", "definition"),
    }
    for own in told:
        for sentence, question in own.each():
            if tried[sentence.kind] < 5 and sentence.kind in EXACT:
                facts = {k: v for k, v in sentence.facts.items() if k not in blind}
                for false in falsehoods(replace(sentence, facts=facts)):
                    tried[sentence.kind] += 1
                    changed = replace(sentence, facts={**sentence.facts, **false.facts})
                    assert not still_holds(propositions.holds, own.known, changed, question), (
                        changed.facts
                    )
    assert set(tried) == EXACT


EXACT = {"right", "wrong", "silent", "noise", "missing", "failed", "left_out", "along"}
"""The kinds that are plain counts, so that any change makes them false."""


def test_a_sentence_that_is_false_or_contradicts_another_is_noticed(told: list[Told]) -> None:
    own = told[0]
    by_kind = {s.kind: s for s in own.page}

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
        ("fits", {"batch_size": round(1.01 * by_kind["fits"].facts["batch_size"])}),
        ("intervals_within", {"share": 0.9 * by_kind["intervals_within"].facts["share"]}),
        ("intervals_within", {"share": 1.1 * by_kind["intervals_within"].facts["share"]}),
    ):
        assert not propositions.holds(own.known, changed(kind, **facts)), (kind, facts)
    swapped = {"name": by_kind["overtakes"].facts["other"]}
    swapped["other"] = by_kind["overtakes"].facts["name"]
    for one, other in (
        (by_kind["use"], changed("use", names=("loopy",))),
        (by_kind["overtakes"], changed("overtakes", **swapped)),
        (by_kind["claim"], changed("claim", verdict=Holds.YES)),
        (by_kind["noise"], changed("noise", spread=0.5)),
    ):
        assert contradict(own.known, one, other), (one.text, other.facts)


def test_each_rule_of_contradiction_is_met_by_sentences_made_false(told: list[Told]) -> None:
    """A rule notices some pair in which names, verdicts and sizes of one sentence are exchanged."""
    plain = (not_alone, of_one_device)
    left = {kinds for kinds, rule in RULES.items() if rule not in plain and kinds[0] != kinds[1]}
    for own in told:
        said = [*(s for s, _ in own.each()), *own.evidence]
        for a in said:
            for b in said:
                if (a.kind, b.kind) in left and any(
                    contradict(own.known, *pair) for pair in _exchanged(own, a, b)
                ):
                    left.discard((a.kind, b.kind))
        if not left:
            break
    assert left == set()


def _exchanged(own: Told, a: Sentence, b: Sentence) -> Iterator[tuple[Sentence, Sentence]]:
    yield a, b
    names = {r.implementation for r in own.known.results}
    shared: dict[str, Any] = {k: a.facts[k] for k in ("case", "sizes", "name") if k in a.facts}
    if "question" in a.facts:
        shared["sizes"] = (a.facts["question"].batch_size,)
    every: tuple[dict[str, Any], ...] = (
        *({"name": name} for name in names if "name" in b.facts),
        *({"names": (name,)} for name in names if "names" in b.facts),
        *({"verdict": verdict} for verdict in Holds if "verdict" in a.facts),
        {k: v for k, v in shared.items() if k in b.facts},
        {k: v for k, v in shared.items() if k in b.facts} | {"law": "N^4"},
        {"share": 1.0},
        {"law": "N^4"},
        {"ended": (("failed", 999),)},
        {"ended": ()},
        {"said": "at every N from N=2 to 9999"},
    )
    for facts in every:
        for one, other in ((a, b), (b, a)):
            if facts.keys() <= one.facts.keys():
                yield replace(one, facts={**one.facts, **facts}), other


def test_a_recommendation_that_is_false_is_noticed(told: list[Told]) -> None:
    found = {
        s.kind: (own.known, question, s)
        for own in told
        for question, said in own.advice
        for s in said
    }
    for kind, facts in (
        ("recommended", {"time": Estimate(9.0, Source.MEASURED)}),
        ("ties", {"ratio": Interval(1.0, 0.5, 1.1, 9)}),
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
        said = ties(name="one", other="two", ratio=Interval(1.0, low, high, 9), processes=1)
        assert words in said.text
