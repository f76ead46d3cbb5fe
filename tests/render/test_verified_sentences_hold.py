"""What a page and a terminal say of a verification is true of its outcomes: 500 simulated ones."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from supcr_bench.values.units import listed
from supcr_bench.verification.outcome import Diagnosis, Group, Outcome, Verdict
from supcr_bench.verification.verification import (
    Verification,
    checks_sentence,
    details,
    verified_table,
)
from tests.made_verifications import CHOSEN, DIAGNOSIS, NEEDS_MARGIN, OFFICIAL, STRICT

VERIFICATIONS = int(os.environ.get("SUPCR_BENCH_RUNS", "500"))
CHECKS: tuple[tuple[str, Group], ...] = (
    ("ties", "definition"),
    ("weights", "definition"),
    ("scale", "relations"),
    ("order of rows", "relations"),
    ("low temperature", "robustness"),
    ("all labels missing", "robustness"),
    ("strides", "conduct"),
    ("grad mode", "conduct"),
)
FINDINGS = (
    "the loss is off",
    "the loss is nan",
    "raises ValueError: row 3",
    "raises ValueError: row 5",
)


def simulated(seed: int) -> Verification:
    random = np.random.default_rng([21, seed])

    def pick(*pool: Any) -> Any:
        return pool[int(random.integers(len(pool)))]

    most = pick((1, 0, 0, 0), (0.7, 0.2, 0.1, 0.0), (0.1, 0.7, 0.1, 0.1), (0.6, 0.0, 0.2, 0.2))
    not_robust = random.random() < 0.2
    ends = {
        group: (0.3, 0.7, 0, 0) if group == "robustness" else (1, 0, 0, 0) if not_robust else most
        for _, group in CHECKS
    }
    outcomes = [
        _outcome(pick, check, group, list(Verdict)[int(random.choice(4, p=ends[group]))])
        for check, group in CHECKS
    ]
    found = Verification(
        implementation=pick("one", "path/to.py:Two"),
        definition="torchcell",
        recognised=pick(None, OFFICIAL, CHOSEN, STRICT, replace(CHOSEN, faults=STRICT.faults)),
        strict=bool(random.random() < 0.2),
        seed=0,
        outcomes=tuple(outcomes),
        diagnosis=pick(
            None,
            None,
            DIAGNOSIS,
            Diagnosis(causes=("a constant factor of 2",), smallest=None, snippet=""),
        ),
        ranks=pick(None, None, 2),
    )
    if random.random() < 0.05:
        return replace(found, outcomes=(), definition="none", uncallable=NEEDS_MARGIN)
    if not ended(found, Verdict.FAIL):
        return replace(found, diagnosis=None)
    cause = found.diagnosis and replace(found.diagnosis, smallest=None, snippet=None)
    return found if failing(found) else replace(found, diagnosis=cause)


def _outcome(pick: Callable[..., Any], check: str, group: Group, verdict: Verdict) -> Outcome:
    found: dict[str, Any] = {"check": check, "group": group, "verdict": verdict}
    if verdict is Verdict.FAIL:
        finding, case = pick(*FINDINGS), pick(None, "N=4", "N=9, tied labels")
        return Outcome(**found, cases=4, failed=pick(1, 4), case=case, finding=finding)
    if verdict is Verdict.PASS:
        return Outcome(**found, cases=9, tolerances=0.5)
    return Outcome(**found, finding="no time was left" if "run" in verdict else "no case applies")


# --- What is true of the outcomes ---


def ended(found: Verification, *verdicts: Verdict) -> list[Outcome]:
    return [o for o in found.outcomes if o.verdict in verdicts]


def counts(found: Verification, outcome: Outcome) -> bool:
    return found.strict or outcome.group != "robustness"


def failing(found: Verification) -> list[Outcome]:
    return [o for o in ended(found, Verdict.FAIL) if counts(found, o)]


def faults(found: Verification) -> Sequence[str]:
    return found.recognised.faults if found.recognised else ()


def verdict_of(found: Verification) -> str:
    own = {o.verdict for o in found.outcomes if counts(found, o)}
    if faults(found) or failing(found):
        return "not right"
    return "right" if Verdict.PASS in own and Verdict.NOT_RUN not in own else "undecided"


def headline_holds(found: Verification, text: str) -> bool:
    if found.uncallable:
        return text.startswith("one cannot be constructed: it needs margin.")
    over = f" over {found.ranks} ranks" if found.ranks else ""
    start, _, rest = text.partition(": ")
    made, late = ended(found, Verdict.PASS, Verdict.FAIL), ended(found, Verdict.NOT_RUN)
    told = start == f"{found.implementation}{over} is {verdict_of(found)}"
    if not made and not late:
        return told and rest == "no check applies."
    own = found.recognised
    if failed := re.search(r"but (\d+) of (\d+) checks failed: (.*?)[.;]", rest):
        names = re.split(", | and ", re.sub(r" and (\d+) more", "", failed[3]))
        more = re.search(r"and (\d+) more", failed[3])
        count = len(names) + int(more[1] if more else 0)
        told &= (int(failed[1]), int(failed[2])) == (len(failing(found)), len(made))
        told &= count == len(failing(found)) and set(names) <= {o.check for o in failing(found)}
    elif "but " in rest:
        known = faults(found) or (found.diagnosis.causes if found.diagnosis else ())
        told &= bool(known) and f"but {listed(known)}" in rest
    if so_far := re.search(r"so far, with (\d+) of (\d+) checks not made", rest):
        told &= (int(so_far[1]), int(so_far[2])) == (len(late), len(made) + len(late))
    told &= ("so far" in rest) is (verdict_of(found) == "undecided")
    return (
        told
        and rest.startswith(own.nearest if own else "torchcell")
        and (own is None or f"called as {own.call} with {own.dims}" in rest)
    )


def _named(found: Verification, told: str, verdict: Verdict) -> list[Outcome]:
    """The outcomes of the checks that a line names, which have what it says."""
    made = ended(found, Verdict.PASS, Verdict.FAIL)
    if raised := re.fullmatch(r"raised in (\d+) of (\d+) checks: (.*)", told):
        alike = [
            o
            for o in ended(found, verdict)
            if re.sub(r"\d", "", str(o.finding))
            == re.sub(r"\d", "", f"raises {raised[3].partition(' (')[0]}")
        ]
        return alike if (int(raised[1]), int(raised[2])) == (len(alike), len(made)) else []
    names, _, rest = told.partition(": ")
    own = [o for o in ended(found, verdict) if o.check in names.split(", ")]
    if not own:
        return []
    said = f"{own[0].finding} ({own[0].case})" if own[0].case else str(own[0].finding)
    findings = {re.sub(r"\d", "", str(o.finding)) for o in own}
    return own if len(own) == len(names.split(", ")) and len(findings) == 1 and said == rest else []


def _at_fault(found: Verification, told: str) -> bool:
    return any(counts(found, o) for o in _named(found, told, Verdict.FAIL))


def _not_robust(found: Verification, told: str) -> bool:
    own = _named(found, told, Verdict.FAIL)
    return bool(own) and not any(counts(found, o) for o in own)


LINES: tuple[tuple[str, Callable[..., bool]], ...] = (
    (
        r"By choice, which is no fault: (.*)\.",
        lambda f, told: bool(f.recognised) and told == listed(f.recognised.choices),
    ),
    (
        r"A factor on the loss changes only the step size of training\.",
        lambda f: any("factor" in cause for cause in f.diagnosis.causes),
    ),
    (r"At fault: (.*)", _at_fault),
    (r"Not robust: (.*)", _not_robust),
    (
        r"Most likely: (.*)\.",
        lambda f, told: told == "; and ".join(f.diagnosis.causes),
    ),
    (r"Smallest failing case found: (.*)\.", lambda f, told: told == f.diagnosis.smallest),
    (r"Not made: (.*)", lambda f, told: bool(_named(f, told, Verdict.NOT_RUN))),
)


def line_holds(found: Verification, line: str) -> bool:
    for pattern, decide in LINES:
        if (told := re.fullmatch(pattern, line, re.DOTALL)) is not None:
            return decide(found, *told.groups())
    raise AssertionError(f"no proposition for: {line}")


def checks_hold(found: Verification, text: str) -> bool:
    said = {words: int(n) for n, words in re.findall(r"(\d+) ([a-z ]+)", text)}
    forgiven = [o for o in ended(found, Verdict.FAIL) if not counts(found, o)]
    known = {
        "passed": len(ended(found, Verdict.PASS)),
        "failed": len(failing(found)),
        "failed on robustness alone": len(forgiven),
        "not applicable": len(ended(found, Verdict.NOT_APPLICABLE)),
        "not made": len(ended(found, Verdict.NOT_RUN)),
    }
    return said == {words: n for words, n in known.items() if n}


# --- The tests ---


def lines_of(found: Verification) -> list[str]:
    return [text for text, _ in details(found, every=True)]


@pytest.fixture(scope="module")
def every() -> list[Verification]:
    return [simulated(seed) for seed in range(VERIFICATIONS)]


def test_each_sentence_on_a_verification_is_true_of_its_outcomes(
    every: list[Verification],
) -> None:
    said: Counter[str] = Counter()
    for found in every:
        assert headline_holds(found, found.headline), found
        assert checks_hold(found, checks_sentence(found)), found
        for line in lines_of(found):
            said[line.partition(":")[0]] += 1
            assert line_holds(found, line), (found, line)
        said[verdict_of(found)] += 1
    assert len(said) == len(LINES) + 3
    assert min(said.values()) >= VERIFICATIONS / 50


def test_each_finding_is_told(every: list[Verification]) -> None:
    for found in every:
        told = "\n".join(lines_of(found))
        for outcome in ended(found, Verdict.FAIL, Verdict.NOT_RUN):
            assert outcome.check in told or "raised in" in told, (found, outcome)


def test_the_table_of_several_counts_what_the_sentences_say(every: list[Verification]) -> None:
    for found, row in zip(every, verified_table(every).texts, strict=True):
        if not found.uncallable:
            forgiven = len(ended(found, Verdict.FAIL)) - len(failing(found))
            assert row[1] == verdict_of(found)
            assert row[3:] == (str(len(failing(found))), str(forgiven))


def test_no_two_sentences_on_a_verification_contradict_each_other(
    every: list[Verification],
) -> None:
    for found in every:
        lines, verdict = [found.headline, *lines_of(found)], verdict_of(found)
        starts = {line.partition(":")[0] for line in lines}
        assert not ("At fault" in starts and verdict != "not right"), lines
        assert not ("Most likely" in starts and verdict == "not right"), lines
        assert len(set(lines)) == len(lines)


def test_a_sentence_that_is_made_false_is_noticed(every: list[Verification]) -> None:
    for found in every[: VERIFICATIONS // 5]:
        for text in false_texts(found.headline):
            assert not headline_holds(found, text), text
        for text in false_texts(checks_sentence(found)):
            assert not checks_hold(found, text), text
        for line in lines_of(found):
            for text in false_texts(line):
                if not text.startswith("Smallest"):
                    assert not line_holds(found, text), text


def false_texts(text: str) -> Iterator[str]:
    """The text with another count, or with the name of another check."""
    for old, new in (
        (r"(\d+) of (\d+) checks", "98 of 99 checks"),
        (r"\d+ passed", "99 passed"),
        (r"is (right|undecided)", "is not right"),
        (r"is not right", "is right"),
        ("ties", "another check"),
        ("the loss is off", "the loss is nan"),
    ):
        if old != new and (changed := re.sub(old, new, text)) != text:
            yield changed
