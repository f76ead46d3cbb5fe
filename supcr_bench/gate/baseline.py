"""The baseline: any stored run, of which the gate compares the figures without noise."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from supcr_bench.store.loaded_run import Run
from supcr_bench.store.run import load_run
from supcr_bench.store.run_file import without_noise
from supcr_bench.values.errors import BaselineError
from supcr_bench.values.result import Key


def load_baseline(name: str) -> Run:
    """Read a run, and keep only its figures without noise.

    Args:
        name: the id or the path of a run, its report page, or a file that ``--record`` wrote.

    Raises:
        BaselineError: the file is not there.
        StoreError: the run is not there, or cannot be read.
    """
    if name.endswith(".json") and not Path(name).exists():
        raise BaselineError(f"no baseline {name!r}; `supcr-bench gate --record {name}` writes it")
    run = load_run(name)
    return replace(run, results=tuple(map(without_noise, run.results)))


def comparability_notes(
    baseline: Run, name: str, suite: str, seed: int, keys: Collection[Key]
) -> list[str]:
    """Sentences on how the baseline and the suite that is run differ.

    Args:
        baseline: the recorded run.
        name: how the baseline was named.
        suite: the name of the suite that is run.
        seed: the seed of that suite.
        keys: the implementations and cases of that suite.

    Raises:
        BaselineError: the two have no case in common.
    """
    names = {implementation for implementation, _ in keys}
    recorded = {result.implementation for result in baseline.results} | set(
        baseline.verification or {}
    )
    common = {result.case for result in baseline.results} & {case for _, case in keys}
    its_suite, its_seed = baseline.info["suite"]["name"], baseline.info["suite"].get("seed")
    notes = []
    if its_suite != suite:
        notes.append(f"it was recorded with suite {its_suite}, and this is {suite}")
    if its_seed != seed:
        notes.append(f"it was recorded with seed {its_seed}, and this is {seed}")
    if not common:
        why = "; ".join(notes) or "its cases are others"
        again = f"`supcr-bench gate --record {name}` records it again"
        do = again if name.endswith(".json") else "give another run"
        raise BaselineError(f"{name} has no case in common with this gate: {why}; {do}")
    if notes:
        both = "1 case is" if len(common) == 1 else f"{len(common)} cases are"
        notes = [f"Of the baseline {name}, {'; '.join(notes)}: {both} in both."]
    if unknown := sorted(names - recorded):
        notes.append(f"The baseline {name} knows nothing of {', '.join(unknown)}.")
    return notes
