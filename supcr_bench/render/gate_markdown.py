"""A gate's outcome as Markdown, for the summary of a job."""

import re
from collections.abc import Sequence

from supcr_bench.render.gate_grids import HEADERS, in_order, passed_grid, reproductions, row
from supcr_bench.render.gate_words import (
    better_sentences,
    figures,
    plain,
    printable,
    reason_text,
    ruling_sentence,
    time_sentences,
)
from supcr_bench.render.machine import environment_line
from supcr_bench.render.markdown import bullets, escape, table
from supcr_bench.values.gate import GateOutcome, Judgement, Ruling
from supcr_bench.values.units import format_clock

MOST_PASSED = 500
"""Rows of what passed: the summary of a step holds a megabyte, and the JSON file holds all."""


def gate_markdown(outcome: GateOutcome) -> str:
    """The ruling, what got worse and how to see it again, what is undecided, and the rest folded.

    The text ends with a line feed, and is to be appended: a job's other steps write to the same
    file.
    """
    blocks = [f"## supcr-bench gate: {escape(plain(outcome.suite))}"]
    blocks.append(f"**{escape(ruling_sentence(outcome))}**")
    blocks += _figures(outcome, Ruling.REGRESSION, "Got worse")
    commands = [command for _, command in reproductions(outcome) if command]
    if commands:
        blocks += ["To see it again:", fenced("\n".join(map(printable, commands)))]
    blocks += _figures(outcome, Ruling.UNDECIDED, "Undecided")
    blocks += _passed(outcome)
    better = better_sentences(outcome)
    blocks += [bullets(better)] if better else []
    took = f"The gate took {format_clock(outcome.spent_s)}."
    blocks.append(bullets([*time_sentences(outcome.time), took]))
    if outcome.notes:
        blocks += ["### Notes", bullets([plain(note) for note in outcome.notes])]
    if outcome.command:
        blocks.append(fenced(printable(outcome.command)))
    if outcome.environment:
        blocks.append(f"{escape(plain(environment_line(outcome.environment)))}.")
    return "\n\n".join(blocks) + "\n"


def _figures(outcome: GateOutcome, ruling: Ruling, title: str) -> list[str]:
    found = in_order(outcome.ruled(ruling))
    return [f"### {title}", _table(outcome, found, reasons=True)] if found else []


def _table(outcome: GateOutcome, judgements: Sequence[Judgement], *, reasons: bool) -> str:
    headers = ["name", *HEADERS, *(["reason"] if reasons else [])]
    rows = [
        [plain(j.implementation), *row(j, outcome.time), *([reason_text(j)] if reasons else [])]
        for j in judgements
    ]
    return table(headers, rows)


def _passed(outcome: GateOutcome) -> list[str]:
    found = in_order(outcome.ruled(Ruling.PASS))
    if not found:
        return []
    grid = passed_grid(outcome)
    blocks = [
        f"<details><summary>Passed: {figures(len(found))}</summary>",
        table(grid.headers, grid.rows),
        _table(outcome, found[:MOST_PASSED], reasons=False),
    ]
    if len(found) > MOST_PASSED:
        blocks.append(f"The first {MOST_PASSED:,} of {len(found):,}.")
    return [*blocks, "</details>"]


def fenced(text: str) -> str:
    """The text as it is, to be copied: between fences that are longer than any in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sh\n{text}\n{fence}"
