"""The first screen of a report as Markdown, for a pull request or the summary of a job."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from supcr_bench.analysis.compare import Comparison
from supcr_bench.analysis.findings import Findings
from supcr_bench.render.comparison import (
    changes_grid,
    comparison_sentences,
    comparison_verdict,
    environment_sentences,
)
from supcr_bench.render.headline import headline
from supcr_bench.render.recommendation_map import MapCell, recommendation_maps
from supcr_bench.values.table import Table
from supcr_bench.verification.verification import Verification

_MARKUP = re.compile(r"([\\`*_\[\]|~$#])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escape(text: str) -> str:
    """The text so that it shows as it is, on one line, in a table too."""
    plain = "".join(_ENTITIES.get(c, c) for c in " ".join(text.split()))
    return _MARKUP.sub(r"\\\1", plain)


def run_markdown(
    info: Mapping[str, Any],
    findings: Findings,
    verifications: Sequence[Verification],
    environment_line: str,
) -> str:
    """What a run found.

    Args:
        info: what ``run.json`` holds.
        findings: what the run says.
        verifications: of each implementation.
        environment_line: machine and software in a line.
    """
    blocks = [f"## supcr-bench: {escape(str(info['suite']['name']))}"]
    verdicts = [v.headline for v in verifications]
    blocks.append(bullets(headline(findings, verdicts, info.get("unavailable"))))
    if findings.claims:
        claims = [(row.claim, str(row.verdict), row.evidence) for row in findings.claims]
        blocks += ["### The note's claims", table(("claim", "verdict", "evidence"), claims)]
    for found in recommendation_maps(findings.results):
        rows = [(str(n), *(_cell_text(c) for c in cells)) for n, cells in found.rows]
        blocks += [f"### {escape(found.title)}", table(("N", *found.headers), rows)]
        blocks.append(escape(found.note))
    blocks.append(f"Run {escape(str(info['id']))}. {escape(environment_line)}.")
    return "\n\n".join(blocks) + "\n"


def comparison_markdown(first: str, second: str, comparison: Comparison) -> str:
    """What became of a run.

    Args:
        first: the id of the run before.
        second: the id of the run after.
        comparison: of the two.
    """
    verdict = comparison_verdict(comparison)
    rest = environment_sentences(comparison.differences) + comparison_sentences(comparison)
    blocks = [
        f"## supcr-bench: {escape(second)} against {escape(first)}",
        f"**{escape(verdict)}**",
        bullets([s for s in rest if s != verdict]),
    ]
    changes = changes_grid(comparison)
    if changes.rows:
        blocks += [f"### {escape(changes.title)}", table(changes.headers, changes.rows)]
    blocks.append(f"First run: {escape(first)}. Second run: {escape(second)}.")
    return "\n\n".join(blocks) + "\n"


def bullets(sentences: Sequence[str]) -> str:
    """Sentences as a list."""
    return "\n".join(f"- {escape(sentence)}" for sentence in sentences)


def _cell_text(cell: MapCell) -> str:
    return f"{cell.use or cell.words} ({cell.out})" if cell.out else cell.use or cell.words


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Headers and rows as a table; every cell is escaped."""
    lines = [headers, ["---"] * len(headers)]
    texts = [[escape(cell) for cell in row] for row in [headers, *rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in [texts[0], lines[1], *texts[1:]])


def table_markdown(found: Table) -> str:
    """A table as Markdown, without title and note; every cell is escaped."""
    return table([header.replace("\n", " ") for header in found.headers], found.texts)
