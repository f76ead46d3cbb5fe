"""``make false-alarms``: counts how often the verifier rejects correct implementations."""

import random
import sys

import torch

from supcr_bench.verification.local_session import LocalSession
from supcr_bench.verification.self_test import false_alarms
from tests.family import CHOICES, definition_of, right_implementation

SEEDS = 200


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
