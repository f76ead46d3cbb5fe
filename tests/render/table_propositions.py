"""Decides from raw results whether the words of a run's tables are true: titles, notes, reasons."""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations
from statistics import median

from supcr_bench.values.axes import AXES, Axis
from supcr_bench.values.definition import short_name
from supcr_bench.values.result import Result, Status, grouped
from supcr_bench.values.table import Row, Table
from tests.render.counted_sums import EXACTLY, Points, fitted
from tests.render.evidence_propositions import (
    course_holds,
    is_quantity,
    quantity,
    rising,
    time_holds,
)
from tests.render.propositions import (
    FIGURES,
    Known,
    bounds_of,
    fits,
    intervals_within,
    log_ratios,
    middle_of,
    place_of,
    shared,
    time_of,
)

BY_SHORT = {axis.short: axis for axis in AXES}


def cells_of(table: Table, row: Row) -> dict[str, str]:
    return dict(zip(table.headers, row.texts, strict=True))


def of_row(run: Known, name: str, cells: Mapping[str, str]) -> list[Result]:
    """The results of one that a row is about, by rising size."""
    heads = tuple(head for head in cells if head in BY_SHORT or head == "definition")
    return by_texts(run, heads).get((name, *(cells[head] for head in heads)), [])


@cache
def by_texts(run: Known, heads: tuple[str, ...]) -> dict[tuple[str, ...], list[Result]]:
    found: dict[tuple[str, ...], list[Result]] = {}
    for r in sorted(run.results, key=lambda r: r.case.batch_size):
        texts = (
            BY_SHORT[head].text(BY_SHORT[head].of(r.case))
            if head in BY_SHORT
            else short_name(r.case.definition)
            for head in heads
        )
        found.setdefault((r.implementation, *texts), []).append(r)
    return found


def shows(text: str, value: float) -> bool:
    """Whether a number is the value, in the digits that it has."""
    digits, _, power = text.replace(",", "").partition("e")
    unit = 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))
    return abs(float(text.replace(",", "")) - value) <= 0.501 * unit


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
    noted = told is several and ("(processes)" in table.note) is several
    return noted and _costs_hold(run, table, _time_cell)


def _time_cell(r: Result | None, text: str) -> bool:
    """The median, or the mean of several, how far its interval reaches, and of how many it is."""
    if r is None or r.untimed or not r.time_samples_s:
        return text == (r.status.words if r and r.status not in FIGURES else "-")
    told = re.fullmatch(r"(\S+ \S+) (?:(?:±(\d+)%|-(\d+)/\+(\d+)%) )?\((\d+)\)(\*?)( wrong)?", text)
    assert told, text
    seconds = time_of(r) or 0.0
    ends = bounds_of(r.time_samples_s)
    if r.further_samples_s:
        logs = middle_of([[math.log(x)] for x in r.process_medians_s])[1]
        ends = logs and (math.exp(logs[0]), math.exp(logs[1]))
    reach = [abs(end / seconds - 1) for end in ends or ()]
    return (
        is_quantity(told[1], seconds)
        and int(told[5]) == (len(r.processes) if r.further_samples_s else len(r.time_samples_s))
        and bool(reach) is bool(told[2] or told[3])
        and all(
            shows(told[2] or text, 100 * x)
            for text, x in zip(told.groups()[2:4], reach, strict=False)
        )
        and bool(told[6]) is (r.time_stopped_by == "budget")
        and bool(told[7]) is (r.status is Status.WRONG)
    )


def memory(run: Known, table: Table) -> bool:
    told = re.search(r"; by (.*?)(?:; a second counter.*|\.\n.*)?$", table.note, re.DOTALL)
    assert told, table.note
    methods = {r.memory_method for r in run.results if r.memory_method}
    noted = set(told[1].split("; ")) == (methods or {"nothing measured"})
    return noted and _costs_hold(run, table, _memory_cell)


def _memory_cell(r: Result | None, text: str) -> bool:
    if r is None or r.peak_bytes is None:
        return text == (r.status.words if r and r.status not in FIGURES else "-")
    shown = text.removesuffix(" wrong")
    return is_quantity(shown, r.peak_bytes) and (shown != text) is (r.status is Status.WRONG)


def _costs_hold(run: Known, table: Table, holds: Callable[[Result | None, str], bool]) -> bool:
    """Whether each cell is the figure of its column's implementation, in the pass of the title."""
    pass_ = table.title.rpartition(", ")[2]
    return all(
        holds(next(iter(of_row(run, column.implementation, cells | {"pass": pass_})), None), text)
        for row in table.rows
        for cells in [cells_of(table, row)]
        for column, text in zip(table.columns, row.texts, strict=True)
        if column.implementation
    )


FIELDS = {"elements": "elements_processed", "ops": "dispatched_ops", "memory": "peak_bytes"}


def growth(run: Known, table: Table) -> bool:
    """Each law that a cell has is that of the figures of its series."""
    for row in table.rows:
        cells = cells_of(table, row)
        own = of_row(run, cells["name"], cells)
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


# --- Where the faster one changes ---


def crossovers(run: Known, table: Table) -> bool:
    """Each two that were timed in the same rounds at two sizes are told, and each row is true."""
    told = set()
    for row in table.rows:
        cells = cells_of(table, row)
        one, other = (of_row(run, cells[whose], cells) for whose in ("one", "other"))
        logs = _met(one, other)
        told.add((frozenset((cells["one"], cells["other"])), place_of(one[0].case)))
        if not _crossover_holds(cells, logs):
            return False
    series = grouped(run.results, lambda r: (r.implementation, place_of(r.case))).items()
    return told == {
        (frozenset((a, b)), place)
        for ((a, place), one), ((b, other_place), other) in combinations(series, 2)
        if place == other_place and len(_met(one, other)) > 1
    }


Logs = Mapping[int, Sequence[Sequence[float]]]
"""The logarithms of the ratios of two times, by size, process and round."""


def _met(one: Sequence[Result], other: Sequence[Result]) -> Logs:
    theirs = {shared(r.case): r for r in other if r.time_samples_s and r.status is Status.MEASURED}
    found = {}
    for r in sorted(one, key=lambda r: r.case.batch_size):
        if r.time_samples_s and r.status is Status.MEASURED and shared(r.case) in theirs:
            found[r.case.batch_size] = log_ratios(r, theirs[shared(r.case)])
    return {n: logs for n, logs in found.items() if logs}


def _crossover_holds(cells: Mapping[str, str], logs: Logs) -> bool:
    names, below = (cells["one"], cells["other"]), cells["faster\nbelow"]
    ahead = {n: names[median(map(median, own)) > 0] for n, own in logs.items()}
    clear = {n: ahead[n] for n, own in logs.items() if _clear(own)}
    first, last = min(logs), max(logs)
    if told := re.fullmatch(r"(\d+) \[(\d+), (\d+)\]", cells["crossover N"]):
        size, low, high = map(int, told.groups())
        faster_below = any(ahead[n] == below for n in logs if n <= high)
        slower_above = any(ahead[n] != below for n in logs if n >= low)
        return below in names and faster_below and slower_above and low <= size <= high
    if cells["crossover N"] == "none in range":
        return ahead[first] == ahead[last] == below and {*clear.values()} <= {below}
    assert cells["crossover N"] == "undecided", cells
    return below in ("-", ahead[first]) and not {first, last} <= set(clear)


def _clear(own: Sequence[Sequence[float]]) -> bool:
    """Whether an interval three times as wide as that of a ratio lies on one side of 1."""
    middle, ends = middle_of(own)
    return ends is not None and max(abs(end - middle) for end in ends) < abs(middle) / 3


# --- The largest batches, and peaks that were predicted ---


def frontier(run: Known, table: Table) -> bool:
    told = re.search(r"intervals within \u00b1([\d.]+)%", table.note)
    if told and not intervals_within(run, share=float(told[1]) / 100, shown=5.1e-4):
        return False
    return all(
        fits(
            run,
            name=cells["implementation"],
            case=of_row(run, cells["implementation"], cells)[-1].case,
            capacity_bytes=round(quantity(head)),
            batch_size=int(text),
        )
        for row in table.rows
        for cells in [cells_of(table, row)]
        for head, text in cells.items()
        if head.endswith("GiB")
    )


def predictions(run: Known, table: Table) -> bool:
    """Each row is of the largest size of a series with a prediction, from a quarter of it."""
    return all(_prediction_holds(run, cells_of(table, row), row) for row in table.rows)


def _prediction_holds(run: Known, cells: dict[str, str], row: Row) -> bool:
    name, n = cells["implementation"], int(cells.pop("N"))
    series = of_row(run, name, cells)
    r = [r for r in series if r.peak_bytes and r.predicted_peak_bytes][-1]
    peak, told = r.peak_bytes or 0, r.predicted_peak_bytes or 0.0
    known = int(cells["known\nup to"])
    off = re.fullmatch(r"(\S+)%(?: \(another path from N=(\d+) on\))?", cells["off by"])
    assert off, cells
    low, high = r.predicted_peak_low_bytes or 0.0, r.predicted_peak_high_bytes or 0.0
    beyond = not low <= peak <= high
    return (
        (n, known) == (r.case.batch_size, r.predicted_peak_from)
        and 4 * known <= n
        and is_quantity(cells["predicted"], told)
        and is_quantity(cells["measured"], peak)
        and shows(off[1], 100 * (told / peak - 1))
        and (row.cells[-1].tone == "bad") is beyond
        and (not off[2] or (beyond and known < int(off[2]) <= n and _turns(series, int(off[2]))))
    )


def _turns(series: Sequence[Result], n: int) -> bool:
    """Whether a count leaves at a size what sums of laws give for some sizes before it."""
    for field in FIELDS.values():
        points: Points = rising(series, field)
        at = next((i for i, (r, _) in enumerate(points) if r.case.batch_size == n), 0)
        for first in range(at - 3):
            alone, longer = (fitted(points[first:stop], "N^4") for stop in (at, at + 1))
            if alone <= EXACTLY and longer > 1.5e-5:
                return True
    return False


# --- Along an axis ---


def along(run: Known, table: Table) -> bool:
    """Each cell is the figure of the first measured value, or a ratio to it, in that pass."""
    told = re.fullmatch(r"Along (.*): (agreement|time|memory), (forward|training)", table.title)
    assert told, table.title
    axis = next(axis for axis in AXES if axis.label == told[1])
    several = any(r.further_samples_s for r in run.results)
    if told[2] == "time" and ("geometric mean over processes" in table.note) is not several:
        return False
    at = table.headers.index("N") + 1
    for row in table.texts:
        cells = dict(zip(table.headers[:at], row, strict=False)) | {"pass": told[3]}
        own = [r for r in of_row(run, row[0], cells) if told[2] != "time" or not r.untimed]
        shown = dict(zip(table.headers[at:], row[at:], strict=True))
        if not any(_axis_row_holds(axis, told[2], members, shown) for members in alike(axis, own)):
            return False
    return True


def alike(axis: Axis, results: Sequence[Result]) -> list[list[Result]]:
    """Groups of results of an implementation that differ only in an axis."""
    others = {axis.field: None}
    return list(grouped(results, lambda r: replace(r.case, **others)).values())  # type: ignore[arg-type]


def _axis_row_holds(
    axis: Axis, metric: str, own: Sequence[Result], shown: Mapping[str, str]
) -> bool:
    at = {axis.text(axis.of(r.case)): r for r in own}
    base = next((r for r in own if r.status in FIGURES), None)
    return base is not None and all(
        _axis_cell_holds(metric, at[head], base, text) if head in at else text == "-"
        for head, text in shown.items()
    )


def _axis_cell_holds(metric: str, r: Result, base: Result, text: str) -> bool:
    if r.status not in FIGURES:
        return {"OOM": "out of memory", "timeout": "timed out"}.get(text, text) == r.status.words
    if metric == "agreement":
        worst = max(filter(None, (r.value_tolerances, r.gradient_tolerances)), default=0.0)
        if text == "broken":
            return r.status is Status.WRONG and worst <= 1
        return worst < 0.01 if text in ("<0.01", "-") else shows(text, worst)
    figure, first = ((time_of(x) if metric == "time" else x.peak_bytes) for x in (r, base))
    if not figure:
        return text == "-"
    if r is base or not first:
        return not text.startswith("x") and is_quantity(text, figure)
    return text.startswith("x") and shows(text[1:], figure / first)


KINDS: Mapping[str, Callable[[Known, Table], bool]] = {
    "Along": along,
    "agreement": agreement,
    "crossovers": crossovers,
    "frontier": frontier,
    "growth": growth,
    "outcomes": outcomes,
    "predictions": predictions,
    "time": time,
    "memory": memory,
}


def kind_of(table: Table) -> str:
    """The part of a table's name, or of the title of one along an axis, that tells its kind."""
    return "Along" if table.title.startswith("Along ") else table.name.partition("-")[0]


# --- The trends of a list of reports ---


def trend_holds(table: Table, runs: Sequence[tuple[str, Known]]) -> bool:
    """Whether it has the last figures of the last eight runs; each comes with its start."""
    shown = [(started, own) for started, run in runs if (own := _last_seconds(run))][-8:]
    names = {name for _, figures in shown for name in figures}
    heads = [f"{started[:10]}\n{started[11:16]}" for started, _ in shown]
    if list(table.headers[1:-1]) != heads or {row[0] for row in table.texts} != names:
        return False
    for name, *texts, ratio in table.texts:
        known = [figures[name] for _, figures in shown if name in figures]
        if not (shows(ratio, known[-1] / known[0]) if len(known) > 1 else not ratio):
            return False
        for text, (_, figures) in zip(texts, shown, strict=True):
            seconds = figures.get(name)
            if not (text == "-" if seconds is None else is_quantity(text, seconds)):
                return False
    return True


def _last_seconds(run: Known) -> dict[str, float]:
    """In training, if that was timed, the times at the largest N of the series with most times."""
    timed = [r for r in run.results if r.time_samples_s]
    pass_ = max((r.case.pass_ for r in timed), default="")
    series = grouped((r for r in timed if r.case.pass_ == pass_), lambda r: r.case.series())
    own = max(series.values(), key=len, default=[])
    last = {r.implementation: r for r in sorted(own, key=lambda r: r.case.batch_size)}
    return {f"{n}, {pass_} at {r.case.describe()}": time_of(r) or 0.0 for n, r in last.items()}
