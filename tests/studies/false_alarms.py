"""``make false-alarms``: counts how often the verifier rejects correct implementations."""

import sys

import torch

from supcr_bench.verification.self_test import false_alarms

SEEDS = 200


def main() -> int:
    """Verify every correct implementation with several seeds; print and count false alarms."""
    torch.set_num_threads(1)
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS
    count = 0
    for seed in range(seeds):
        for alarm in false_alarms(seed):
            count += 1
            sys.stdout.write(f"seed {seed}: {alarm}\n")
    sys.stdout.write(f"{count} false alarms over {seeds} seeds\n")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
