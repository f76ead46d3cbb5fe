"""The result of verifying one implementation, with its tables and sentences."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any, Literal, Self

from supcr_bench.values.definition import current_name, short_name
from supcr_bench.values.errors import UncallableError
from supcr_bench.values.implementation import Recognition
from supcr_bench.values.result import grouped
from supcr_bench.values.table import Cell, Row, Table, Tone, numbers, prose, row, words
from supcr_bench.values.units import MISSING, format_error, listed
from supcr_bench.verification.impact import Impact, impact_lines
from supcr_bench.verification.outcome import RAISES, Diagnosis, Outcome, Verdict
from supcr_bench.verification.phrases import OF_SOME_LABELS, PHRASES, is_foreign

NamedVerdict = Literal["right", "not right", "cannot be called", "undecided"]
EXIT_STATUSES: dict[NamedVerdict, int] = {
    "right": 0,
    "not right": 1,
    "cannot be called": 2,
    "undecided": 3,
}
NO_DEFINITION = "none"
"""The definition's name for a subject that could not be loaded or called."""
NAMED = 3
"""Most failed checks that a headline names."""
FACTOR = re.compile(
    r"a (constant )?factor(?! of -)|(the loss multiplied by|the loss divided by|times|divided by) "
    r"the temperature(,| over|$)|divided by (a further|M|N)|not divided by the number"
)
"""The first words of the causes that only multiply the loss by a factor."""
ENDED = {
    Verdict.PASS: "passed",
    Verdict.FAIL: "failed",
    "robustness": "failed on robustness alone",
    Verdict.NOT_APPLICABLE: "not applicable",
    Verdict.NOT_RUN: "not made",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The result of verifying one implementation.

    Attributes:
        definition: name of the definition that gave the right answers.
        recognised: what it computes, and how it was called; ``None`` in older results.
        strict: whether failed robustness checks count.
        ranks: number of processes that shared each batch; ``None`` for a single process.
        impact: how far the departures, and the whole loss, turn the gradient.
        uncallable: why it cannot be loaded or called; then there are no outcomes.
    """

    implementation: str
    definition: str = NO_DEFINITION
    recognised: Recognition | None = None
    strict: bool = False
    seed: int = 0
    outcomes: tuple[Outcome, ...] = ()
    diagnosis: Diagnosis | None = None
    ranks: int | None = None
    uncallable: UncallableError | None = None
    impact: tuple[Impact, ...] = ()

    @property
    def failures(self) -> list[Outcome]:
        return [o for o in self.outcomes if o.verdict is Verdict.FAIL and self._counts(o)]

    @property
    def findings(self) -> list[Outcome]:
        """Every failed check, including robustness checks that do not count."""
        return [o for o in self.outcomes if o.verdict is Verdict.FAIL]

    def _counts(self, outcome: Outcome) -> bool:
        return self.strict or outcome.group != "robustness"

    @property
    def reading(self) -> Recognition:
        """The recognised choices; if there are none, the definition that it was compared with."""
        return self.recognised or Recognition(nearest=self.definition, call="")

    @property
    def computes(self) -> str:
        """The nearest definition, and the choices in which it departs from it."""
        choices = self.reading.choices
        return self.reading.nearest + (f" with {listed(choices)}" if choices else "")

    @property
    def causes(self) -> tuple[str, ...]:
        """What is wrong, where that is known."""
        return self.reading.faults or (self.diagnosis.causes if self.diagnosis else ())

    @property
    def foreign(self) -> bool:
        """Whether its numbers follow no member of the family."""
        return any(map(is_foreign, self.causes))

    @property
    def verdict(self) -> NamedVerdict:
        if self.uncallable:
            return "cannot be called"
        if self.failures or self.reading.faults:
            return "not right"
        counting = {o.verdict for o in self.outcomes if self._counts(o)}
        passed = Verdict.PASS in counting and Verdict.NOT_RUN not in counting
        return "right" if passed else "undecided"

    @property
    def passed(self) -> bool:
        """Whether it is right: all checks that count were made, and nothing is wrong."""
        return self.verdict == "right"

    def __bool__(self) -> bool:
        return self.passed

    @property
    def headline(self) -> str:
        """The verdict, the nearest definition, the departures, and how they were tested."""
        if self.uncallable:
            return self.uncallable.headline
        over = f" over {self.ranks} ranks" if self.ranks is not None else ""
        start = f"{self.implementation}{over} is {self.verdict}"
        start += ", since it is " if self.foreign else ": "
        late = [o for o in self.outcomes if o.verdict is Verdict.NOT_RUN]
        made = [o for o in self.outcomes if o.verdict in (Verdict.PASS, Verdict.FAIL)]
        if self.definition == NO_DEFINITION or not (made or late):
            return f"{start}{self.outcomes[0].finding if made or late else 'no check applies'}."
        own = self.reading
        # Faults come first; a line below lists the choices, which are not faults.
        text = start + (own.nearest if self.verdict == "not right" else self.computes)
        if self.verdict == "undecided":
            text += f" so far, with {len(late)} of {len(made + late)} checks not made"
        elif self.foreign:
            text = start + listed(self.causes)
        elif self.verdict == "not right":
            text += f", but {listed(self.causes) if self.causes else self._failed(len(made))}"
        if own.call:
            text += f"; called as {own.call} with {own.dims}"
        return f"{text}."

    def _failed(self, made: int) -> str:
        names = [o.check for o in self.failures]
        others = len(names) - NAMED
        shown = [*names[:NAMED], *([f"{others} more"] if others > 0 else [])]
        return f"{len(names)} of {made} checks failed: {listed(shown)}"

    @property
    def program(self) -> str | None:
        """A program that shows what is wrong, or a wrapper for what cannot be called."""
        if self.uncallable:
            return self.uncallable.wrapper
        return self.diagnosis.snippet if self.diagnosis else None

    def to_mapping(self) -> dict[str, Any]:
        return {"passed": self.passed, "verdict": self.verdict, **asdict(self)}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_mapping` wrote; raise a ValueError if a value has another type."""
        from pydantic import TypeAdapter

        own = {**values, "definition": current_name(values["definition"])}
        if isinstance(own["recognised"], str):  # in older results it is a sentence
            own["recognised"] = None
        return TypeAdapter(cls).validate_python(own)

    def __str__(self) -> str:
        lines = [self.headline, *(line for line, _ in details(self)), *impact_lines(self.impact)]
        return "\n".join([*lines, *(["", self.program] if self.program else [])])

    def _repr_html_(self) -> str:
        lines = [self.headline, *(line for line, _ in details(self, every=True))]
        text = "".join(f"<p>{escape(line)}</p>" for line in lines)
        table = checks_table(self)
        rows = [[f"<th>{escape(header)}" for header in table.headers]]
        rows += [[f"<td>{escape(text)}" for text in own] for own in table.texts]
        checks = "".join(f"<tr>{''.join(own)}" for own in rows)
        program = f"<pre>{escape(self.program)}</pre>" if self.program else ""
        return f"{text}<table>{checks}</table>{program}"


def checks_table(found: Verification) -> Table:
    over = f" over {found.ranks} ranks" if found.ranks is not None else ""
    return Table(
        name="verification",
        title=f"{found.implementation}{over}, by the definition {found.definition}",
        note="x tol.: largest error as a multiple of its bound; up to 1 passes",
        columns=(*words("group", "check", "verdict", "cases"), *numbers("x tol.")),
        rows=tuple(map(_check_row, found.outcomes)),
        keys=2,
    )


def _check_row(outcome: Outcome) -> Row:
    cases = str(outcome.cases) if outcome.cases else MISSING
    if outcome.failed:
        cases = f"{outcome.failed} of {outcome.cases} wrong"
    if outcome.left_out:
        cases += f", {outcome.left_out} left out"
    verdict = Cell(outcome.verdict, "bad" if outcome.verdict is Verdict.FAIL else "")
    tolerances = format_error(outcome.tolerances)
    cells = row(outcome.group, outcome.check, verdict, cases, tolerances, group=outcome.group)
    if outcome.verdict in (Verdict.PASS, Verdict.FAIL):
        return cells
    return row(*(Cell(text, "quiet") for text in cells.texts), group=outcome.group)


def verified_table(verifications: Sequence[Verification]) -> Table:
    return Table(
        name="verified",
        title="Verification",
        columns=(
            *prose("implementation"),
            *words("verdict", "definition"),
            *numbers("failed", "on robustness alone"),
        ),
        rows=tuple(map(_verified_row, verifications)),
    )


def _verified_row(found: Verification) -> Row:
    tones: dict[str, Tone] = {"right": "good", "not right": "bad"}
    unknown = found.definition == NO_DEFINITION
    forgiven = len(found.findings) - len(found.failures)
    return row(
        found.implementation,
        Cell(found.verdict, tones.get(found.verdict, "")),
        MISSING if unknown or found.foreign else short_name(found.reading.nearest),
        MISSING if unknown else Cell(str(len(found.failures)), "bad" if found.failures else ""),
        MISSING if unknown else str(forgiven),
    )


def finding_text(outcome: Outcome) -> str:
    return f"{outcome.finding} ({outcome.case})" if outcome.case else str(outcome.finding)


def details(
    found: Verification, *, every: bool = False, brief: bool = False
) -> list[tuple[str, Tone]]:
    """The sentences below the headline, the most important first; an exception appears only once.

    Unless ``every`` finding is wanted, those that the causes in the headline explain are left out.
    If the verification is not right, or has to be ``brief``, one line names all robustness checks
    that failed.
    """
    if found.definition == NO_DEFINITION:
        return []  # the headline says what there is
    wrong = found.verdict == "not right"
    explained = bool(found.causes) and not every
    lines: list[tuple[str, Tone]] = []
    if wrong and found.reading.choices:
        lines.append((f"By choice, which is no fault: {listed(found.reading.choices)}.", ""))
    if found.causes and all(map(OF_SOME_LABELS.match, found.causes)):
        lines.append(("On other labels, its formula is right.", ""))
    turned = {PHRASES["sign"][what] for what in ("loss", "gradient")}.intersection(found.causes)
    if wrong and any(map(FACTOR.match, found.causes)) and not turned:
        lines.append(("A factor on the loss changes only the step size of training.", ""))
    forgiven: list[tuple[str, Tone]] = []
    for alike in _alike(found.findings):
        if not any(o in found.failures for o in alike):
            forgiven.append((f"Not robust: {_told(alike, found)}", "quiet"))
        elif not explained or _raises(alike[0]) or _is_of_conduct(alike[0]):
            lines.append((f"At fault: {_told(alike, found)}", "bad"))
    if found.foreign and not every:
        forgiven = []  # it is compared with a definition that it does not mean
    elif (wrong or brief) and forgiven and not every:
        checks = [o.check for o in found.findings if o not in found.failures]
        start = "Robustness checks fail too" if wrong else "Not robust"
        forgiven = [(f"{start}: {listed(checks)}.", "quiet")]
    lines += [(line, "") for line in diagnosis_lines(found.diagnosis, told=wrong)]
    late = [o for o in found.outcomes if o.verdict is Verdict.NOT_RUN]
    return [*lines, *forgiven, *((f"Not made: {_told(a, found)}", "") for a in _alike(late))]


def _raises(outcome: Outcome) -> bool:
    return str(outcome.finding).startswith(RAISES)


def _is_of_conduct(outcome: Outcome) -> bool:
    """Whether it tells what a call does beside its numbers, of which no cause in them speaks."""
    return outcome.group == "conduct" and outcome.error is None and bool(outcome.case)


def _alike(outcomes: Iterable[Outcome]) -> list[list[Outcome]]:
    """Group outcomes with equal findings; numbers within exceptions may differ."""

    def finding(outcome: Outcome) -> str:
        text = str(outcome.finding)
        return re.sub(r"\d+", "", text) if _raises(outcome) else text

    return list(grouped(outcomes, finding).values())


def _told(alike: Sequence[Outcome], found: Verification) -> str:
    first = alike[0]
    if len(alike) > NAMED and _raises(first):
        made = sum(o.verdict in (Verdict.PASS, Verdict.FAIL) for o in found.outcomes)
        text = finding_text(first).removeprefix(RAISES)
        return f"raised in {len(alike)} of {made} checks: {text}"
    return f"{', '.join(o.check for o in alike)}: {finding_text(first)}"


def diagnosis_lines(diagnosis: Diagnosis | None, *, told: bool = False) -> list[str]:
    """Say what is most likely wrong, unless ``told`` before, and name the smallest failing case."""
    lines = []
    if diagnosis and diagnosis.causes and not told:
        lines.append(f"Most likely: {'; and '.join(diagnosis.causes)}.")
    if diagnosis and diagnosis.smallest:
        lines.append(f"Smallest failing case found: {diagnosis.smallest}.")
    return lines


def checks_sentence(found: Verification) -> str:
    forgiven = [o for o in found.findings if o not in found.failures]
    counts = Counter("robustness" if o in forgiven else o.verdict for o in found.outcomes)
    text = ", ".join(f"{counts[end]} {words}" for end, words in ENDED.items() if counts[end])
    return f"Checks: {text or 'none'}."


def exit_status(verifications: Iterable[Verification]) -> int:
    """1 if any is not right, else 2 if any cannot be called, else 3 if any is undecided, else 0."""
    statuses = {EXIT_STATUSES[found.verdict] for found in verifications}
    return next((status for status in (1, 2, 3) if status in statuses), 0)
