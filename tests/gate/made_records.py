"""Records made up for tests of how two sides are judged."""

from typing import Any

from supcr_bench.gate.recorded import CaseRecord, Recorded, VerificationRecord
from supcr_bench.gate.terms import Terms
from supcr_bench.values.case import Case
from supcr_bench.values.result import Status
from supcr_bench.verification.outcome import Verdict

CASE = Case(batch_size=16, dims=2, nan_density=0.2, pass_="training")
TERMS = Terms(suite="ci", implementations=("one",), baseline=True)
SESSION = Terms(suite="ci", implementations=("one",), baseline=False)


def case_record(status: Status = Status.MEASURED, **fields: Any) -> CaseRecord:
    """A case, right by default and with every cost."""
    figures = {"launches": 100, "elements": 10_000, "peak_bytes": 100_000}
    return CaseRecord(status=status, **{**(figures if status.has_figures else {}), **fields})


def of_one(*records: CaseRecord | None, **verdicts: Verdict) -> Recorded:
    """One implementation, ``one``: its cases at rising sizes, and its verification if any."""
    cases = {
        ("one", Case(batch_size=16 * (i + 1), dims=2, nan_density=0.2, pass_="training")): found
        for i, found in enumerate(records)
        if found
    }
    checks = {check.replace("_", " "): verdict for check, verdict in verdicts.items()}
    found = VerificationRecord(definition="torchcell", verdicts=checks)
    return Recorded(cases=cases, verifications={"one": found} if checks else {})
