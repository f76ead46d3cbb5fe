"""Renders pages that need no network: a report of a run, a comparison of two, a list of reports."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from supcr_bench.analysis.claims import Holds
from supcr_bench.analysis.compare import Comparison
from supcr_bench.analysis.findings import Findings
from supcr_bench.analysis.summary import COMPARED
from supcr_bench.render import run_tables
from supcr_bench.render.answer import answer, section_sentences
from supcr_bench.render.cells import FILTERED, facets_of
from supcr_bench.render.comparison import (
    comparison_tables,
    figures_table,
    runs_table,
    verdict_first,
)
from supcr_bench.render.drawing import Chart
from supcr_bench.render.machine import environment_facts, environments_line, origin_facts
from supcr_bench.render.palette import palette_css
from supcr_bench.store.loaded_run import Run
from supcr_bench.store.report_file import PAGE, embedded
from supcr_bench.values.axes import WORKLOAD_AXES
from supcr_bench.values.case import PASSES
from supcr_bench.values.cell import Account
from supcr_bench.values.table import Facets, Table, as_html
from supcr_bench.values.units import format_duration_s, format_limit_bytes
from supcr_bench.verification.verification import details

FILTERS = {
    "pass": "pass",
    **{axis.id: axis.label for axis in WORKLOAD_AXES if axis.name in FILTERED},
    "implementation": "implementation",
}
"""The filters of a page, with their labels."""
MOST_ROWS = 200
"""Most rows of a table on a page, so that the page stays small enough to mail."""


def _filters(shown: Sequence[Facets]) -> list[tuple[str, str, list[str]]]:
    """Name, label and values of every filter that has a choice."""
    values = {name: list(dict.fromkeys(f[name] for f in shown if name in f)) for name in FILTERS}
    return [(n, label, values[n]) for n, label in FILTERS.items() if len(values[n]) > 1]


def render_page(template: str, shown: Sequence[Facets], **values: Any) -> str:
    """Render a page whose filters hide rows; the template escapes all texts."""
    numbers: dict[tuple[tuple[str, str], ...], int] = {}

    def number(facets: Facets) -> int:
        """The index of a row's facets (the values that filters read) in the page's list."""
        return numbers.setdefault(tuple(sorted(facets.items())), len(numbers))

    def table_html(table: Table, *, caption: bool) -> Markup:
        classes = table.style or "sortable"
        html = as_html(table, number, caption=caption, classes=classes, most_rows=MOST_ROWS)
        return Markup(html)  # noqa: S704  (as_html escapes every text)

    environment = Environment(
        loader=PackageLoader("supcr_bench.render", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(
        **values,
        facet_number=number,
        facets=lambda: list(map(dict, numbers)),
        filters=_filters(shown),
        table_html=table_html,
        most_rows=MOST_ROWS,
        palette_css=palette_css(),
    )


_Spec = tuple[str, str, tuple[str, ...], tuple[str, ...]]
"""Id, title, and prefixes of the names of tables that start open, or closed."""
_SECTIONS: tuple[_Spec, ...] = (
    ("claims", "Claims of the note", ("claims",), ()),
    ("agreement", "Agreement", ("agreement", "pairs"), ()),
    ("time", "Time", ("crossovers",), ("time-",)),
    ("memory", "Memory", ("frontier", "predict"), ("memory-", "cuda-memory")),
    *((a.id, a.label.capitalize(), (f"{a.id}-",), ()) for a in COMPARED),
    ("growth", "Growth", ("growth",), ()),
    ("measured", "How it was measured", ("outcomes",), ()),
    ("environment", "Environment", (), ()),
)


def _sections(
    run: Run, findings: Findings, tables: Sequence[Table], charts: Sequence[Chart]
) -> Iterator[dict[str, Any]]:
    """Every section that is not empty, in reading order; tables in ``more`` start closed."""
    facts = {
        "measured": _budget(run.info),
        "environment": _machines(run.measured_on) + origin_facts(run.info),
    }
    said = section_sentences(findings)
    for name, title, starts, more in _SECTIONS:
        held = {
            "charts": [c for c in charts if c.section == name],
            "tables": [table for table in tables if table.name.startswith(starts)],
            "more": [table for table in tables if table.name.startswith(more)],
            "verifications": (run.verification or {}).values() if name == "agreement" else (),
            "facts": facts.get(name, ()),
        }
        if any(held.values()):
            sentences = [sentence.text for sentence in said.get(name, ())]
            yield {"id": name, "title": title, "sentences": sentences, **held}


_BUDGET: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("time_limit_s", "time limit of a case", format_duration_s),
    ("memory_limit_bytes", "memory limit", format_limit_bytes),
    ("sampling_s", "sampling of an implementation", format_duration_s),
    ("precision", "precision asked for", lambda v: f"±{v:.0%} of the median"),
    ("threads", "threads", str),
)


def _budget(info: Mapping[str, Any]) -> list[tuple[str, str]]:
    budget = info.get("budget") or {}
    facts = [
        (words, write(budget[key])) for key, words, write in _BUDGET if budget.get(key) is not None
    ]
    accounting = info.get("accounting") or {}
    if wall_s := accounting.get("wall_s"):
        account = Account(**{f.name: accounting.get(f.name, 0.0) for f in fields(Account)})
        facts.append(("wall time", account.describe(wall_s, info.get("at_once", 1))))
    return facts


def _machines(environments: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    several = len(environments) > 1
    return [
        (f"{key}, {name}" if several else key, value)
        for name, environment in environments.items()
        for key, value in environment_facts(environment)
    ]


def render_report(
    run: Run, findings: Findings, tables: Sequence[Table], charts: Sequence[Chart] = ()
) -> str:
    return render_page(
        "report.html.j2",
        [facets_of(r.case, r.implementation) for r in findings.results],
        info=run.info,
        sentences=[s.text for said in answer(run, findings).values() for s in said],
        claims=findings.claims,
        undecided_claims=sum(c.verdict is Holds.UNDECIDED for c in findings.claims),
        verdict_tones=run_tables.VERDICT_TONES,
        maps=run_tables.recommendation_tables(findings.results),
        sections=list(_sections(run, findings, tables, charts)),
        details=details,
        environment_line=environments_line(run.measured_on),
        data_address=embedded(run),
    )


def render_comparison(
    first: Run, second: Run, comparison: Comparison, reports: Sequence[str | None] = (None, None)
) -> str:
    """The page of a comparison; ``reports`` are the addresses of the two reports, if they exist."""
    tables = comparison_tables(comparison)
    tables += [t for p in PASSES if (t := figures_table(first, second, comparison, p)).rows]
    return render_page(
        "comparison.html.j2",
        [facets_of(r.case, r.implementation) for r in comparison.rows],
        sides=list(zip(("First", "Second"), (first, second), reports, strict=True)),
        sentences=verdict_first(comparison),
        runs=runs_table(first, second),
        tables=tables,
    )


def render_reports_index(reports: Sequence[tuple[str, Mapping[str, str]]]) -> str:
    """The list of reports; ``reports`` are the folders beside the page, each with a summary."""
    return render_page(
        "reports_index.html.j2",
        (),
        # "./" first, so that no name is taken for the scheme of an address.
        reports=[(f"./{quote(folder, safe='')}/{PAGE}", report) for folder, report in reports],
    )
