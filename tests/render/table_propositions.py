"""Decides from raw results whether the words of a run's tables are true: titles, notes, reasons."""

import re
from collections import Counter
from collections.abc import Callable, Mapping

from supcr_bench.values.axes import WORKLOAD_AXES
from supcr_bench.values.definition import short_name
from supcr_bench.values.result import Status
from supcr_bench.values.table import Table
from tests.render.evidence_propositions import course_holds, rising, time_holds
from tests.render.propositions import FIGURES, Known, of


def agreement(run: Known, table: Table) -> bool:
    """The definitions of the title, and of each row, told once, how many of how many agree."""
    known = [r for r in run.results if r.status in FIGURES]
    names = {r.case.definition for r in known}
    titled = re.fullmatch(r"Agreement with the definition (\S+)", table.title)
    several = table.headers[1] == "definition"
    counts: Counter[tuple[str, str]] = Counter()
    agree: Counter[tuple[str, str]] = Counter()
    for r in known:
        counts[r.implementation, r.case.label_kind] += 1
        agree[r.implementation, r.case.label_kind] += r.status is Status.MEASURED
    told = {(row[0], row[1 + several]): row[2 + several] for row in table.texts}
    if len(told) != len(table.rows):
        return False
    return ({titled[1]} == set(map(short_name, names)) if titled else len(names) > 1) and told == {
        key: f"{agree[key]} of {n}" for key, n in counts.items()
    }


def outcomes(run: Known, table: Table) -> bool:
    """Each result without a plain figure is told once, with its status; the reason is its own."""
    told, bad = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    results = {}
    for r in run.results:
        whose = f"{r.implementation} {r.case.pass_}, {r.case.describe_series()}"
        key = f"{whose}, N={r.case.batch_size}", r.status.words
        results[key] = r
        bad[key] += r.status is not Status.MEASURED
    for what, outcome, why in table.texts:
        start, _, sizes = what.rpartition("N=")
        cases = [(f"{start}N={n}", outcome) for n in sizes.split(", ")]
        told.update(cases)
        first = re.match(r"at N=(\d+): (.*)", why, re.DOTALL) if len(cases) > 1 else None
        at = (f"{start}N={first[1]}", outcome) if first else cases[0]
        if at not in cases or results[at].reason != (first[2] if first else why):
            return False
    return told == +bad


def time(run: Known, table: Table) -> bool:
    several = any(r.further_samples_s for r in run.results)
    told = "geometric mean over processes" in table.note
    return told is several and ("(processes)" in table.note) is several


def memory(run: Known, table: Table) -> bool:
    told = re.search(r"; by (.*?)(?:; a second counter.*|\.\n.*)?$", table.note, re.DOTALL)
    assert told, table.note
    methods = {r.memory_method for r in run.results if r.memory_method}
    return set(told[1].split("; ")) == (methods or {"nothing measured"})


FIELDS = {"elements": "elements_processed", "ops": "dispatched_ops", "memory": "peak_bytes"}


def growth(run: Known, table: Table) -> bool:
    """Each law that a cell has is that of the figures of its series."""
    axes = {axis.short: axis for axis in WORKLOAD_AXES}
    for row in table.texts:
        cells = dict(zip(table.headers, row, strict=True))
        own = [
            r
            for r in sorted(of(run, row[0]), key=lambda r: r.case.batch_size)
            if r.case.pass_ == row[1]
            and cells.get("definition") in (None, short_name(r.case.definition))
            and all(axes[h].text(axes[h].of(r.case)) == cells[h] for h in cells if h in axes)
        ]
        courses = [(FIELDS.get(h, h), t) for h, t in cells.items() if h in ("time", *FIELDS)]
        for field, course in courses:
            points = rising(own, field)
            if course in ("?", "-"):
                continue
            span = points[0][0].case.batch_size, points[-1][0].case.batch_size
            if not (
                time_holds(own, f"grows as {course}", span, None, points)
                if field == "time"
                else course_holds(points, course)
            ):
                return False
    return True


KINDS: Mapping[str, Callable[[Known, Table], bool]] = {
    "agreement": agreement,
    "growth": growth,
    "outcomes": outcomes,
    "time": time,
    "memory": memory,
}
