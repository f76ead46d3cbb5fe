"""A loss leaves what it is given as it was."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.candidate import unpack
from supcr_bench.verification.check import Check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial, outright


def run(context: CheckContext) -> Iterator[Trial]:
    """Views, labels and weights, before and after forward and backward."""
    density = 0.2 if context.takes_missing_labels else 0.0
    problem = context.problem(n=9, dims=2, nan_density=density, weights="unnormalised")
    given = {
        "first view": problem.first.clone().requires_grad_(),
        "second view": problem.second.clone().requires_grad_(),
        "labels": problem.labels.clone(),
    }
    kept = {name: tensor.detach().clone() for name, tensor in given.items()}
    module = context.candidate.build(problem)
    output = context.candidate.invoke(module, *given.values())
    loss, _ = unpack(output, 2)
    loss.backward()  # type: ignore[no-untyped-call]
    for name, tensor in given.items():
        same = torch.equal(tensor.detach().nan_to_num(7.5), kept[name].nan_to_num(7.5))
        same = same and torch.equal(torch.isnan(tensor.detach()), torch.isnan(kept[name]))
        finding = None if same else f"the {name} were changed by the call"
        yield outright(f"{problem.name}: {name}", finding)


CHECK = Check(
    name="inputs unmodified",
    group="conduct",
    why="labels that are filled in place are wrong for whoever reads them next",
    run=run,
)
