"""All checks, found by reading their folder, and run one after the other."""

import importlib
import pkgutil
import time

from supcr_bench.measure.outcome import describe_error
from supcr_bench.verification import checks as folder
from supcr_bench.verification.bench import Bench, Check
from supcr_bench.verification.outcome import (
    GROUPS,
    NotApplicableError,
    Outcome,
    Trial,
    Verdict,
    outright,
    summarise,
)


def all_checks() -> list[Check]:
    """Every check of the folder, by group and name."""
    found: list[Check] = [
        importlib.import_module(f"{folder.__name__}.{module.name}").CHECK
        for module in pkgutil.iter_modules(folder.__path__)
    ]
    return sorted(found, key=lambda c: (GROUPS.index(c.group), c.name))


def run_check(check: Check, bench: Bench) -> tuple[Outcome, list[Trial]]:
    """One check's outcome, and the trials that failed."""
    started = time.perf_counter()
    before = bench.left_out
    trials: list[Trial] = []
    try:
        trials.extend(check.run(bench))
    except NotApplicableError as reason:
        return (
            Outcome(
                check=check.name,
                group=check.group,
                verdict=Verdict.NOT_APPLICABLE,
                finding=str(reason),
            ),
            [],
        )
    except Exception as error:  # noqa: BLE001 - whatever an implementation raises is a finding
        trials.append(outright("the check", f"raises {describe_error(error)}"))
    seconds = time.perf_counter() - started
    outcome = summarise(check.name, check.group, trials, bench.left_out - before, seconds)
    return outcome, [t for t in trials if t.failed]
