"""A verification as lines of text and as an HTML table, for the terminal and for notebooks."""

from collections.abc import Sequence
from html import escape

from supcr_bench.values.units import MISSING, format_error
from supcr_bench.verification.outcome import Diagnosis, Outcome, Verdict

HEADERS = ("group", "check", "verdict", "cases", "x tol.")


def row(outcome: Outcome) -> tuple[str, ...]:
    """One check as text."""
    cases = str(outcome.cases) if outcome.cases else MISSING
    if outcome.failed:
        cases = f"{outcome.failed} of {outcome.cases} wrong"
    if outcome.left_out:
        cases += f", {outcome.left_out} left out"
    return (
        outcome.group,
        outcome.check,
        outcome.verdict,
        cases,
        format_error(outcome.tolerances),
    )


def finding_text(outcome: Outcome) -> str:
    """What a check found, and on which case."""
    return f"{outcome.finding} ({outcome.case})" if outcome.case else str(outcome.finding)


def finding_lines(outcomes: Sequence[Outcome]) -> list[str]:
    """What each check that failed found, and why those that were not made were not."""
    lines = []
    for o in outcomes:
        if o.verdict is Verdict.FAIL:
            lines.append(f"{o.check}: {finding_text(o)}")
        elif o.verdict is Verdict.NOT_APPLICABLE:
            lines.append(f"{o.check}: not applicable, {o.finding}")
        elif o.verdict is Verdict.NOT_RUN:
            lines.append(f"{o.check}: not run, {o.finding}")
    return lines


def diagnosis_lines(diagnosis: Diagnosis) -> list[str]:
    """What is most likely wrong, and how to see it."""
    lines = []
    if diagnosis.causes:
        lines.append(f"Most likely: {'; and '.join(diagnosis.causes)}.")
    elif diagnosis.where:
        lines.append(f"Cause not recognised: {diagnosis.where}.")
    if diagnosis.smallest:
        lines.append(f"Smallest failing case found: {diagnosis.smallest}.")
    return lines


def as_text(outcomes: Sequence[Outcome], notes: Sequence[str]) -> str:
    """A table of the outcomes and the notes below it, as plain text."""
    rows = [HEADERS, *(row(o) for o in outcomes)]
    widths = [max(len(r[c]) for r in rows) for c in range(len(HEADERS) - 1)]
    lines = [
        "  ".join(
            [*(cell.ljust(w) for cell, w in zip(r[:-1], widths, strict=True)), r[-1]]
        ).rstrip()
        for r in rows
    ]
    return "\n".join([*lines, *finding_lines(outcomes), *notes])


def as_html(outcomes: Sequence[Outcome], notes: Sequence[str], snippet: str | None) -> str:
    """The same as HTML, the failing program at its end."""
    head = "".join(f"<th>{escape(h)}</th>" for h in HEADERS)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row(o)) + "</tr>" for o in outcomes
    )
    text = "".join(f"<p>{escape(note)}</p>" for note in [*notes, *finding_lines(outcomes)])
    program = f"<pre>{escape(snippet)}</pre>" if snippet else ""
    return f"{text}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{program}"
