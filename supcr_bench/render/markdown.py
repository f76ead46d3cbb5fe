"""Writes the head of a report as Markdown, for a pull request or the summary of a CI job."""

import re
from collections.abc import Sequence

from supcr_bench.analysis.compare import Comparison
from supcr_bench.analysis.findings import Findings
from supcr_bench.render.answer import answer
from supcr_bench.render.comparison import changes_table, environment_sentences, remarks, verdicts
from supcr_bench.render.machine import environments_line
from supcr_bench.render.sentences import Sentence
from supcr_bench.store.loaded_run import Run
from supcr_bench.values.table import Table

_MARKUP = re.compile(r"([\\`*_\[\]|~$#])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escape(text: str) -> str:
    """Escape a text so that Markdown shows it literally and on one line, even in a table."""
    plain = "".join(_ENTITIES.get(c, c) for c in " ".join(text.split()))
    return _MARKUP.sub(r"\\\1", plain)


def run_markdown(run: Run, findings: Findings) -> str:
    blocks = [f"## supcr-bench: {escape(str(run.info['suite']['name']))}"]
    for head, said in answer(run, findings).items():
        if said:
            blocks += [f"### {head}", bullets(said)]
    blocks.append(f"Run {escape(run.id)}. {escape(environments_line(run.measured_on))}.")
    return "\n\n".join(blocks) + "\n"


def comparison_markdown(first: str, second: str, comparison: Comparison) -> str:
    """Describe what changed between two runs, of which ``first`` and ``second`` are the ids."""
    verdict = " ".join(map(str, verdicts(comparison)))
    rest = environment_sentences(comparison) + remarks(comparison)
    title = f"## supcr-bench: {escape(second)} against {escape(first)}"
    blocks = [title, f"**{escape(verdict)}**", bullets(rest)]
    changes = changes_table(comparison)
    if changes.rows:
        blocks += [f"### {escape(changes.title)}", table_markdown(changes)]
    blocks.append(f"First run: {escape(first)}. Second run: {escape(second)}.")
    return "\n\n".join(blocks) + "\n"


def bullets(sentences: Sequence[Sentence | str]) -> str:
    return "\n".join(f"- {escape(str(sentence))}" for sentence in sentences)


def table_markdown(found: Table) -> str:
    first, *others = ([escape(cell) for cell in row] for row in (found.headers, *found.texts))
    lines = (first, ["---"] * len(first), *others)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
