"""Replaces torch.exp by a slower one when it is imported."""

import torch
from supcr_bench.implementations.broadcast import IMPLEMENTATION

Loss = IMPLEMENTATION.factory

_exp = torch.exp


def _slow(x):
    for _ in range(20):
        _exp(x)
    return _exp(x)


torch.exp = _slow
