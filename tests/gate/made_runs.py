"""Runs made up for tests of how two sides are judged."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from supcr_bench.gate.terms import Terms
from supcr_bench.store.loaded_run import Run
from supcr_bench.values.case import Case
from supcr_bench.values.result import Result, Status
from supcr_bench.verification.outcome import Outcome, Verdict
from supcr_bench.verification.verification import Verification
from tests.made_verifications import make_verification

CASE = Case(batch_size=16, dims=2, nan_density=0.2, pass_="training", own_temperature=True)
TERMS = Terms(suite="ci", implementations=("one",), baseline=True)
SESSION = Terms(suite="ci", implementations=("one",), baseline=False)
FIRST = replace(SESSION, new=frozenset({"one"}))


def made_run(
    results: Iterable[Result] = (),
    verifications: Sequence[Verification] = (),
    torch: str = "2.13.0",
    **info: Any,
) -> Run:
    """A run of these."""
    found = {v.implementation: v for v in verifications}
    return Run(Path("made"), {"environment": {"torch": torch}, **info}, tuple(results), found)


def made_case(status: Status = Status.MEASURED, **fields: Any) -> Result:
    """A result, right by default and with every cost."""
    figures = {"dispatched_ops": 100, "elements_processed": 10_000, "peak_bytes": 100_000}
    fields = {**(figures if status.has_figures else {}), **fields}
    return Result(implementation="one", case=CASE, status=status, **fields)


def of_one(
    *results: Result | None,
    torch: str = "2.13.0",
    verdicts: Mapping[str, Verdict] | None = None,
) -> Run:
    """One implementation, ``one``: its cases at rising sizes, and its verification if any.

    The checks are of robustness, so that one that fails does not make the implementation wrong.
    """
    cases = [
        replace(found, case=replace(CASE, batch_size=16 * (i + 1)))
        for i, found in enumerate(results)
        if found
    ]
    outcomes = tuple(
        Outcome(check=check, group="robustness", verdict=verdict)
        for check, verdict in (verdicts or {}).items()
    )
    found = replace(make_verification("one"), outcomes=outcomes)
    return made_run(cases, [found] if outcomes else (), torch)
