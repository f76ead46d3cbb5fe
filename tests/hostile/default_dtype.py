"""Sets the default dtype when it is imported."""

import torch
from supcr_bench.implementations.broadcast import IMPLEMENTATION

Loss = IMPLEMENTATION.factory

torch.set_default_dtype(torch.float64)
