"""Prints verifications on a terminal: the verdict first, then why, within a screen."""

from collections.abc import Sequence
from textwrap import shorten

from rich.console import Console
from rich.text import Text

from supcr_bench.render.terminal import print_sentence, print_table, wrapped
from supcr_bench.values.table import Tone
from supcr_bench.verification.impact import impact_lines, on_generated
from supcr_bench.verification.verification import (
    NO_DEFINITION,
    Verification,
    checks_sentence,
    checks_table,
    details,
    verified_table,
)

MOST_LINES = {"right": 25, "cannot be called": 15}
"""The most lines of a single verification, by its verdict; others have 40."""
MOST_LINES_OF_SEVERAL = 8
LONGEST_DETAIL = 160
"""Characters of a sentence below the headline; ``--verbose`` shows the rest."""
_STYLES: dict[Tone, str] = {"good": "bold green", "bad": "red", "quiet": "yellow"}
_HEADLINES = {"right": "bold green", "not right": "bold red"}


def print_verification(
    console: Console, found: Verification, *, verbose: bool = False, several: bool = False
) -> None:
    """Print a verification: all of it if ``verbose``, and no program if it is one of several."""
    most = MOST_LINES_OF_SEVERAL if several else MOST_LINES.get(found.verdict, 40)
    program = found.program if verbose or not several else None
    rest = [
        (
            text if verbose else shorten(text, LONGEST_DETAIL, placeholder=" ..."),
            _STYLES.get(tone, ""),
        )
        for text, tone in details(found, every=verbose, brief=several)
    ]
    lines = [(found.headline, _HEADLINES.get(found.verdict, "bold"))]
    ends = [checks_sentence(found) + ("" if verbose else " --verbose lists them.")]
    if several or found.definition == NO_DEFINITION:
        ends = ["--wrapper FILE saves the wrapper."] if found.uncallable and program else []
    # Of several, only what was asked for.
    impact = [] if several and on_generated(found.impact) else impact_lines(found.impact)
    left = most - (0 if several else _rows(console, [], impact))
    left -= len(program.splitlines()) + 1 if program else 0
    hidden = 0
    while not verbose and rest and _rows(console, [*lines, *rest], ends) > left - (hidden > 0):
        rest.pop()
        hidden += 1
    if hidden:
        ends.insert(0, f"{hidden} more finding{'s' * (hidden > 1)}; --verbose shows all.")
    for text, style in [*lines, *rest, *((end, "dim") for end in ends)]:
        print_sentence(console, text, style)
    for line in impact:
        console.print(Text(line), soft_wrap=True)
    if verbose and found.outcomes:
        console.print()
        print_table(console, checks_table(found))
    if program:
        console.print(Text(f"\n{program.rstrip()}"), soft_wrap=True)


def print_verifications(console: Console, found: Sequence[Verification]) -> None:
    for one in found:
        print_verification(console, one, several=True)
        console.print()
    print_table(console, verified_table(found))


def _rows(console: Console, lines: Sequence[tuple[str, str]], ends: Sequence[str]) -> int:
    return sum(len(wrapped(console, text)) for text in [*(text for text, _ in lines), *ends])
