"""The result of verifying one implementation, with its tables and sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any, Self

from supcr_bench.values.definition import current_name, short_name
from supcr_bench.values.errors import UncallableError
from supcr_bench.values.table import Cell, Row, Table, Tone, as_html, as_text, numbers, row, words
from supcr_bench.values.units import MISSING, format_error
from supcr_bench.verification.outcome import GROUPS, Diagnosis, Outcome, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The result of verifying one implementation.

    Attributes:
        definition: name of the definition that gave the right answers.
        recognised: a line on the definition that its numbers follow, if recognition was asked for.
        strict: whether failed robustness checks count.
        ranks: number of processes that shared each batch; ``None`` for a single process.
        uncallable: why it cannot be loaded or called; then there are no outcomes.
    """

    implementation: str
    definition: str
    recognised: str | None
    strict: bool
    seed: int
    outcomes: tuple[Outcome, ...]
    diagnosis: Diagnosis | None
    ranks: int | None = None
    uncallable: UncallableError | None = None

    @property
    def failures(self) -> list[Outcome]:
        groups = GROUPS if self.strict else tuple(g for g in GROUPS if g != "robustness")
        return [o for o in self.outcomes if o.verdict is Verdict.FAIL and o.group in groups]

    @property
    def findings(self) -> list[Outcome]:
        """Every failed check, including robustness checks that do not count."""
        return [o for o in self.outcomes if o.verdict is Verdict.FAIL]

    @property
    def passed(self) -> bool:
        """Whether all checks that count were run and none failed."""
        checked = any(o.verdict is Verdict.PASS for o in self.outcomes)
        return checked and not self.failures and not self.undecided

    @property
    def undecided(self) -> bool:
        """Whether nothing failed, but checks that count were not run."""
        return not self.failures and any(o.verdict is Verdict.NOT_RUN for o in self.outcomes)

    def __bool__(self) -> bool:
        return self.passed

    @property
    def headline(self) -> str:
        name, definition = self.implementation, self.definition
        if self.uncallable:
            return str(self.uncallable)
        if self.ranks is not None:
            name += f" over {self.ranks} ranks"
        robustness = [o for o in self.findings if o not in self.failures]
        if self.failures:
            text = f"{name} is not right by the definition ({definition}): "
            text += f"{len(self.failures)} of {len(self.outcomes)} checks fail"
        elif self.undecided:
            missing = sum(o.verdict is Verdict.NOT_RUN for o in self.outcomes)
            text = f"{name} is undecided: {missing} of {len(self.outcomes)} checks were not run"
        elif self.passed:
            text = f"{name} is right by the definition ({definition})"
        else:
            text = f"{name}: no check could run, so it is not known to be right"
        if robustness:
            text += f"; not robust: {', '.join(o.check for o in robustness)}"
        return text + "."

    def to_mapping(self) -> dict[str, Any]:
        return {"passed": self.passed, **asdict(self)}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        diagnosis, uncallable = values["diagnosis"], values.get("uncallable")
        return cls(
            implementation=values["implementation"],
            definition=current_name(values["definition"]),
            recognised=values["recognised"],
            strict=values["strict"],
            seed=values["seed"],
            outcomes=tuple(Outcome.from_mapping(o) for o in values["outcomes"]),
            diagnosis=Diagnosis.from_mapping(diagnosis) if diagnosis else None,
            ranks=values.get("ranks"),
            uncallable=UncallableError(**uncallable) if uncallable else None,
        )

    def __str__(self) -> str:
        lines = [line for line, _ in finding_lines(self.outcomes)]
        return "\n".join([as_text(checks_table(self)), *lines, *notes(self)])

    def _repr_html_(self) -> str:
        """Sentences and the table of checks as HTML, then the program that shows the failure."""
        lines = [*notes(self), *(line for line, _ in finding_lines(self.outcomes))]
        text = "".join(f"<p>{escape(line)}</p>" for line in lines)
        snippet = self.diagnosis.snippet if self.diagnosis else None
        program = f"<pre>{escape(snippet)}</pre>" if snippet else ""
        return f"{text}{as_html(checks_table(self))}{program}"


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
    """Tabulate several implementations: the verdict, and how many checks of each group pass."""
    definitions = ", ".join(dict.fromkeys(short_name(v.definition) for v in verifications))
    return Table(
        name="verified",
        title=f"Verification by the definition ({definitions})",
        note="checks that pass, of those that apply; robustness does not count",
        columns=words("implementation", "verdict", *GROUPS),
        rows=tuple(
            row(found.implementation, _verdict(found), *(_passes(found, g) for g in GROUPS))
            for found in verifications
        ),
        keys=2,
    )


def _verdict(found: Verification) -> Cell:
    if found.uncallable:
        return Cell("cannot be called")
    if found.failures:
        return Cell("not right", "bad")
    return Cell("right", "good") if found.passed else Cell("undecided")


def _passes(found: Verification, group: str) -> Cell:
    own = [
        o for o in found.outcomes if o.group == group and o.verdict is not Verdict.NOT_APPLICABLE
    ]
    passes = sum(o.verdict is Verdict.PASS for o in own)
    tone: Tone = "bad" if group in {o.group for o in found.failures} else ""
    return Cell(f"{passes} of {len(own)}" if own else MISSING, tone)


def finding_text(outcome: Outcome) -> str:
    return f"{outcome.finding} ({outcome.case})" if outcome.case else str(outcome.finding)


def finding_lines(outcomes: Sequence[Outcome]) -> list[tuple[str, Outcome]]:
    """List the findings of failed checks, and why other checks were not run.

    Checks with equal findings, such as an exception that every call raises, share a line.
    """
    alike: dict[tuple[Verdict, str | None], list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.verdict is not Verdict.PASS:
            alike.setdefault((outcome.verdict, outcome.finding), []).append(outcome)
    lines = []
    for (verdict, finding), same in alike.items():
        text = finding_text(same[0]) if verdict is Verdict.FAIL else f"{verdict}, {finding}"
        lines.append((f"{', '.join(o.check for o in same)}: {text}", same[0]))
    return lines


def diagnosis_lines(diagnosis: Diagnosis | None) -> list[str]:
    """Say what is most likely wrong, and name the smallest failing case."""
    if diagnosis is None:
        return []
    lines = []
    if diagnosis.causes:
        lines.append(f"Most likely: {'; and '.join(diagnosis.causes)}.")
    elif diagnosis.where:
        lines.append(f"Cause not recognised: {diagnosis.where}.")
    if diagnosis.smallest:
        lines.append(f"Smallest failing case found: {diagnosis.smallest}.")
    return lines


def notes(found: Verification) -> list[str]:
    recognised = [f"Recognised: {found.recognised}."] if found.recognised else []
    return [*recognised, found.headline, *diagnosis_lines(found.diagnosis)]
