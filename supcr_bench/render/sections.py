"""The sections of the report: which finding, charts and tables each holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from supcr_bench.analysis.axis_effect import AXES, Axis
from supcr_bench.analysis.findings import Findings
from supcr_bench.render.agreement_map import HeatMap, agreement_map
from supcr_bench.render.axis_grids import AXIS_NAMES, axis_id
from supcr_bench.render.grid import Grid
from supcr_bench.render.section_sentences import (
    agreement_sentences,
    axis_sentences,
    growth_sentences,
    measured_sentences,
    memory_sentences,
    time_sentences,
)
from supcr_bench.values.table import Facets
from supcr_bench.values.units import format_clock, format_duration_s, format_limit_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A chart on the page.

    Attributes:
        name: its anchor.
        title: what is seen.
        subtitle: what is drawn.
        description: the same for who does not see it.
        drawing: markup that is let through as it is.
        facets: what it is about.
        data: the figures behind it.
    """

    name: str
    title: str
    subtitle: str
    description: str
    drawing: str
    facets: Facets
    data: Grid | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What verification found of one implementation."""

    implementation: str
    verdict: str
    findings: tuple[tuple[str, str], ...] = ()
    diagnosis: str | None = None
    snippet: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of the page.

    Attributes:
        id: its anchor.
        title: its heading.
        short: its name in the bar.
        sentences: what it finds.
        charts, heats, verified, grids, facts: what it holds, in this order.
        more: tables of all cases, closed at first, where charts show the main ones.
    """

    id: str
    title: str
    short: str
    sentences: Sequence[str] = ()
    charts: Sequence[Figure] = ()
    heats: Sequence[HeatMap] = ()
    verified: Sequence[Verified] = ()
    grids: Sequence[Grid] = ()
    facts: Sequence[tuple[str, str]] = ()
    more: Sequence[Grid] = ()

    @property
    def empty(self) -> bool:
        """Whether it has nothing to show."""
        held = (self.charts, self.heats, self.verified, self.grids, self.facts, self.more)
        return not any(held)


_SHORT: Mapping[Axis, str] = {
    "nan_density": "NaN",
    "dims": "Dimensions",
    "temperature": "Temperature",
    "dtype": "Precision",
    "ranks": "Ranks",
}


def make_sections(
    info: Mapping[str, Any],
    findings: Findings,
    grids: Sequence[Grid],
    charts: Mapping[str, Sequence[Figure]],
    verified: Sequence[Verified],
    environments: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Section]:
    """Every section that has something to show, in reading order.

    Args:
        info: what ``run.json`` holds.
        findings: what the run says.
        grids: its tables.
        charts: by the id of their section.
        verified: what verification found.
        environments: of every kind of machine; those of ``info`` where that is all.
    """
    by_name = {grid.name: grid for grid in grids}

    def named(*starts: str) -> list[Grid]:
        return [g for name, g in by_name.items() if any(name.startswith(s) for s in starts)]

    heat = agreement_map(findings.results)
    sections = [
        Section(id="claims", title="The note's claims", short="Claims", grids=named("claims")),
        Section(
            id="agreement",
            title="Agreement",
            short="Agreement",
            sentences=agreement_sentences(findings),
            heats=[heat] if heat else [],
            verified=verified,
            grids=named("agreement", "pairs"),
        ),
        Section(
            id="time",
            title="Time",
            short="Time",
            sentences=time_sentences(findings),
            charts=charts.get("time", ()),
            grids=named("crossovers"),
            more=named("time-"),
        ),
        Section(
            id="memory",
            title="Memory",
            short="Memory",
            sentences=memory_sentences(findings),
            charts=charts.get("memory", ()),
            grids=named("frontier", "predictions"),
            more=named("memory-", "cuda-memory"),
        ),
        *(
            Section(
                id=axis_id(axis),
                title=AXIS_NAMES[axis].capitalize(),
                short=_SHORT[axis],
                sentences=axis_sentences(findings, axis),
                charts=charts.get(axis_id(axis), ()),
                grids=named(f"{axis_id(axis)}-"),
            )
            for axis in AXES
        ),
        Section(
            id="growth",
            title="Growth",
            short="Growth",
            sentences=growth_sentences(findings),
            grids=named("growth"),
        ),
        Section(
            id="measured",
            title="How it was measured",
            short="Measured",
            sentences=measured_sentences(findings),
            facts=_budget(info),
            grids=named("outcomes"),
        ),
        Section(
            id="environment",
            title="Environment",
            short="Environment",
            facts=_machines(environments or {"": info["environment"]}) + origin_facts(info),
        ),
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
    """The facts of each kind of machine; named where there are several."""
    several = len(environments) > 1
    return [
        (f"{key}, {name}" if several else key, value)
        for name, environment in environments.items()
        for key, value in environment_facts(environment)
    ]


def environment_facts(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Machine and software: name and value of what is known."""
    return [
        (key.removesuffix("_bytes").replace("_", " "), _plain(key, value))
        for key, value in environment.items()
        if value not in (None, [], "")
    ]


def _plain(key: str, value: Any) -> str:
    if key.endswith("_bytes"):
        return format_limit_bytes(value)
    if isinstance(value, list):
        return ", ".join(str(v.get("name", v)) if isinstance(v, dict) else str(v) for v in value)
    return str(value)


def origin_facts(info: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Which code measured, and when."""
    return [
        (name, str(value))
        for name, value in (
            ("supcr-bench", info.get("version")),
            ("revision", info.get("revision")),
            ("seed", info.get("seed")),
            ("started", info.get("started_at")),
            ("finished", info.get("finished_at")),
        )
        if value is not None
    ]
