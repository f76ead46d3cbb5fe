"""A module takes its tensors along when it moves."""

from collections.abc import Iterator
from dataclasses import replace

import torch

from supcr_bench.measure.device import find_accelerator
from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial, outright


@check("device", "conduct")
def run(context: CheckContext) -> Iterator[Trial]:
    """Moved to the meta device, which every machine has, no tensor may stay behind.

    A weight that stays on the CPU stops the first step on a GPU.
    """
    problem = context.problem(n=5, dims=2)
    module = context.candidate.build(problem)
    context.require(isinstance(module, torch.nn.Module), "is not a torch.nn.Module")
    assert isinstance(module, torch.nn.Module)
    module.to("meta")
    for part_name, part in module.named_modules():
        for name, value in vars(part).items():
            if isinstance(value, torch.Tensor) and value.device.type != "meta":
                full = f"{part_name}.{name}".lstrip(".")
                yield outright(full, f"{full} stays behind: it is not a buffer or a parameter")
    left = [name for name, b in module.named_buffers() if b.device.type != "meta"]
    yield outright("buffers", f"{', '.join(left)} stay behind" if left else None)
    accelerator = find_accelerator()
    if accelerator is not None:
        there = replace(context.candidate, device=accelerator.type)
        moved = problem.changed(f"on {accelerator.type}")
        yield replace(context, candidate=there).compare(moved)
