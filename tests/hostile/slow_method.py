"""Has all wait for each sort, by a method that torch.Tensor inherits."""

import time

import torch
from supcr_bench.implementations.broadcast import IMPLEMENTATION

SORT = torch.Tensor.sort


def sort(*args, **options):
    time.sleep(0.001)
    return SORT(*args, **options)


torch.Tensor.sort = sort


class Loss(torch.nn.Module):
    def __init__(self, temperature=0.1, weights=None, eps=1e-7):
        super().__init__()
        self.right = IMPLEMENTATION.factory(temperature=temperature, weights=weights, eps=eps)

    def forward(self, perturbed, intact, labels):
        return self.right(perturbed, intact, labels)
