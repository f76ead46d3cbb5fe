"""Loads the baseline, a stored run that the gate compares with, and notes differences to it."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from supcr_bench.gate.terms import TORCH_ALLOWANCE, Terms, other_torch
from supcr_bench.store.loaded_run import Run
from supcr_bench.store.run import load_run
from supcr_bench.store.run_file import without_noise
from supcr_bench.values.errors import UsageError
from supcr_bench.values.gate import GatedChange, GateVerdict
from supcr_bench.values.metrics import PYTHON_INSTRUCTIONS, interpreter_of
from supcr_bench.values.result import Key
from supcr_bench.values.units import plural


def load_baseline(name: str) -> Run:
    """Read, without its times, a run by id or path, or a file that ``--record`` wrote."""
    if name.endswith(".json") and not Path(name).exists():
        raise UsageError(f"no baseline {name!r}; `supcr-bench gate --record {name}` writes it")
    run = load_run(name).require_complete()
    return replace(run, results=tuple(map(without_noise, run.results)))


def _recorded(baseline: Run) -> dict[str, None]:
    names = [result.implementation for result in baseline.results]
    return dict.fromkeys([*names, *(baseline.verification or {})])


def comparability_notes(
    baseline: Run, name: str, suite: str, seed: int, keys: Collection[Key]
) -> list[str]:
    """How the baseline differs from the suite's cases; raises a UsageError if they share none."""
    common = {result.case for result in baseline.results} & {case for _, case in keys}
    its_suite, its_seed = baseline.info["suite"]["name"], baseline.info["suite"].get("seed")
    notes = []
    if its_suite != suite:
        notes.append(f"it was recorded with suite {its_suite}, and the gate runs {suite}")
    if its_seed != seed:
        notes.append(f"it was recorded with seed {its_seed}, and the gate uses {seed}")
    if not common:
        why = "; ".join(notes) or "its cases are different ones"
        again = f"`supcr-bench gate --record {name}` records it again"
        own = name.endswith(".json") and its_suite == suite  # another suite's is kept
        do = again if own else "give another run or baseline"
        raise UsageError(f"{name} has no case in common with this gate: {why}; {do}")
    if notes:
        both = f"{plural(len(common), 'case')} {'is' if len(common) == 1 else 'are'} in both"
        notes = [f"About the baseline {name}: {'; '.join(notes)}; {both}."]
    if unknown := sorted({implementation for implementation, _ in keys} - {*_recorded(baseline)}):
        notes.append(f"The baseline {name} has no results of {', '.join(unknown)}.")
    return notes


def dropped_implementations(baseline: Run, terms: Terms) -> list[GatedChange]:
    why = "the suite no longer has it, but the baseline does; record again if that is intended"
    return [
        GatedChange.of("agreement", (name, None), (GateVerdict.UNDECIDED, why))
        for name in _recorded(baseline)
        if name not in terms.implementations and not terms.named
    ]


def deterministic_notes(
    before: Run, after: Run, changes: Sequence[GatedChange], terms: Terms
) -> list[str]:
    """Remarks that are not verdicts: another torch, cases still wrong, and lower costs."""
    notes = []
    if other_torch(before, after):
        was, now = (run.environment.get("torch") for run in (before, after))
        share = f"{100 * TORCH_ALLOWANCE:.3g} %"
        notes.append(f"torch was {was} and is {now}: counts may differ by {share}.")
    python = PYTHON_INSTRUCTIONS.is_comparable(before.environment, after.environment)
    if not python and any(map(PYTHON_INSTRUCTIONS.get, before.results)):
        was, now = (interpreter_of(run.environment) for run in (before, after))
        notes.append(f"Python instructions are not compared: {was} before, and {now} now.")
    broken = {result.key for result in before.results if result.status.is_broken}
    for name in terms.implementations:
        own = [result for result in after.results if result.implementation == name]
        if still := sum(result.status.is_broken and result.key in broken for result in own):
            notes.append(f"{name} is wrong or fails in {plural(still, 'case')}, as {terms.then}.")
        its = [c for c in changes if c.implementation == name]
        less = {c.case for c in its if c.ratio is not None and c.ratio < 1}
        if less and terms.baseline:
            notes.append(
                f"A cost of {name} is lower than recorded in {plural(len(less), 'case')}: record "
                "the baseline again, or the gate will not see it grow back."
            )
    return notes
