"""Verifications made up for tests of how they are kept and shown."""

from dataclasses import replace
from typing import Any

from supcr_bench.values.errors import UncallableError
from supcr_bench.values.implementation import Recognition
from supcr_bench.verification.impact import Impact
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
LATE = Outcome(
    check="strides", group="conduct", verdict=Verdict.NOT_RUN, finding="no time was left"
)
HUNG = Outcome.ended("recognition", "definition", "recognition took over 10 s", overdue=True)
DIAGNOSIS = Diagnosis(causes=("the wrong sign",), smallest="N=2", snippet="print(1 < 2)")
OFFICIAL = Recognition(
    nearest="rank-n-contrast", call="(features [N,2,d], labels)", dims="1 and 3 label dimensions"
)
CHOSEN = replace(OFFICIAL, choices=("cosine similarity", "eps 1e-08 added"))
STRICT = replace(OFFICIAL, faults=("ties with the partner are no candidates (strict inequality)",))
NEEDS_MARGIN = UncallableError(
    "construct", "one cannot be constructed: it needs margin.", "Fill it in.", "def one(): ..."
)


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


def make_impact(departure: str | None = None, **fields: Any) -> Impact:
    values: dict[str, Any] = {
        "definition": "rank-n-contrast",
        "labels": "a-file-with-a-long-name.csv:the_age_in_years,the_weight_in_kg",
        "embeddings": "random",
        "batch_size": 256,
        "batches": 8,
        "left_out": 1234,
        "temperature": 0.1,
        "angle": 83.21,
        "low": 82.0,
        "high": 84.0,
        "length": 0.123456,
        "pairs": None if departure is None else 0.987,
    }
    return Impact(departure=departure, **values | fields)
