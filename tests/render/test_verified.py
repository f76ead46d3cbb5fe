"""What `verify` prints: the verdict first, within a screen, and no word broken."""

import io
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from supcr_bench.render.terminal import print_sentence
from supcr_bench.render.verified import MOST_LINES, print_verification, print_verifications
from supcr_bench.values.implementation import Recognition
from supcr_bench.verification.outcome import Diagnosis, Outcome, Verdict
from supcr_bench.verification.verification import Verification
from tests.made_verifications import (
    CHOSEN,
    DIAGNOSIS,
    HUNG,
    LATE,
    NEEDS_MARGIN,
    NOT_ROBUST,
    OFF,
    STRICT,
    make_verification,
)


def terminal(width: int = 80) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def printed(found: Verification, width: int = 80, **how: Any) -> str:
    console = terminal(width)
    print_verification(console, found, **how)
    return text_of(console)


GOLDEN = {
    "right, with choices": (
        make_verification("losses.py:RnCLoss", recognised=CHOSEN),
        """\
losses.py:RnCLoss is right: rank-n-contrast with cosine similarity and eps 1e-08
added; called as (features [N,2,d], labels) with 1 and 3 label dimensions.
Checks: 1 passed, 1 not applicable. --verbose lists them.
""",
    ),
    "right, and not robust": (
        make_verification("one", NOT_ROBUST, recognised=replace(CHOSEN, choices=())),
        """\
one is right: rank-n-contrast; called as (features [N,2,d], labels) with 1 and 3
label dimensions.
Not robust: low temperature: the loss is nan
Checks: 1 passed, 1 failed on robustness alone, 1 not applicable. --verbose
lists them.
""",
    ),
    "one fault": (
        make_verification("one", OFF, NOT_ROBUST, recognised=STRICT, diagnosis=DIAGNOSIS),
        """\
one is not right: rank-n-contrast, but ties with the partner are no candidates
(strict inequality); called as (features [N,2,d], labels) with 1 and 3 label
dimensions.
Smallest failing case found: N=2.
Robustness checks fail too: low temperature.
Checks: 1 passed, 1 failed, 1 failed on robustness alone, 1 not applicable.
--verbose lists them.

print(1 < 2)
""",
    ),
    "several faults beside a choice": (
        make_verification(
            "one",
            OFF,
            recognised=replace(
                CHOSEN,
                choices=("cosine similarity",),
                faults=(
                    "the sign of the similarity is reversed",
                    "the loss is 28.6 times as large, which changes only the step size of training",
                ),
            ),
        ),
        """\
one is not right: rank-n-contrast, but the sign of the similarity is reversed
and the loss is 28.6 times as large, which changes only the step size of
training; called as (features [N,2,d], labels) with 1 and 3 label dimensions.
By choice, which is no fault: cosine similarity.
Checks: 1 passed, 1 failed, 1 not applicable. --verbose lists them.
""",
    ),
    "a definition that the user names": (
        make_verification(
            "one",
            OFF,
            recognised=Recognition(nearest="averaged", call="(perturbed, intact, labels)"),
        ),
        """\
one is not right: averaged, but 1 of 2 checks failed: ties; called as
(perturbed, intact, labels) with one label dimension.
At fault: ties: the loss is off (N=4)
Checks: 1 passed, 1 failed, 1 not applicable. --verbose lists them.
""",
    ),
    "cannot be called": (
        replace(make_verification(uncallable=NEEDS_MARGIN, definition="none"), outcomes=()),
        """\
one cannot be constructed: it needs margin. Fill it in.
--wrapper FILE saves the wrapper.

def one(): ...
""",
    ),
    "undecided as it was recognised": (
        replace(make_verification(definition="none"), outcomes=(HUNG,)),
        "one is undecided: recognition took over 10 s.\n",
    ),
    "undecided": (
        make_verification("one", LATE),
        """\
one is undecided: torchcell so far, with 1 of 2 checks not made.
Not made: strides: no time was left
Checks: 1 passed, 1 not applicable, 1 not made. --verbose lists them.
""",
    ),
}


@pytest.mark.parametrize(("found", "text"), GOLDEN.values(), ids=GOLDEN)
def test_the_verdict_comes_first_and_then_why(found: Verification, text: str) -> None:
    assert printed(found) == text


def test_several_are_a_few_lines_each_and_a_table_at_the_end() -> None:
    console = terminal()
    fault = make_verification("b", OFF, recognised=STRICT, diagnosis=DIAGNOSIS)
    print_verifications(console, [make_verification("a"), fault])
    blocks = text_of(console).split("\n\n")
    assert blocks[0] == "a is right: torchcell."
    assert blocks[1].startswith("b is not right: rank-n-contrast, but ties with the partner")
    assert "print(1 < 2)" not in text_of(console)
    assert re.search(r"b +not right +rank-n-contrast +1 +0", text_of(console))


def test_verbose_shows_the_checks_as_a_table_and_every_finding_whole() -> None:
    long = replace(OFF, finding="off " * 200)
    text = printed(make_verification("one", long, recognised=STRICT), verbose=True)
    assert re.search(r"definition +ties +fail +1 of 4 wrong", text)
    assert text.count("off") == 200


def test_a_pipe_gets_sentences_without_line_breaks() -> None:
    console = Console(file=io.StringIO(), width=40)
    print_verification(console, make_verification(recognised=CHOSEN))
    found = make_verification(recognised=CHOSEN)
    assert text_of(console).splitlines()[0] == found.headline


WORDS = st.lists(st.text("abcdefghij", min_size=1, max_size=14), min_size=1, max_size=60).map(
    " ".join
)
PATHS = st.lists(st.text("klmn", min_size=1, max_size=12), min_size=1, max_size=12).map("/".join)


def failed(check: str, group: Any, finding: str) -> Outcome:
    return Outcome(check=check, group=group, verdict=Verdict.FAIL, finding=finding, case="N=4")


FOUND = st.builds(
    lambda path, faults, findings, forgiven, snippet: make_verification(
        f"{path}.py:Loss",
        *(failed(f"check {i}", "definition", f) for i, f in enumerate(findings)),
        *(failed(f"robust {i}", "robustness", f) for i, f in enumerate(forgiven)),
        recognised=replace(STRICT, faults=tuple(faults)),
        diagnosis=Diagnosis(smallest="N=2", snippet="\n".join(["pass"] * snippet)),
    ),
    PATHS,
    st.lists(st.text("abc ", min_size=3, max_size=60).map(str.strip).filter(bool), max_size=3),
    st.lists(WORDS, max_size=30),
    st.lists(WORDS, max_size=12),
    st.integers(0, 14),
)


@settings(max_examples=30, deadline=None)
@given(FOUND, st.sampled_from([40, 60, 80]))
def test_no_line_is_wider_than_the_terminal_and_no_word_is_broken(
    found: Verification, width: int
) -> None:
    lines = printed(found, width, verbose=True).partition("\n\n")[0].splitlines()
    assert max(map(len, lines)) <= width
    whole = " ".join([found.headline, *(f"{o.finding} ({o.case})" for o in found.findings)])
    assert set(" ".join(lines).split()) >= {w for w in whole.split() if len(w) <= width}


@settings(max_examples=30, deadline=None)
@given(FOUND)
def test_a_verification_fits_a_screen(found: Verification) -> None:
    assert len(printed(found).splitlines()) <= MOST_LINES.get(found.verdict, 40)
    assert len(printed(found, several=True).splitlines()) <= 20


@given(PATHS, st.sampled_from([40, 60]))
def test_a_path_longer_than_a_line_continues_behind_a_separator(path: str, width: int) -> None:
    console = terminal(width)
    print_sentence(console, f"see {path}")
    lines = text_of(console).splitlines()
    assert "".join(lines).replace(" ", "") == f"see{path}"
    assert all(line.endswith(("/", "see")) for line in lines[:-1])
