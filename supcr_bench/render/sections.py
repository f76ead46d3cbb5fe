"""The sections of the report: which sentences, charts and tables each holds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from supcr_bench.analysis.axis_effect import COMPARED
from supcr_bench.analysis.findings import Findings
from supcr_bench.render.charts import Chart
from supcr_bench.render.machine import environment_facts, origin_facts
from supcr_bench.render.sentences import (
    agreement_sentences,
    axis_sentences,
    growth_sentences,
    measured_sentences,
    memory_sentences,
    time_sentences,
)
from supcr_bench.store.run import Run
from supcr_bench.values.axes import Axis
from supcr_bench.values.table import Table
from supcr_bench.values.units import format_clock, format_duration_s, format_limit_bytes
from supcr_bench.verification.verification import Verification

DrawnChart = tuple[Chart, Table | None]
"""A chart, and the table of the figures that it is drawn from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of the page.

    Attributes:
        id: its anchor.
        title: its heading.
        sentences: what it finds.
        charts, tables: what it holds first.
        more: tables of all cases, closed at first, where charts show the main ones.
        verifications, facts: what it holds last.
    """

    id: str
    title: str
    sentences: Sequence[str] = ()
    charts: Sequence[DrawnChart] = ()
    verifications: Sequence[Verification] = ()
    tables: Sequence[Table] = ()
    facts: Sequence[tuple[str, str]] = ()
    more: Sequence[Table] = ()

    @property
    def empty(self) -> bool:
        return not any((self.charts, self.verifications, self.tables, self.facts, self.more))


_Spec = tuple[str, str, Callable[[Findings], list[str]] | None, tuple[str, ...], tuple[str, ...]]
"""Id, title, sentences, and how the names of the tables and of the closed tables start."""
_BEFORE_AXES: tuple[_Spec, ...] = (
    ("claims", "Claims of the note", None, ("claims",), ()),
    ("agreement", "Agreement", agreement_sentences, ("agreement", "pairs"), ()),
    ("time", "Time", time_sentences, ("crossovers",), ("time-",)),
    ("memory", "Memory", memory_sentences, ("frontier", "predict"), ("memory-", "cuda-memory")),
)
_AFTER_AXES: tuple[_Spec, ...] = (
    ("growth", "Growth", growth_sentences, ("growth",), ()),
    ("measured", "How it was measured", measured_sentences, ("outcomes",), ()),
    ("environment", "Environment", None, (), ()),
)


def _axis_spec(axis: Axis) -> _Spec:
    sentences = partial(axis_sentences, axis=axis)
    return (axis.id, axis.label.capitalize(), sentences, (f"{axis.id}-",), ())


def make_sections(
    run: Run,
    findings: Findings,
    tables: Sequence[Table],
    charts: Mapping[str, Sequence[DrawnChart]],
) -> list[Section]:
    """Every section that has something to show, in reading order.

    Args:
        run: what it is a report of.
        findings: what the run says.
        tables: its tables.
        charts: by the id of their section.
    """

    def named(starts: tuple[str, ...]) -> list[Table]:
        return [table for table in tables if table.name.startswith(starts)]

    others: dict[str, dict[str, Any]] = {
        "agreement": {"verifications": list((run.verification or {}).values())},
        "measured": {"facts": _budget(run.info)},
        "environment": {"facts": _machines(run.measured_on) + origin_facts(run.info)},
    }
    specs = (*_BEFORE_AXES, *map(_axis_spec, COMPARED), *_AFTER_AXES)
    sections = [
        Section(
            id=name,
            title=title,
            sentences=write(findings) if write else (),
            charts=charts.get(name, ()),
            tables=named(starts),
            more=named(more),
            **others.get(name, {}),
        )
        for name, title, write, starts, more in specs
    ]
    return [section for section in sections if not section.empty]


def _budget(info: Mapping[str, Any]) -> list[tuple[str, str]]:
    budget = info.get("budget") or {}
    facts = [
        (words, write(budget[key]))
        for key, words, write in (
            ("time_limit_s", "time limit of a case", format_duration_s),
            ("memory_limit_bytes", "memory limit", format_limit_bytes),
            ("sampling_s", "sampling of an implementation", format_duration_s),
            ("precision", "precision asked for", lambda v: f"±{v:.0%} of the median"),
            ("threads", "threads", str),
        )
        if budget.get(key) is not None
    ]
    accounting = info.get("accounting") or {}
    if accounting.get("wall_s"):
        measured = sum(accounting.get(k, 0.0) for k in ("inputs_s", "reference_s", "calls_s"))
        share = min(measured / accounting["wall_s"], 1.0)
        spent = f"{share:.0%} of it in measured calls, reference and inputs"
        if info.get("at_once", 1) > 1:
            spent = (
                f"{format_clock(measured)} of measured calls, reference and inputs in it, up to "
                f"{info['at_once']} cells at once"
            )
        facts.append(("wall time", f"{format_clock(accounting['wall_s'])}, {spent}"))
    return facts


def _machines(environments: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    several = len(environments) > 1
    return [
        (f"{key}, {name}" if several else key, value)
        for name, environment in environments.items()
        for key, value in environment_facts(environment)
    ]
