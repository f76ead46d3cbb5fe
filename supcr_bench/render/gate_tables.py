"""Shows a gate's outcome on a terminal, as Markdown for a CI job, and on a pull request."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.text import Text

from supcr_bench.render import gate_words
from supcr_bench.render.machine import environment_line
from supcr_bench.render.markdown import bullets, escape, table_markdown
from supcr_bench.render.sentences import Sentence
from supcr_bench.values.case import Case
from supcr_bench.values.gate import Evidence, GatedChange, GateOutcome, GateVerdict, TimeStudy
from supcr_bench.values.result import grouped
from supcr_bench.values.table import Cell, Table, numbers, prose, row, words
from supcr_bench.values.units import MISSING, plural

VERDICT_STYLES = {
    GateVerdict.PASS: "bold green",
    GateVerdict.REGRESSION: "bold red",
    GateVerdict.UNDECIDED: "bold yellow",
}
TITLES = {
    GateVerdict.REGRESSION: "Got worse",
    GateVerdict.UNDECIDED: "Undecided",
    GateVerdict.ACCEPTED: "Accepted",
}

MOST_PASSED = 500
"""Most rows of passed changes: GitHub limits a job summary to 1 MiB; the JSON file holds all."""
LONGEST = 60_000
"""GitHub refuses comments of more than 65,536 characters."""
MOST_TOLD = 5
"""The most reasons that an annotation gives."""
CUT = "\n\n(cut here: the job's summary has all)\n"


def in_order(changes: Iterable[GatedChange]) -> list[GatedChange]:
    changes = list(changes)
    names: dict[str, None] = dict.fromkeys(c.implementation for c in changes)
    cases: dict[Case | None, None] = dict.fromkeys(c.case for c in changes)
    name_at, case_at = ({key: i for i, key in enumerate(keys)} for keys in (names, cases))
    return sorted(changes, key=lambda c: (name_at[c.implementation], case_at[c.case]))


def changes_table(
    changes: Sequence[GatedChange], study: TimeStudy | None, *, names: bool, reasons: bool
) -> Table:
    """A row for each change; all have one verdict. Two of the columns are optional."""
    verdict = changes[0].verdict
    worse = verdict is GateVerdict.REGRESSION
    several = len({c.case for c in changes}) < len(changes)
    wanted = {"name": names, "sure": worse or names, "reason": reasons}
    columns = (*words("name"), *prose("case", "figure"))
    columns += (*numbers("before", "after", "by", "sure"), *prose("reason"))
    columns = tuple(column for column in columns if wanted.get(column.header, True))
    rows, shown = [], set[Case | None]()
    for c in changes:
        cells: dict[str, Cell | str] = {
            "name": gate_words.plain(c.implementation),
            "case": "" if not names and c.case in shown else gate_words.case_text(c.case),
            "figure": c.title,
            "before": gate_words.value_text(c, c.before),
            "after": gate_words.value_text(c, c.after),
            "by": Cell(gate_words.ratio_change_text(c, study), "bad" if worse else ""),
            "sure": gate_words.sureness_text(c, study),
            "reason": gate_words.reason_text(c),
        }
        group = c.case if several and not names else None
        rows.append(row(*(cells[column.header] for column in columns), group=group))
        shown.add(c.case)
    title = TITLES.get(verdict, "Passed")
    return Table(
        name=f"gate-{verdict}",
        title=title if names else f"{title}: {gate_words.plain(changes[0].implementation)}",
        note="by: after divided by before; sure: confidence that no time verdict is wrong" * worse,
        columns=columns,
        rows=tuple(rows),
    )


def shown(outcome: GateOutcome, verdict: GateVerdict) -> list[GatedChange]:
    """The changes with a verdict, in order, without those that follow from a wrong result."""
    if verdict is GateVerdict.REGRESSION:
        # A change of several cases comes before those of single cases.
        folded = bool(outcome.following)
        return sorted(in_order(outcome.leading), key=lambda c: folded and c.case is not None)
    return in_order(outcome.with_verdict(verdict))


def tables_of(outcome: GateOutcome, verdict: GateVerdict) -> list[Table]:
    changes = shown(outcome, verdict)
    return [
        changes_table(own, outcome.time, names=False, reasons=False)
        for own in grouped(changes, lambda c: c.implementation).values()
    ]


def passed_table(outcome: GateOutcome) -> Table:
    rows = []
    for name, own in grouped(outcome.changes, lambda c: c.implementation).items():
        cells = []
        for kind in Evidence:
            verdicts = Counter(c.verdict for c in own if c.evidence is kind)
            of = verdicts.total() - verdicts[GateVerdict.NEW]
            text = f"{verdicts[GateVerdict.PASS]} of {of}" if of else MISSING
            cells.append(Cell(text, "bad" if verdicts[GateVerdict.REGRESSION] else ""))
        new = sum(c.verdict is GateVerdict.NEW for c in own)
        rows.append(row(gate_words.plain(name), *cells, str(new) if new else MISSING))
    return Table(
        name="gate-passed",
        title="Passed",
        note="of all figures except new ones, which had no value before",
        columns=(*prose("name"), *numbers(*Evidence, "new")),
        rows=tuple(rows),
    )


def reproductions(outcome: GateOutcome) -> dict[str | None, list[GatedChange]]:
    return grouped(shown(outcome, GateVerdict.REGRESSION), lambda c: c.command)


def closing_sentences(outcome: GateOutcome) -> list[Sentence]:
    took = gate_words.gate_took(spent_s=outcome.spent_s)
    return [*gate_words.time_sentences(outcome.time), took]


def gate_blocks(outcome: GateOutcome) -> Iterator[Table | Text | Sentence]:
    """The terminal output, from top to bottom. Commands have ``no_wrap``, for copying."""
    yield Text(str(gate_words.verdict_sentence(outcome)), VERDICT_STYLES[outcome.verdict])
    yield Text()
    undecided = outcome.with_verdict(GateVerdict.UNDECIDED)
    if worse := reproductions(outcome):
        yield from tables_of(outcome, GateVerdict.REGRESSION)
        yield Text("The reasons, and the commands that reproduce them:")
        for command, changes in worse.items():
            yield from (s for c in changes for s in gate_words.reason_sentences([c]))
            if command:
                yield Text(f"  {gate_words.printable(command)}", no_wrap=True)
        yield from gate_words.following_sentences(outcome)
        yield Text()
    if undecided:
        yield from tables_of(outcome, GateVerdict.UNDECIDED)
        yield from gate_words.reason_sentences(undecided)
        yield Text()
    if outcome.with_verdict(GateVerdict.PASS):
        yield passed_table(outcome)
        yield from gate_words.better_sentences(outcome)
        yield Text()
    yield from closing_sentences(outcome)
    yield from (Text(gate_words.plain(note), "yellow") for note in outcome.notes)


def gate_markdown(outcome: GateOutcome) -> str:
    blocks = [f"## supcr-bench gate: {escape(gate_words.plain(outcome.suite))}"]
    blocks.append(f"**{escape(str(gate_words.verdict_sentence(outcome)))}**")
    blocks += _changes(outcome, GateVerdict.REGRESSION)
    blocks += [escape(str(s)) for s in gate_words.following_sentences(outcome)]
    if commands := [gate_words.printable(command) for command in reproductions(outcome) if command]:
        blocks += ["To reproduce:", fenced("\n".join(commands))]
    for verdict in (GateVerdict.UNDECIDED, GateVerdict.ACCEPTED):
        blocks += _changes(outcome, verdict)
    blocks += _passed(outcome)
    if better := gate_words.better_sentences(outcome):
        blocks.append(bullets(better))
    blocks.append(bullets(closing_sentences(outcome)))
    if outcome.notes:
        blocks += ["### Notes", bullets([gate_words.plain(note) for note in outcome.notes])]
    if outcome.command:
        blocks.append(fenced(gate_words.printable(outcome.command)))
    if outcome.environment:
        blocks.append(f"{escape(gate_words.plain(environment_line(outcome.environment)))}.")
    return "\n\n".join(blocks) + "\n"


def _changes(outcome: GateOutcome, verdict: GateVerdict) -> list[str]:
    changes = shown(outcome, verdict)
    if not changes:
        return []
    table = changes_table(changes, outcome.time, names=True, reasons=True)
    return [f"### {TITLES[verdict]}", table_markdown(table)]


def _passed(outcome: GateOutcome) -> list[str]:
    changes = in_order(outcome.with_verdict(GateVerdict.PASS))
    if not changes:
        return []
    table = changes_table(changes, outcome.time, names=True, reasons=False)
    blocks = [
        f"<details><summary>Passed: {plural(len(changes), 'figure')}</summary>",
        table_markdown(passed_table(outcome)),
        table_markdown(replace(table, rows=table.rows[:MOST_PASSED])),
    ]
    if len(changes) > MOST_PASSED:
        blocks.append(f"The first {MOST_PASSED:,} of {len(changes):,}.")
    return [*blocks, "</details>"]


def fenced(text: str) -> str:
    """The unchanged text in a Markdown code block, whose fences are longer than any in the text."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sh\n{text}\n{fence}"


# --- On a pull request ---


def marker(outcome: GateOutcome) -> str:
    """The first line of the comment, which identifies it in later jobs."""
    return f"<!-- supcr-bench gate: {gate_words.plain(outcome.suite)} -->"


def gate_comment(outcome: GateOutcome) -> str:
    text = f"{marker(outcome)}\n{gate_markdown(outcome)}"
    return text if len(text) <= LONGEST else text[:LONGEST] + CUT


def has_news(outcome: GateOutcome) -> bool:
    """Whether something changed: worse, better, new, accepted, or undecided."""
    verdicts = {change.verdict for change in outcome.changes}
    told = verdicts - {GateVerdict.PASS, GateVerdict.UNCHANGED}
    void = any(note.startswith(("Accepted", "Void")) for note in outcome.notes)
    return bool(told or void or gate_words.better_sentences(outcome))


def annotations(outcome: GateOutcome, places: Mapping[str, tuple[Path, int]]) -> list[str]:
    """GitHub's commands, at implementations' ``places``: errors if worse, else warnings."""
    found = []
    kinds = {"error": outcome.leading, "warning": outcome.with_verdict(GateVerdict.UNDECIDED)}
    for command, changes in kinds.items():
        for name, own in grouped(changes, lambda change: change.implementation).items():
            where = ""
            if name in places:
                file, line = places[name]
                path = _escaped(file.as_posix(), "%\r\n:,")
                where = f"file={path},line={line},"
            texts = [str(s) for c in own for s in gate_words.reason_sentences([c])]
            more = [f"and {len(texts) - MOST_TOLD:,} more"] if len(texts) > MOST_TOLD else []
            message = _escaped("\n".join([*texts[:MOST_TOLD], *more]))
            found.append(f"::{command} {where}title=supcr-bench gate::{message}")
    return found


def _escaped(text: str, characters: str = "%\r\n") -> str:
    return text.translate({ord(c): f"%{ord(c):02X}" for c in characters})
