"""``make false-alarms``: counts how often the verifier rejects correct implementations."""

import random
import sys
from contextlib import suppress

import torch

from supcr_bench.subjects.registry import load, locate
from supcr_bench.values.errors import UnavailableError
from supcr_bench.values.implementation import ANY
from supcr_bench.verification.bugs.catalogue import RIGHT, as_implementation
from supcr_bench.verification.local_session import LocalSession
from supcr_bench.verification.outcome import Verdict
from tests.family import CHOICES, definition_of, right_implementation

SEEDS = 200
NOT_ROBUST = ("broadcast", "rowsort")
"""Implementations from the torchcell note that compute their definition, but are not robust."""
ROBUST = ("batched", "scan", "tiled")
"""Implementations that pass every check, for each definition that they compute."""


def false_alarms(seed: int) -> list[str]:
    """List the failures that the verifier reports for right implementations, for one seed."""
    subjects = [as_implementation(factory, factory.__name__) for factory in RIGHT]
    for name in ROBUST:
        with suppress(UnavailableError):
            found = load(locate(name))
            known = [n for n in found.definitions if n != ANY] or [found.definition]
            subjects += [found.under(name) for name in known]
    subjects += [load(locate(name)) for name in NOT_ROBUST]
    return [
        f"{subject.name}, {outcome.check}: {outcome.finding} ({outcome.case})"
        for subject in subjects
        for outcome in LocalSession(subject, seed=seed).run()
        if outcome.verdict is Verdict.FAIL
        and not (subject.name in NOT_ROBUST and outcome.group == "robustness")
    ]


def alarms_of_any_definition(seed: int) -> list[str]:
    """The findings on a right loss of a definition drawn at random."""
    definition = definition_of(*random.Random(seed).choice(CHOICES))
    found = LocalSession(right_implementation(definition), definition, seed=seed).verified()
    return [f"{definition.name}, {o.check}: {o.finding} ({o.case})" for o in found.findings]


def main() -> int:
    """Verify every correct implementation with several seeds; print and count false alarms."""
    torch.set_num_threads(1)
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS
    count = 0
    for seed in range(seeds):
        for alarm in [*false_alarms(seed), *alarms_of_any_definition(seed)]:
            count += 1
            sys.stdout.write(f"seed {seed}: {alarm}\n")
    sys.stdout.write(f"{count} false alarms over {seeds} seeds\n")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
