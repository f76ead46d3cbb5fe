"""Verifications made up for tests of how they are kept and shown."""

from typing import Any

from supcr_bench.verification.outcome import Diagnosis, Outcome, Verdict
from supcr_bench.verification.verification import Verification

OFF = Outcome(
    check="ties",
    group="definition",
    verdict=Verdict.FAIL,
    cases=4,
    failed=1,
    tolerances=7.5,
    error=1e-3,
    bound=2e-4,
    case="N=4",
    finding="the loss is off",
    seconds=0.1,
)
NOT_ROBUST = Outcome(
    check="low temperature",
    group="robustness",
    verdict=Verdict.FAIL,
    cases=1,
    failed=1,
    finding="the loss is nan",
)
LATE = Outcome(check="strides", group="conduct", verdict=Verdict.NOT_RUN, finding="the time was up")
DIAGNOSIS = Diagnosis(causes=("the wrong sign",), smallest="N=2", snippet="print(1 < 2)")


def make_verification(name: str = "one", *failing: Outcome, **fields: Any) -> Verification:
    """One with a check that passes, one that does not apply, and those given."""
    values: dict[str, Any] = {
        "definition": "torchcell",
        "recognised": None,
        "strict": False,
        "seed": 0,
        "diagnosis": None,
    }
    outcomes = (
        Outcome(check="weights", group="definition", verdict=Verdict.PASS, cases=9, tolerances=0.5),
        Outcome(
            check="zero columns",
            group="relations",
            verdict=Verdict.NOT_APPLICABLE,
            finding="no case applies",
        ),
        *failing,
    )
    return Verification(implementation=name, outcomes=outcomes, **values | fields)
