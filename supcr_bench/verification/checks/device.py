"""A module takes its tensors along when it moves."""

from collections.abc import Iterator

import torch

from supcr_bench.measure.device import find_accelerator
from supcr_bench.verification.check import Check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial, outright


def run(context: CheckContext) -> Iterator[Trial]:
    """Moved to the meta device, which every machine has, no tensor may stay behind."""
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
        there = context.candidate.build(problem).to(accelerator)  # type: ignore[attr-defined]
        moved = problem.changed(
            f"on {accelerator.type}",
            first=problem.first.to(accelerator),
            second=problem.second.to(accelerator),
            labels=problem.labels.to(accelerator),
        )
        yield context.compare(moved, module=there)


CHECK = Check(
    name="device",
    group="conduct",
    why="a weight that stays on the CPU stops the first step on a GPU",
    run=run,
)
