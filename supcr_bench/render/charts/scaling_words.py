"""Titles and descriptions of scaling charts, computed from what they show."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

from supcr_bench.analysis.crossover import Crossover
from supcr_bench.analysis.growth_verdict import GrowthVerdict
from supcr_bench.analysis.summary import CostRow, fastest_by_size
from supcr_bench.render.cells import listed
from supcr_bench.render.charts.wording import span_text
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_bytes, format_duration_s

Points = Mapping[str, Sequence[tuple[CostRow, float]]]
"""Of each implementation, by rising size: where each figure is from, and the figure."""
_MOST_CROSSINGS = 2
"""That a title names."""


def title(
    figure: Literal["time", "memory"],
    points: Points,
    pass_: str,
    laws: Mapping[str, GrowthVerdict],
    crossovers: Sequence[Crossover],
    drawn: Sequence[Crossover],
) -> str:
    """What is seen, in a line.

    Args:
        figure: which.
        points: of each implementation.
        pass_: which.
        laws: the verdict on each, where there is one.
        crossovers: of every two of these, or that there is none.
        drawn: those of them that matter most, by size.
    """
    measured = {name: own for name, own in points.items() if own}
    if not measured:
        return f"Nothing could be measured in {pass_}"
    if len(measured) == 1:
        return _alone(figure, next(iter(measured)), measured, pass_, laws)
    if figure == "memory":
        return _memory_title(measured, pass_)
    others = sum(c.size is not None for c in crossovers) - len(drawn)
    found = _crossing_title(drawn, others, pass_)
    return found or _fastest_title(measured, pass_, crossovers)


def _alone(
    figure: str, name: str, points: Points, pass_: str, laws: Mapping[str, GrowthVerdict]
) -> str:
    verdict = laws.get(name)
    what = "The time" if figure == "time" else "The peak memory"
    if verdict and verdict.law:
        return f"{what} of {name} grows as {verdict.law} in {pass_}"
    row, y = points[name][-1]
    unit = format_duration_s if figure == "time" else format_bytes
    return f"{name} takes {unit(y)} at N={row.case.batch_size} in {pass_}"


def _crossing_title(crossovers: Sequence[Crossover], others: int, pass_: str) -> str | None:
    found = [c for c in crossovers if c.size is not None]
    if not found:
        return None
    parts = [f"{c.large} overtakes {c.small} at N={c.size:.0f}" for c in found]
    more = others + len(parts) - _MOST_CROSSINGS
    if more > 0:
        parts = [*parts[:_MOST_CROSSINGS], f"{more} more crossover{'s' if more > 1 else ''}"]
    return f"{listed(parts)} in {pass_}"


def _fastest_title(points: Points, pass_: str, crossovers: Sequence[Crossover]) -> str:
    """By medians, at every size at which at least two met; where pairs do not bear it out, so."""
    rows = [row for own in points.values() for row, _ in own]
    met: dict[int, int] = {}
    for row in rows:
        met[row.case.batch_size] = met.get(row.case.batch_size, 0) + 1
    fastest = {case.batch_size: name for case, name in fastest_by_size(rows, frozenset()).items()}
    sizes = sorted(n for n in fastest if met[n] > 1)
    if not sizes:
        return f"Time of {listed(list(points))} in {pass_}"
    names = list(dict.fromkeys(fastest[n] for n in sizes))
    if len(names) == 1:
        return f"{names[0]} is the fastest in {pass_} from N={sizes[0]} to {sizes[-1]}"
    changes = [(a, b) for a, b in pairwise(sizes) if fastest[a] != fastest[b]]
    if len(changes) == 1:
        before, after = changes[0]
        two = {fastest[before], fastest[after]}
        if any({c.one, c.other} == two for c in crossovers):  # and none has a size
            return (
                f"{fastest[before]} is the fastest in {pass_} up to N={before}, "
                f"too close to {fastest[after]} to tell from N={after} on"
            )
        return (
            f"{fastest[before]} is the fastest in {pass_} up to N={before}, "
            f"{fastest[after]} from N={after} on"
        )
    return f"{listed(names)} are close in {pass_}: which is the fastest changes with N"


def _memory_title(points: Points, pass_: str) -> str:
    """The most and the least at the largest size that most of them reached."""
    by_size: dict[int, dict[str, float]] = {}
    for name, own in points.items():
        for row, y in own:
            by_size.setdefault(row.case.batch_size, {})[name] = y
    size = max(by_size, key=lambda n: (len(by_size[n]), n))
    at = by_size[size]
    most, least = (f(at, key=lambda name: at[name]) for f in (max, min))
    ratio = at[most] / at[least]
    if len(at) < 2 or ratio < 1.05:
        names = listed(list(points))
        return (
            f"{names} take the same memory in {pass_}"
            if len(at) > 1
            else f"Peak memory of {names} in {pass_}"
        )
    times = f"{ratio:,.0f}" if ratio >= 9.5 else f"{ratio:.1f}"
    return f"{most} takes {times} times the memory of {least} at N={size} in {pass_}"


def description(
    figure: Literal["time", "memory"],
    subtitle: str,
    points: Points,
    laws: Mapping[str, GrowthVerdict],
    crossovers: Sequence[Crossover],
    results: Sequence[Result],
) -> str:
    """A text alternative: ranges and laws, crossovers, and what has no figure."""
    unit = format_duration_s if figure == "time" else format_bytes
    sentences = [f"{subtitle[0].upper()}{subtitle[1:]}; against batch size, both logarithmic."]
    for name, own in points.items():
        if not own:
            continue
        (first, low), (last, high) = own[0], own[-1]
        sizes = f"N={first.case.batch_size}"
        sizes += f" to {last.case.batch_size}" if len(own) > 1 else ""
        ranges = span_text(low, high, unit) if len(own) > 1 else unit(low)
        verdict = laws.get(name)
        grows = f", grows as {verdict.law}" if verdict and verdict.law else ", law open"
        sentences.append(f"{name}: {sizes}, {ranges}{grows if len(own) > 1 else ''}.")
    if figure == "time":
        sentences += [
            f"{c.large} overtakes {c.small} at N={c.size:.0f} ({c.low:.0f} to {c.high:.0f})."
            for c in crossovers
            if c.size is not None
        ]
    return " ".join([*sentences, *_without(results)])


def _without(results: Sequence[Result]) -> list[str]:
    """What has no figure, by implementation and reason."""
    groups: dict[tuple[str, Status], list[int]] = {}
    for r in results:
        if not r.status.has_figures:
            groups.setdefault((r.implementation, r.status), []).append(r.case.batch_size)
    return [
        f"{name}: {status.replace('_', ' ')} at N={', '.join(map(str, sorted(sizes)))}."
        for (name, status), sizes in groups.items()
    ]
