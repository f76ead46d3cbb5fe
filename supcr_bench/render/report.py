"""Renders pages that need no network: a report of a run, a comparison of two, a list of reports."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cache, partial
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from supcr_bench.analysis.compare import Comparison
from supcr_bench.analysis.findings import Findings
from supcr_bench.analysis.statistics import faster_in
from supcr_bench.analysis.summary import COMPARED, implementations_of, time_interval
from supcr_bench.render import answer as answers
from supcr_bench.render import comparison as compared
from supcr_bench.render.cells import SHOWN, facets_of, ratio_text
from supcr_bench.render.drawing import Chart
from supcr_bench.render.machine import environment_facts, environments_line, origin_facts
from supcr_bench.render.palette import palette_css
from supcr_bench.render.sentences import Sentence, place, unusable, use_cells
from supcr_bench.store.loaded_run import Run
from supcr_bench.store.report_file import PAGE, embedded
from supcr_bench.values.case import PASSES, Case
from supcr_bench.values.cell import Account
from supcr_bench.values.metrics import TIME
from supcr_bench.values.result import Key, Result, grouped
from supcr_bench.values.table import Cell, Column, Facets, Table, numbers, row, words
from supcr_bench.values.units import format_duration_s, format_limit_bytes
from supcr_bench.verification.verification import details

FILTERS = {
    "implementation": "implementation",
    "pass": "pass",
    **{axis.id: axis.label for axis in SHOWN},
}
"""The filters with which a reader hides parts of a page, with their labels."""
MOST_ROWS = 200
"""Most rows of a table on a page, so that the page stays small enough to mail."""
TEMPLATES = Environment(
    loader=PackageLoader("supcr_bench.render", "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
"""It keeps what it has compiled, which takes longer than most pages."""


class Filter:
    """Gives each value of each filter a CSS class, so that one CSS rule hides all its elements."""

    def __init__(self, shown: Sequence[Facets]) -> None:
        values = {n: list(dict.fromkeys(f[n] for f in shown if n in f)) for n in FILTERS}
        order = [(name, value) for name, own in values.items() if len(own) > 1 for value in own]
        self._classes = {pair: f"v{i}" for i, pair in enumerate(order)}
        self._drawn = {name: i for i, name in enumerate(values["implementation"])}
        self.choices = [
            (name, label, [(value, self._classes[name, value]) for value in values[name]])
            for name, label in FILTERS.items()
            if len(values[name]) > 1
        ]

    def classes(self, facets: Facets) -> str:
        found = (self._classes.get(pair) for pair in facets.items())
        return " ".join(filter(None, found))

    def of(self, sentence: Sentence) -> str:
        """The CSS classes of a sentence: of each implementation that it names, and of its cases."""
        shown = [{"implementation": name} for name in sentence.names]
        cases = (fact for fact in sentence.facts.values() if isinstance(fact, Case))
        return " ".join(map(self.classes, [*shown, *map(facets_of, cases)]))

    @property
    def css(self) -> str:
        """CSS rules: class ``no-v3`` on the page's root hides the elements of class ``v3``."""
        rules = []
        for (name, value), own in self._classes.items():
            drawn = f', [id*=".{self._drawn[value]}."]' if name == "implementation" else ""
            rules.append(f":root.no-{own} :is(.{own}{drawn}) {{ display: none; }}")
        return "\n".join(rules)


def cell_class(classes: Callable[[Facets], str], column: Column, tone: str = "") -> str:
    """The attribute of a cell; a macro would take most of the time of a large page."""
    kind = "" if column.kind == "number" else column.kind
    names = filter(None, (kind, tone, classes({"implementation": column.implementation or ""})))
    text = " ".join(names)
    return Markup(' class="{}"').format(text) if text else ""


def render_page(
    template: str, shown: Sequence[Facets], places: Mapping[Key, int] | None = None, **values: Any
) -> str:
    """Render a page with filters; the template escapes all texts."""
    chosen = Filter(shown)

    def number(found: object) -> int | None:
        return places.get(found.key) if places and isinstance(found, Result) else None

    return TEMPLATES.get_template(template).render(
        **values,
        filter=chosen,
        number=number,
        cell_class=cache(partial(cell_class, chosen.classes)),
        most_rows=MOST_ROWS,
        palette_css=palette_css(),
    )


_SECTIONS = (
    ("time", "Time", ("time-", "crossovers")),
    ("memory", "Memory", ("memory-", "frontier", "predict")),
    *((axis.id, axis.label.capitalize(), (f"{axis.id}-",)) for axis in COMPARED),
    ("growth", "Agreement, growth and outcomes", ("agreement", "growth", "outcomes", "claims")),
)
"""Id, title, and prefixes of the names of tables."""


def _sections(
    findings: Findings, tables: Sequence[Table], charts: Sequence[Chart]
) -> Iterator[tuple[str, str, Sequence[Sentence], Sequence[Chart], Sequence[Table]]]:
    """The id, the title, the sentences, the charts and the tables of each section."""
    said = answers.section_sentences(findings)
    for name, title, starts in _SECTIONS:
        own = [chart for chart in charts if chart.section == name]
        held = [table for table in tables if table.name.startswith(starts)]
        if own or held:
            yield name, title, said.get(name, ()), own, held


def _use_table(name: str, title: str, found: Sequence[Sentence], *, alone: bool) -> Table:
    """What to use for each batch size of a series; one ``alone`` is no faster than others."""
    figures_of = ("time", "memory") if alone else ("time", "memory", "times as\nfast")
    heads = (*numbers("N"), *words("use"), *numbers(*figures_of))
    rows = []
    for sentence in found:
        names, *figures, _ = use_cells(sentence)
        cell = Cell("none", "bad") if sentence.kind == "unusable" else names
        n, here = sentence.facts["sizes"][0], facets_of(sentence.facts["case"])
        rows.append(row(str(n), cell, *figures[: len(figures_of)], facets=here))
    return Table(name, title, heads, tuple(rows))


def _use_data(findings: Findings, found: Sequence[Sequence[Sentence]]) -> list[Any]:
    """For each row: index of name, time, peak, whom it is faster than; ``null`` if maybe wrong."""
    results = findings.results
    names, faster = implementations_of(results), faster_in(results)
    at = grouped(
        (r for r in results if r.time_samples_s), lambda r: (r.case.shared, r.case.definition)
    )

    def entry(own: Result, others: Sequence[Result]) -> list[Any]:
        distrust = (own.implementation, own.case.dtype, own.case.temperature) in findings.wrong
        beaten = [names.index(o.implementation) for o in others if faster(own, o)]
        whose = names.index(own.implementation)
        return [whose, TIME.get(own), own.peak_bytes, None if distrust else beaten]

    def entries(case: Case) -> list[list[Any]]:
        here = at.get((case.shared, case.definition), [])
        return [entry(r, here) for r in here]

    return [[entries(sentence.facts["case"]) for sentence in own] for own in found]


_BUDGET = (
    ("time_limit_s", "time limit of a case", format_duration_s),
    ("memory_limit_bytes", "memory limit", format_limit_bytes),
    ("sampling_s", "sampling of an implementation", format_duration_s),
    ("precision", "precision asked for", lambda v: f"±{v:.0%} of the median"),
    ("threads", "threads", str),
)


def _facts(run: Run) -> list[tuple[str, str]]:
    budget, accounting = (run.info.get(key) or {} for key in ("budget", "accounting"))
    facts = [
        (label, str(write(budget[key])))
        for key, label, write in _BUDGET
        if budget.get(key) is not None
    ]
    if wall_s := accounting.get("wall_s"):
        account = Account(**{f.name: accounting.get(f.name, 0.0) for f in fields(Account)})
        facts.append(("wall time", account.describe(wall_s, run.info.get("at_once", 1))))
    if any(r.time_samples_s for r in run.results):
        facts.append(("caches", str(run.info.get("caches", "not recorded"))))
    several = len(run.measured_on) > 1
    machines = [
        (f"{key}, {name}" if several else key, value)
        for name, environment in run.measured_on.items()
        for key, value in environment_facts(environment)
    ]
    return facts + machines + origin_facts(run.info)


def render_report(
    run: Run, findings: Findings, tables: Sequence[Table], charts: Sequence[Chart] = ()
) -> str:
    results = findings.results
    names = implementations_of(results)
    numbered = {result.key: number for number, result in enumerate(results)}
    baseline = answers.baseline_of(results, findings.wrong) or ""
    found = answers.uses(findings, spans=False, baseline=baseline)
    usable = [own for own in found if any(s.kind == "use" for s in own)]
    none = (own for own in found if all(s.kind == "unusable" for s in own))
    cases = [own[0].facts["case"] for own in found]
    return render_page(
        "report.html.j2",
        [facets_of(r.case, r.implementation) for r in results],
        numbered,
        info=run.info,
        answer=answers.answer(run, findings),
        claims=answers.claim_verdicts(findings),
        uses=[
            _use_table(f"use-{i}", place(own[0].facts["case"], cases), own, alone=len(names) == 1)
            for i, own in enumerate(usable)
        ],
        use_data=_use_data(findings, usable),
        unusable=[
            unusable(case=own[-1].facts["case"], sizes=[s.facts["sizes"][0] for s in own])
            for own in none
        ],
        names=names,
        baseline=baseline,
        sections=list(_sections(findings, tables, charts)),
        marks_data={
            gid: [numbered[r.key] for r in own]
            for chart in charts
            for gid, own in chart.cases.items()
        },
        verifications=list((run.verification or {}).values()),
        details=details,
        facts=_facts(run),
        environment_line=environments_line(run.measured_on),
        data_address=embedded(run),
    )


def render_comparison(
    first: Run, second: Run, comparison: Comparison, reports: Sequence[str | None] = (None, None)
) -> str:
    """The page of a comparison; ``reports`` are the addresses of the two reports, if they exist."""
    tables = compared.comparison_tables(comparison)
    figures = [compared.figures_table(first, second, comparison, p) for p in PASSES]
    return render_page(
        "comparison.html.j2",
        [facets_of(r.case, r.implementation) for r in comparison.rows],
        sides=list(zip(("First", "Second"), (first, second), reports, strict=True)),
        sentences=compared.all_sentences(comparison),
        runs=compared.runs_table(first, second),
        tables=[*tables, *(table for table in figures if table.rows)],
    )


def main_figures(findings: Findings) -> dict[str, float]:
    """Seconds of training (or else forward) of each implementation at its largest N, by a label.

    The series is the one with the most results, so that runs of one suite show the same figures.
    """
    timed = [r for r in findings.results if r.time_samples_s]
    series = grouped(timed, lambda r: (r.case.pass_, r.case.series()))
    if not series:
        return {}
    _, own = max(series.items(), key=lambda item: (item[0][0], len(item[1])))
    last = {r.implementation: r for r in sorted(own, key=lambda r: r.case.batch_size)}
    return {
        f"{name}, {r.case.pass_} at {r.case.describe()}": time.estimate
        for name, r in last.items()
        if (time := time_interval(r))
    }


def render_reports_index(reports: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """The list of reports; ``reports`` are the folders beside the page, each with a summary."""
    places = grouped(
        (report for _, report in reports if report.get("figures")),
        lambda report: (report["suite"], report["machine"]),
    )
    return render_page(
        "reports_index.html.j2",
        (),
        # "./" first, so that no name is taken for the scheme of an address.
        reports=[(f"./{quote(folder, safe='')}/{PAGE}", report) for folder, report in reports],
        trends=[_trend(*key, own[::-1][-_RUNS:]) for key, own in places.items() if len(own) > 1],
    )


_RUNS = 8
"""The most runs that a trend shows."""


def _trend(suite: str, machine: str, reports: Sequence[Mapping[str, Any]]) -> Table:
    """The main figures of runs of one suite and machine, the oldest first."""
    heads = [f"{report['started_at'][:10]}\n{report['started_at'][11:16]}" for report in reports]
    rows = []
    for name in dict.fromkeys(name for report in reports for name in report["figures"]):
        times = [report["figures"].get(name) for report in reports]
        known = [time for time in times if time is not None]
        last_over_first = ratio_text(known[-1] / known[0]) if len(known) > 1 else ""
        rows.append(row(name, *map(format_duration_s, times), last_over_first))
    return Table(
        f"trend-{suite}-{machine}",
        f"Suite {suite} on machine {machine}",
        (*words("time of"), *numbers(*heads, "last over\nfirst")),
        tuple(rows),
        "the runs are separate sessions, between which a shared machine drifts",
    )
