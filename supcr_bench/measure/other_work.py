"""Work before each timed call on the CPU, so that all calls find the process in one state.

A call is faster after others of its kind: its data and code lie in the caches, and the core has
learned its branches. A training step has other layers between two calls of a loss. So before each
call some memory is written, and a small network takes a step by operations that losses use too.
"""

import torch
from torch import Tensor
from torch.nn import functional

WRITTEN_BYTES = 16 * 2**20
"""Bytes that are written: several times a core's own caches, in more pages than its cache of
addresses (TLB) holds. Measured on a server whose last-level cache of 480 MiB no such write empties:
calls after two of their kind took 0.77 to 0.91 times what they took after others, and with 64 MiB
but no step 0.72 to 0.95, for twice the time."""
ROWS, FEATURES, HIDDEN = 64, 64, 128
RATE = 1e-6


class OtherWork:
    """A buffer and a network of two layers; a call writes the buffer and trains the network."""

    def __init__(self) -> None:
        self._buffer = torch.zeros(WRITTEN_BYTES // 4, dtype=torch.float32)
        self._rows = _spread(ROWS, FEATURES)
        self._weights = [_spread(FEATURES, HIDDEN), _spread(HIDDEN, FEATURES)]
        for weight in self._weights:
            weight.requires_grad_()

    def __call__(self) -> None:
        self._buffer.add_(1)
        with torch.enable_grad():
            gradients = torch.autograd.grad(self._loss(), self._weights)
        with torch.no_grad():
            for weight, gradient in zip(self._weights, gradients, strict=True):
                weight.sub_(gradient, alpha=RATE)

    def _loss(self) -> Tensor:
        first, second = self._weights
        hidden = functional.gelu(functional.layer_norm(self._rows @ first, (HIDDEN,)))
        units = functional.normalize(hidden @ second, dim=1)
        similarity = units @ units.T
        positive = torch.where(similarity > 0, similarity, -similarity).cumsum(0)
        return similarity.sort(dim=1).values.logsumexp(1).mean() + positive.amax()


def _spread(rows: int, columns: int) -> Tensor:
    """Fixed numbers from -1 to 1 without a pattern; torch's random state does not change."""
    numbers = torch.arange(rows * columns, dtype=torch.float32).mul_(12.9898).sin_()
    return numbers.view(rows, columns)
