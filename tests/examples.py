"""Small values that tests of several folders build on."""

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from supcr_bench.values.case import Case, Pass
from supcr_bench.values.implementation import Implementation
from supcr_bench.values.result import Result, Status

NOTE_NAMES = ("loopy", "broadcast", "rowsort")
"""The note's three implementations."""


def implementation(name: str) -> Implementation:
    """A registered implementation, loaded."""
    module = importlib.import_module(f"supcr_bench.implementations.{name.replace('-', '_')}")
    found: Implementation = module.IMPLEMENTATION
    return found


def build(name: str, temperature: float, weights: Tensor, eps: float = 1e-7) -> Callable[..., Any]:
    """A registered implementation as a module, ready to be called."""
    module: Callable[..., Any] = implementation(name).factory(
        temperature=temperature, weights=weights.detach().clone(), eps=eps
    )
    return module


def note_views() -> tuple[Tensor, Tensor]:
    """The two embeddings of the note's printed example."""
    torch.manual_seed(42)
    return torch.randn(4, 8), torch.randn(4, 8)


NAN = float("nan")
NOTE_LABELS = torch.tensor([[1.2, 2.1], [0.4, NAN], [NAN, 3.2], [1.4, 2.3]])
NOTE_LABELS_NAN_DIMENSION = torch.tensor([[1.2, NAN], [0.4, NAN], [1.8, NAN], [1.4, NAN]])
EQUAL = torch.tensor([1.0, 1.0])
SEVEN_THREE = torch.tensor([0.7, 0.3])
NOTE_OUTPUT = [
    (NOTE_LABELS, EQUAL, 2.3407, (2.5210, 2.1603)),
    (NOTE_LABELS, SEVEN_THREE, 2.4128, (2.5210, 2.1603)),
    (NOTE_LABELS_NAN_DIMENSION, SEVEN_THREE, 2.0708, (2.9582, 0.0)),
]
"""Labels, weights, and the loss and per-dimension losses that the note prints for them."""


def prints_as(value: float, printed: float) -> bool:
    """Whether a float32 result may be printed like that, to four decimals.

    2.9582 stands on a rounding boundary: the exact value is 2.95825039, so beside half a unit in
    the last printed place a few units in the last place of float32 are allowed.
    """
    return abs(value - printed) <= 0.5e-4 + 4 * 2.0**-22


def measured(
    batch_size: int,
    seconds: float | tuple[float, ...] = 1e-3,
    *,
    implementation: str = "one",
    pass_: Pass = "forward",
    **case: Any,
) -> Result:
    """A plain measured result."""
    samples = seconds if isinstance(seconds, tuple) else (float(seconds),) * 6
    return Result(
        implementation=implementation,
        case=Case(batch_size=batch_size, pass_=pass_, **case),
        status=Status.MEASURED,
        time_samples_s=samples,
    )
