"""Lets every matrix product of the process compute in bfloat16."""

import torch
from supcr_bench.implementations.broadcast import IMPLEMENTATION

Loss = IMPLEMENTATION.factory

torch.set_float32_matmul_precision("medium")
