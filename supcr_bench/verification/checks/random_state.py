"""A loss draws no random numbers."""

import random
from collections.abc import Iterator

import numpy as np
import torch

from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial, outright


@check("random state", "conduct")
def run(context: CheckContext) -> Iterator[Trial]:
    """The global generators of torch, NumPy and Python, before and after.

    A loss that draws, or seeds, changes every random number after it.
    """
    problem = context.problem(n=9, dims=1, labels="tied")
    with torch.random.fork_rng(devices=[]):
        # Somewhere in the middle of a stream: a fixed seed would not be noticed at its beginning.
        torch.manual_seed(20_221_004)
        torch.rand(3)
        torch_state, python_state = torch.get_rng_state(), random.getstate()
        numpy_state = str(np.random.get_state(legacy=False))
        context.ask(problem)
        unchanged = {
            "torch": torch.equal(torch_state, torch.get_rng_state()),
            "Python": python_state == random.getstate(),
            "NumPy": numpy_state == str(np.random.get_state(legacy=False)),
        }
    for name, same in unchanged.items():
        yield outright(name, None if same else f"the call changes {name}'s global random state")
