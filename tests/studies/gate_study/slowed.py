"""An implementation file with a slow-down put into one pass, by a share of what that pass takes."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from supcr_bench.subjects import registry

SLOWED = '''

# --- a slow-down of a given share, put in for a study ---


class _SpinInBackward(torch.autograd.Function):
    """Hands both views on; its backward is the last of the whole call, and takes its time there."""

    @staticmethod
    def forward(ctx, perturbed, intact, began_ns):
        ctx.began_ns = began_ns
        return perturbed.view_as(perturbed), intact.view_as(intact)

    @staticmethod
    def backward(ctx, for_perturbed, for_intact):
        now = time.perf_counter_ns()
        end = now + {share} * (now - ctx.began_ns)
        while time.perf_counter_ns() < end:
            pass
        return for_perturbed, for_intact, None


class _Slowed(torch.nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.inner = _ORIGINAL.factory(**options)

    def forward(self, perturbed, intact, labels):
        began_ns = time.perf_counter_ns()
        views = _SpinInBackward.apply(perturbed, intact, began_ns)
        return self.inner(*views, labels)


import dataclasses
import time

_ORIGINAL = IMPLEMENTATION
IMPLEMENTATION = dataclasses.replace(_ORIGINAL, factory=_Slowed)
'''


def write_slowed(folder: Path, shares: Mapping[str, float]) -> None:
    """All implementation files, as some import others, those named slower in training by a share.

    The wrapper takes some time itself, so a version with a share of 0 has it too.
    """
    plain = registry.folder()
    shutil.copytree(plain, folder, ignore=shutil.ignore_patterns("__*"), dirs_exist_ok=True)
    for name, share in shares.items():
        with (folder / f"{name}.py").open("a") as file:
            file.write(SLOWED.replace("{share}", repr(share)))
