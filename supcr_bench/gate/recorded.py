"""What a gate keeps of a sweep and of verification: figures without noise, and verdicts.

The same values come from a baseline file and from the same session, of the implementation as it
stood at a revision; the judges do not know which.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from supcr_bench.values.result import Key, Result, Status
from supcr_bench.verification.outcome import Verdict
from supcr_bench.verification.present import diagnosis_lines, finding_text
from supcr_bench.verification.verification import Verification


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRecord:
    """One implementation on one case.

    Attributes:
        status: how it ended.
        reason: why; ``None`` for a plain measurement.
        launches: operations dispatched in one call.
        elements: elements worked on in one call.
        peak_bytes: peak of live tensor bytes above the inputs; not kept of what ranks share.
        value_tolerances: error of the value as a multiple of its tolerance.
        gradient_tolerances: the same of the gradient, in training.
        memory_limit_bytes: the limit in force, ``None`` for none.
    """

    status: Status
    reason: str | None = None
    launches: int | None = None
    elements: int | None = None
    peak_bytes: int | None = None
    value_tolerances: float | None = None
    gradient_tolerances: float | None = None
    memory_limit_bytes: int | None = None

    @classmethod
    def of(cls, result: Result) -> Self:
        """Of a result. Tolerances are kept to two digits: more of them are of the machine."""
        return cls(
            status=result.status,
            reason=result.reason,
            launches=result.dispatched_ops,
            elements=result.elements_processed,
            peak_bytes=result.counted_peak_bytes,
            value_tolerances=_two_digits(result.value_tolerances),
            gradient_tolerances=_two_digits(result.gradient_tolerances),
            memory_limit_bytes=result.memory_limit_bytes,
        )


def _two_digits(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.1e}")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationRecord:
    """What verification found of one implementation.

    A baseline file keeps the verdicts alone: words hold figures that differ between machines.

    Attributes:
        definition: that it was held against.
        verdicts: by check.
        failures: checks whose failing means that it is not right.
        findings: by check, what is wrong, or why it was not made.
        diagnosis: sentences on what is most likely wrong.
        overdue: checks that were ended because they took too long.
    """

    definition: str
    verdicts: Mapping[str, Verdict]
    failures: tuple[str, ...] = field(default=(), compare=False)
    findings: Mapping[str, str] = field(default_factory=dict, compare=False)
    diagnosis: tuple[str, ...] = field(default=(), compare=False)
    overdue: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def of(cls, found: Verification) -> Self:
        """Of a verification."""
        return cls(
            definition=found.definition,
            verdicts={o.check: o.verdict for o in found.outcomes},
            failures=tuple(o.check for o in found.failures),
            findings={o.check: finding_text(o) for o in found.outcomes if o.finding},
            diagnosis=tuple(diagnosis_lines(found.diagnosis)) if found.diagnosis else (),
            overdue=tuple(o.check for o in found.outcomes if o.overdue),
        )

    def with_verdict(self, *verdicts: Verdict) -> list[str]:
        """Names of the checks that ended like that."""
        return [check for check, verdict in self.verdicts.items() if verdict in verdicts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """All of it.

    Attributes:
        cases: by implementation and case.
        verifications: by implementation; empty where none was asked for.
    """

    cases: Mapping[Key, CaseRecord] = field(default_factory=dict)
    verifications: Mapping[str, VerificationRecord] = field(default_factory=dict)

    @property
    def implementations(self) -> tuple[str, ...]:
        """Everything that something is known of."""
        return tuple(dict.fromkeys([*(name for name, _ in self.cases), *self.verifications]))


def record(results: Iterable[Result], verifications: Iterable[Verification] = ()) -> Recorded:
    """What a sweep and a verification gave."""
    return Recorded(
        cases={r.key: CaseRecord.of(r) for r in results},
        verifications={v.implementation: VerificationRecord.of(v) for v in verifications},
    )
