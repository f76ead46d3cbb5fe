"""Runs made up for tests of what is drawn from them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from supcr_bench.store.loaded_run import Run
from supcr_bench.values.result import Result
from supcr_bench.verification.verification import Verification

ENVIRONMENT: dict[str, Any] = {
    "cpu": "a <processor>",
    "cpus_usable": 2,
    "threads": 2,
    "memory_bytes": 2**34,
    "accelerators": [],
    "torch": "2.6",
    "python": "3.12",
    "os": "Linux",
}


def make_run(
    results: Sequence[Result] = (),
    run_id: str = "20260101T000000Z-quick",
    verifications: Sequence[Verification] = (),
    **info: Any,
) -> Run:
    """A run of the suite `quick`; ``info`` adds to what ``run.json`` holds."""
    return Run(
        Path("results") / "made up",
        {
            "id": run_id,
            "started_at": "2026-01-01T00:00:00+00:00",
            "version": "1.0",
            "seed": 0,
            "command": "supcr-bench run",
            "suite": {"name": "quick", "purpose": "To <see>.", "definition": "torchcell"},
            "environment": ENVIRONMENT,
            "budget": {"time_limit_s": 10.0, "memory_limit_bytes": 2**32, "precision": 0.02},
            **info,
        },
        tuple(results),
        {found.implementation: found for found in verifications} or None,
    )
