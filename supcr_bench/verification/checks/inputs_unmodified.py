"""A loss leaves what it is given as it was."""

from collections.abc import Iterator

import torch

from supcr_bench.verification.candidate import unpack
from supcr_bench.verification.check import check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import Trial, outright


@check("inputs unmodified", "conduct")
def run(context: CheckContext) -> Iterator[Trial]:
    """Views, labels and weights, before and after forward and backward.

    Labels that are filled in place are wrong for whoever reads them next.
    """
    density = 0.2 if context.takes_missing_labels else 0.0
    problem = context.problem(n=9, dims=2, nan_density=density, weights="unnormalised")
    first, second, labels = context.given(problem)
    given = {
        "first view": first.requires_grad_(),
        "second view": second.requires_grad_(),
        "labels": labels,
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
