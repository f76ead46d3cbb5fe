"""All that was found out about one implementation."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from supcr_bench.values.definition import current_name
from supcr_bench.verification.outcome import GROUPS, Diagnosis, Outcome, Verdict
from supcr_bench.verification.present import verification_html, verification_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """All that was found out about one implementation.

    Attributes:
        implementation: its name.
        definition: what it was held against.
        recognised: in a line, the definition that its numbers follow, where that was looked for.
        strict: whether findings on robustness fail it.
        seed: of the random cases.
        outcomes: one for each check.
        diagnosis: of the failures, if there are any.
        ranks: over how many it was verified; ``None`` in a single process.
    """

    implementation: str
    definition: str
    recognised: str | None
    strict: bool
    seed: int
    outcomes: tuple[Outcome, ...]
    diagnosis: Diagnosis | None
    ranks: int | None = None

    @property
    def failures(self) -> list[Outcome]:
        """Checks that fail the implementation."""
        groups = GROUPS if self.strict else tuple(g for g in GROUPS if g != "robustness")
        return [o for o in self.outcomes if o.verdict is Verdict.FAIL and o.group in groups]

    @property
    def findings(self) -> list[Outcome]:
        """Every check that failed, whether it counts or not."""
        return [o for o in self.outcomes if o.verdict is Verdict.FAIL]

    @property
    def passed(self) -> bool:
        """Whether it is right. What was not checked is not known to be right."""
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
        """The verdict in a sentence."""
        name, definition = self.implementation, self.definition
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
            text = f"{name}: nothing could be checked, so nothing is said for it"
        if robustness:
            text += f"; not robust: {', '.join(o.check for o in robustness)}"
        return text + "."

    def to_mapping(self) -> dict[str, Any]:
        """For JSON."""
        return {"passed": self.passed, **asdict(self)}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """From what :meth:`to_mapping` gave, by way of JSON or not."""
        diagnosis = values["diagnosis"]
        return cls(
            implementation=values["implementation"],
            definition=current_name(values["definition"]),
            recognised=values["recognised"],
            strict=values["strict"],
            seed=values["seed"],
            outcomes=tuple(Outcome.from_mapping(o) for o in values["outcomes"]),
            diagnosis=Diagnosis.from_mapping(diagnosis) if diagnosis else None,
            ranks=values.get("ranks"),
        )

    def __str__(self) -> str:
        return verification_text(self)

    def _repr_html_(self) -> str:
        return verification_html(self)
