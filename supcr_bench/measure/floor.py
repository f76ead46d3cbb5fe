"""The floor under the time of a loss: its matrix products and exponentials, and nothing else.

For each label dimension, a product gives the similarities of all rows of a view, which are
exponentiated; training takes two further products, which map a gradient of that shape back to the
rows. All work goes tile by tile, so that the data stay in cache. The floor is not a lower bound for
a loss that leaves out many rows with missing labels, or computes several dimensions at once.
"""

from collections.abc import Callable

import torch
from torch.nn import functional

from supcr_bench.inputs.tensors import Batch
from supcr_bench.values.case import Pass
from supcr_bench.values.definition import Definition

TILE = 256
MOST_TRIALS, FEWEST_TRIALS, ENOUGH_S = 9, 3, 0.05
"""Limits on the samples of the floor: their number, and seconds after the first few."""


def floor_call(definition: Definition, pass_: Pass, batch: Batch) -> Callable[[], object]:
    """A call that does the work of the floor on the rows of a batch."""
    views = torch.stack(batch.views)
    if definition.views == "concatenate":
        views = views.flatten(0, 1)[None]
    units = functional.normalize(views[: 1 if definition.views == "single" else 2], dim=2)
    count, n, _ = units.shape
    logits, gradient = units.new_empty(count, min(TILE, n), n), torch.zeros_like(units)
    dims = batch.labels.shape[1] if definition.label_distance == "per_dimension" else 1

    def call() -> object:
        for _ in range(dims):
            for start in range(0, n, TILE):
                own = units[:, start : start + TILE]
                tile = logits[:, : own.shape[1]]
                torch.bmm(own / definition.temperature, units.mT, out=tile)
                tile.exp_()
                if pass_ == "training":
                    gradient[:, start : start + TILE].baddbmm_(tile, units)
                    gradient.baddbmm_(tile.mT, own)
        return gradient

    return call
