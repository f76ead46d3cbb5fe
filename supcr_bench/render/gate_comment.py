"""Shows a gate's outcome on a pull request: a comment, and annotations at the loss's line."""

from collections.abc import Mapping
from pathlib import Path

from supcr_bench.render import gate_words
from supcr_bench.render.gate_tables import gate_markdown
from supcr_bench.values.gate import GateOutcome, GateVerdict
from supcr_bench.values.grouping import grouped

LONGEST = 60_000
"""GitHub refuses comments of more than 65,536 characters."""
MOST_TOLD = 5
"""The most reasons that an annotation gives."""
CUT = "\n\n(cut here: the job's summary has all)\n"


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
    """Workflow commands of GitHub: an error for each implementation that got worse, at its line.

    What is undecided is a warning. ``places`` has the file and line of each implementation.
    """
    found = []
    kinds = {"error": outcome.leading, "warning": outcome.with_verdict(GateVerdict.UNDECIDED)}
    for command, changes in kinds.items():
        for name, own in grouped(changes, lambda change: change.implementation).items():
            where = ""
            if name in places:
                file, line = places[name]
                where = f"file={_escaped(file.as_posix(), property_=True)},line={line},"
            texts = [str(s) for c in own for s in gate_words.reason_sentences([c])]
            more = [f"and {len(texts) - MOST_TOLD:,} more"] if len(texts) > MOST_TOLD else []
            message = _escaped("\n".join([*texts[:MOST_TOLD], *more]))
            found.append(f"::{command} {where}title=supcr-bench gate::{message}")
    return found


def _escaped(text: str, *, property_: bool = False) -> str:
    pairs = [("%", "%25"), ("\r", "%0D"), ("\n", "%0A")]
    for plain, code in [*pairs, *([(":", "%3A"), (",", "%2C")] if property_ else [])]:
        text = text.replace(plain, code)
    return text
