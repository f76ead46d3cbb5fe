"""A gate's outcome for a person: the ruling first, then tables and sentences."""

from collections.abc import Iterable, Iterator, Sequence

from supcr_bench.render.gate_words import (
    better_sentences,
    case_text,
    change_text,
    figure_name,
    plain,
    printable,
    reason_sentences,
    reason_text,
    ruling_sentence,
    sureness_text,
    time_sentences,
    value_text,
)
from supcr_bench.render.grid import Grid
from supcr_bench.render.terminal import Line
from supcr_bench.values.case import Case
from supcr_bench.values.gate import Evidence, GateOutcome, Judgement, Ruling, TimeStudy
from supcr_bench.values.units import MISSING, format_clock

HEADERS = ("case", "figure", "before", "after", "by", "sure")
RULING_STYLES = {
    Ruling.PASS: "bold green",
    Ruling.REGRESSION: "bold red",
    Ruling.UNDECIDED: "bold yellow",
}


def row(judgement: Judgement, study: TimeStudy | None) -> tuple[str, ...]:
    """A judgement as a row under ``HEADERS``."""
    return (
        case_text(judgement.case),
        judgement.figure,
        value_text(judgement, judgement.before),
        value_text(judgement, judgement.after),
        change_text(judgement),
        sureness_text(judgement, study),
    )


def figures_grids(outcome: GateOutcome, ruling: Ruling) -> list[Grid]:
    """Every figure with that ruling, a table for each implementation."""
    groups: dict[str, list[Judgement]] = {}
    for j in in_order(outcome.ruled(ruling)):
        groups.setdefault(j.implementation, []).append(j)
    return [_figures_grid(name, own, outcome.time) for name, own in groups.items()]


def _figures_grid(name: str, judgements: Sequence[Judgement], study: TimeStudy | None) -> Grid:
    rows = [row(j, study) for j in judgements]
    worse = judgements[0].ruling is Ruling.REGRESSION
    # A case stands once: the figures that follow it are of the same.
    again = {i for i in range(1, len(rows)) if rows[i][0] == rows[i - 1][0]}
    shown = [("" if i in again else r[0], *r[1:]) for i, r in enumerate(rows)]
    return Grid(
        name=f"gate-{judgements[0].ruling}",
        title=f"{'Got worse' if worse else 'Undecided'}: {plain(name)}",
        note="by: after over before; sure: of time, for all cells together" if worse else "",
        headers=HEADERS if worse else HEADERS[:-1],
        rows=tuple(shown) if worse else tuple(r[:-1] for r in shown),
        left=2,
        wraps=frozenset({0}),
        sections=frozenset(range(1, len(rows))) - again if again else frozenset(),
        alarming=frozenset((i, 4) for i in range(len(rows)) if worse),
    )


def in_order(judgements: Iterable[Judgement]) -> list[Judgement]:
    """Those of one implementation together, and in it those of one case, else as they came."""
    names: dict[str, None] = dict.fromkeys(j.implementation for j in judgements)
    cases: dict[Case | None, None] = dict.fromkeys(j.case for j in judgements)
    name_at, case_at = ({key: i for i, key in enumerate(keys)} for keys in (names, cases))
    return sorted(judgements, key=lambda j: (name_at[j.implementation], case_at[j.case]))


def passed_grid(outcome: GateOutcome) -> Grid:
    """How many figures of each kind passed, of those that there were something to hold against."""
    names = list(dict.fromkeys(j.implementation for j in outcome.judgements))
    rows, alarming = [], set()
    for i, name in enumerate(names):
        own = [j for j in outcome.judgements if j.implementation == name]
        new = sum(j.ruling is Ruling.NEW for j in own)
        counts = (_passes(own, evidence) for evidence in Evidence)
        rows.append((plain(name), *counts, str(new) if new else MISSING))
        worse = {j.evidence for j in own if j.ruling is Ruling.REGRESSION}
        alarming |= {(i, 1 + k) for k, evidence in enumerate(Evidence) if evidence in worse}
    return Grid(
        name="gate-passed",
        title="Passed",
        note="of the figures held against what was before; new: nothing was before",
        headers=("name", *Evidence, "new"),
        rows=tuple(rows),
        left=1,
        wraps=frozenset({0}),
        folds=frozenset({0}),
        alarming=frozenset(alarming),
    )


def _passes(judgements: Iterable[Judgement], evidence: Evidence) -> str:
    held = [j for j in judgements if j.evidence is evidence and j.ruling is not Ruling.NEW]
    passed = sum(j.ruling is Ruling.PASS for j in held)
    return f"{passed} of {len(held)}" if held else MISSING


def reproductions(outcome: GateOutcome) -> Iterator[tuple[list[str], str | None]]:
    """Regressions by the command that shows them again: why each is one, and the command."""
    groups: dict[str | None, list[str]] = {}
    for j in in_order(outcome.ruled(Ruling.REGRESSION)):
        groups.setdefault(j.command, []).append(f"{figure_name(j)}: {reason_text(j)}")
    for command, reasons in groups.items():
        yield reasons, command


def gate_blocks(outcome: GateOutcome) -> Iterator[Grid | Line]:
    """All that a person is told, in the order of reading."""
    yield Line(ruling_sentence(outcome), RULING_STYLES[outcome.ruling])
    yield Line("")
    worse, undecided = outcome.ruled(Ruling.REGRESSION), outcome.ruled(Ruling.UNDECIDED)
    if worse:
        yield from figures_grids(outcome, Ruling.REGRESSION)
        yield Line("Why, and what shows it again:")
        for reasons, command in reproductions(outcome):
            yield from (Line(reason) for reason in reasons)
            if command:
                yield Line(f"  {printable(command)}", whole=True)
        yield Line("")
    if undecided:
        yield from figures_grids(outcome, Ruling.UNDECIDED)
        yield from map(Line, reason_sentences(undecided))
        yield Line("")
    if outcome.ruled(Ruling.PASS):
        yield passed_grid(outcome)
        yield from map(Line, better_sentences(outcome))
        yield Line("")
    yield from map(Line, time_sentences(outcome.time))
    yield Line(f"The gate took {format_clock(outcome.spent_s)}.")
    yield from (Line(plain(note), "yellow") for note in outcome.notes)
