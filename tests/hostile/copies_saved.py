"""Has all keep copies of the tensors that their backward needs."""

import torch
from supcr_bench.implementations.broadcast import IMPLEMENTATION

torch.autograd.graph.saved_tensors_hooks(torch.clone, torch.clone).__enter__()


class Loss(torch.nn.Module):
    def __init__(self, temperature=0.1, weights=None, eps=1e-7):
        super().__init__()
        self.right = IMPLEMENTATION.factory(temperature=temperature, weights=weights, eps=eps)

    def forward(self, perturbed, intact, labels):
        return self.right(perturbed, intact, labels)
