"""Titles and descriptions of scaling charts, computed from what they show."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from supcr_bench.analysis.crossover import Crossover
from supcr_bench.analysis.summary import fastest_by_size
from supcr_bench.render.cells import listed
from supcr_bench.render.charts.wording import span_text
from supcr_bench.values.growth_law import GrowthVerdict
from supcr_bench.values.metrics import TIME, Metric
from supcr_bench.values.result import Result, Status

Points = Mapping[str, Sequence[tuple[Result, float]]]
"""The results of each implementation that have a figure, with it, by rising size."""
_MOST_CROSSINGS = 2
"""Most crossovers that a title names."""


def title(
    metric: Metric,
    points: Points,
    pass_: str,
    laws: Mapping[str, GrowthVerdict],
    crossovers: Sequence[Crossover],
    drawn: Sequence[Crossover],
) -> str:
    """The title of a chart: its main finding in a line.

    Args:
        metric: time or memory.
        points: the points of each implementation.
        pass_: forward or training.
        laws: the verdict on each, where there is one.
        crossovers: the crossovers of every two of these, or that there is none.
        drawn: those of them that matter most, by size.
    """
    measured = {name: own for name, own in points.items() if own}
    if not measured:
        return f"Nothing could be measured in {pass_}"
    if len(measured) == 1:
        ((name, own),) = measured.items()
        if (verdict := laws.get(name)) and verdict.law:
            return f"The {metric.title} of {name} grows as {verdict.law} in {pass_}"
        row, y = own[-1]
        return f"{name} takes {metric.format(y)} at N={row.case.batch_size} in {pass_}"
    if metric is not TIME:
        return _memory_title(measured, pass_)
    if not drawn:
        return _fastest_title(measured, pass_, crossovers)
    parts = [f"{c.large} overtakes {c.small} at N={c.size:.0f}" for c in drawn[:_MOST_CROSSINGS]]
    more = sum(c.size is not None for c in crossovers) - len(parts)
    parts += [f"{more} more crossover{'s' if more > 1 else ''}"] if more else []
    return f"{listed(parts)} in {pass_}"


def _fastest_title(points: Points, pass_: str, crossovers: Sequence[Crossover]) -> str:
    """The title of a time chart: which is the fastest, by medians."""
    rows = [row for own in points.values() for row, _ in own]
    timed = [row.case.batch_size for row in rows]
    fastest = {case.batch_size: name for case, name in fastest_by_size(rows, frozenset()).items()}
    sizes = sorted(n for n in fastest if timed.count(n) > 1)
    if not sizes:
        return f"Time of {listed(list(points))} in {pass_}"
    names = list(dict.fromkeys(fastest[n] for n in sizes))
    if len(names) == 1:
        where = f"from N={sizes[0]} to {sizes[-1]}" if len(sizes) > 1 else f"at N={sizes[0]}"
        return f"{names[0]} is the fastest in {pass_} {where}"
    changes = [(a, b) for a, b in pairwise(sizes) if fastest[a] != fastest[b]]
    if len(changes) > 1:
        return f"{listed(names)} are close in {pass_}: which is the fastest changes with N"
    ((before, after),) = changes
    first, second = names
    undecided = any({c.one, c.other} == {first, second} for c in crossovers)  # none has a size
    beyond = f"too close to {second} to tell" if undecided else second
    return f"{first} is the fastest in {pass_} up to N={before}, {beyond} from N={after} on"


def _memory_title(points: Points, pass_: str) -> str:
    """The title of a memory chart: the most and the least at the largest common size."""
    by_size: dict[int, dict[str, float]] = {}
    for name, own in points.items():
        for row, y in own:
            by_size.setdefault(row.case.batch_size, {})[name] = y
    size, at = max(by_size.items(), key=lambda item: (len(item[1]), item[0]))
    most, least = (choose(at, key=lambda name: at[name]) for choose in (max, min))
    ratio = at[most] / at[least]
    if len(at) < 2:
        return f"Peak memory of {listed(list(points))} in {pass_}"
    if ratio < 1.05:
        return f"{listed(list(points))} take the same memory in {pass_}"
    times = f"{ratio:,.0f}" if ratio >= 9.5 else f"{ratio:.1f}"
    return f"{most} takes {times} times the memory of {least} at N={size} in {pass_}"


def description(
    metric: Metric,
    subtitle: str,
    points: Points,
    laws: Mapping[str, GrowthVerdict],
    crossovers: Sequence[Crossover],
    results: Sequence[Result],
) -> str:
    """A text alternative: ranges and laws, crossovers, and the cases without a figure."""
    sentences = [f"{subtitle[0].upper()}{subtitle[1:]}; against batch size, both logarithmic."]
    for name, own in points.items():
        if len(own) == 1:
            row, y = own[0]
            sentences.append(f"{name}: N={row.case.batch_size}, {metric.format(y)}.")
        elif own:
            (first, low), (last, high) = own[0], own[-1]
            verdict = laws.get(name)
            grows = f"grows as {verdict.law}" if verdict and verdict.law else "growth not decided"
            sizes = f"N={first.case.batch_size} to {last.case.batch_size}"
            sentences.append(f"{name}: {sizes}, {span_text(low, high, metric.format)}, {grows}.")
    if metric is TIME:
        sentences += [
            f"{c.large} overtakes {c.small} at N={c.size:.0f} ({c.low:.0f} to {c.high:.0f})."
            for c in crossovers
            if c.size is not None
        ]
    missing: dict[tuple[str, Status], list[int]] = {}
    for r in results:
        if not r.status.has_figures:
            missing.setdefault((r.implementation, r.status), []).append(r.case.batch_size)
    sentences += [
        f"{name}: {status.replace('_', ' ')} at N={', '.join(map(str, sorted(sizes)))}."
        for (name, status), sizes in missing.items()
    ]
    return " ".join(sentences)
