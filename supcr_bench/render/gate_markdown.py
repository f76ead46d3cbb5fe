"""A gate's outcome as Markdown, for the summary of a job."""

import re
from dataclasses import replace

from supcr_bench.render.gate_tables import (
    TITLES,
    changes_table,
    in_order,
    passed_table,
    reproductions,
)
from supcr_bench.render.gate_words import (
    better_sentences,
    figures,
    plain,
    printable,
    time_sentences,
    verdict_sentence,
)
from supcr_bench.render.machine import environment_line
from supcr_bench.render.markdown import bullets, escape, table_markdown
from supcr_bench.values.gate import GateOutcome, GateVerdict
from supcr_bench.values.units import format_clock

MOST_PASSED = 500
"""Rows of what passed: GitHub's job summary holds a megabyte, and the JSON file holds all."""


def gate_markdown(outcome: GateOutcome) -> str:
    """The verdict, regressions with their commands, undecided changes; the rest is folded.

    The text ends with a line feed, so that it can be appended: other steps of a job write to the
    same file.
    """
    blocks = [f"## supcr-bench gate: {escape(plain(outcome.suite))}"]
    blocks.append(f"**{escape(verdict_sentence(outcome))}**")
    blocks += _changes(outcome, GateVerdict.REGRESSION)
    commands = [command for _, command in reproductions(outcome) if command]
    if commands:
        blocks += ["To see it again:", fenced("\n".join(map(printable, commands)))]
    blocks += _changes(outcome, GateVerdict.UNDECIDED)
    blocks += _passed(outcome)
    if better := better_sentences(outcome):
        blocks.append(bullets(better))
    took = f"The gate took {format_clock(outcome.spent_s)}."
    blocks.append(bullets([*time_sentences(outcome.time), took]))
    if outcome.notes:
        blocks += ["### Notes", bullets([plain(note) for note in outcome.notes])]
    if outcome.command:
        blocks.append(fenced(printable(outcome.command)))
    if outcome.environment:
        blocks.append(f"{escape(plain(environment_line(outcome.environment)))}.")
    return "\n\n".join(blocks) + "\n"


def _changes(outcome: GateOutcome, verdict: GateVerdict) -> list[str]:
    changes = in_order(outcome.with_verdict(verdict))
    table = changes_table(changes, outcome.time, names=True, reasons=True)
    return [f"### {TITLES[verdict]}", table_markdown(table)] if changes else []


def _passed(outcome: GateOutcome) -> list[str]:
    changes = in_order(outcome.with_verdict(GateVerdict.PASS))
    if not changes:
        return []
    table = changes_table(changes, outcome.time, names=True, reasons=False)
    blocks = [
        f"<details><summary>Passed: {figures(len(changes))}</summary>",
        table_markdown(passed_table(outcome)),
        table_markdown(replace(table, rows=table.rows[:MOST_PASSED])),
    ]
    if len(changes) > MOST_PASSED:
        blocks.append(f"The first {MOST_PASSED:,} of {len(changes):,}.")
    return [*blocks, "</details>"]


def fenced(text: str) -> str:
    """The text as it is, to be copied: between fences that are longer than any in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sh\n{text}\n{fence}"
