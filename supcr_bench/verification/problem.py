"""The inputs of one call in verification: tensors, weights and a temperature."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from supcr_bench.inputs.random_bits import Stream
from supcr_bench.inputs.tensors import TIED_GRID, nan_count
from supcr_bench.values.case import UNIT_ROUNDOFF

LabelKind = Literal["continuous", "tied", "clustered", "binary", "constant"]
WeightKind = Literal["equal", "unequal", "unnormalised"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemSpec:
    """Everything that a problem is made from, so that it can be made again anywhere.

    Attributes:
        n: rows.
        d: columns of an embedding.
        dims: label dimensions.
        nan_density: share of labels missing in each dimension, exact in count; dimension c misses
            c more, so that the dimensions differ in it.
        labels: continuous (uniform on [-2, 2)), tied (rounded to a grid), clustered (a few far
            clusters with small spread), binary, or constant.
        weights: equal, unequal but adding up to 1, or unequal and not adding up to 1.
        temperature: tau.
        dtype: the dtype of all tensors.
        seed: random seed.
    """

    n: int
    d: int = 8
    dims: int = 1
    nan_density: float = 0.0
    labels: LabelKind = "continuous"
    weights: WeightKind = "equal"
    temperature: float = 0.1
    dtype: str = "float32"
    seed: int = 0

    def describe(self) -> str:
        parts = [f"N={self.n}", f"d={self.d}", f"D={self.dims}"]
        if self.nan_density:
            parts.append(f"NaN {self.nan_density:.0%}")
        if self.labels != "continuous":
            parts.append(f"{self.labels} labels")
        if self.weights != "equal":
            parts.append(f"{self.weights} weights")
        parts.append(f"tau={self.temperature:g}")
        if self.dtype != "float32":
            parts.append(self.dtype)
        return " ".join(parts)


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """The inputs of one call.

    Attributes:
        first: [N, d], the first view (perturbed).
        second: [N, d], the second view (intact); ignored where a definition has a single view.
        labels: [N, D], NaN where missing.
        weights: [D].
        temperature: tau.
        name: a short description.
        spec: what it was made from, unless it was put together by hand.
    """

    first: Tensor
    second: Tensor
    labels: Tensor
    weights: Tensor
    temperature: float
    name: str
    spec: ProblemSpec | None = None

    @property
    def dtype(self) -> str:
        return str(self.first.dtype).removeprefix("torch.")

    @property
    def unit_roundoff(self) -> float:
        return UNIT_ROUNDOFF[self.dtype]

    @property
    def size(self) -> tuple[int, int, int]:
        return len(self.labels), self.first.shape[1], self.labels.shape[1]

    @property
    def embedding_size(self) -> int:
        return self.first.shape[1]

    def changed(self, name: str, **fields: Any) -> "Problem":
        """A copy with some tensors replaced, and another name."""
        return replace(self, name=f"{self.name}, {name}", spec=None, **fields)

    def rows(self, index: Tensor) -> "Problem":
        return replace(
            self,
            first=self.first[index],
            second=self.second[index],
            labels=self.labels[index],
            spec=None,
        )


def _label_column(spec: ProblemSpec, c: int) -> npt.NDArray[np.float64]:
    uniform = Stream("verify labels", spec.seed, c).uniform(spec.n)
    if spec.labels == "constant":
        return np.full(spec.n, 0.75)
    if spec.labels == "binary":
        return (uniform > 0.5).astype(np.float64)
    column = 4 * uniform - 2
    if spec.labels == "tied":
        return np.round(column / TIED_GRID) * TIED_GRID
    if spec.labels == "clustered":
        spread: npt.NDArray[np.float64] = 2.0**-10 * Stream("spread", spec.seed, c).uniform(spec.n)
        return np.floor(column) + spread
    return column


def make_problem(spec: ProblemSpec) -> Problem:
    """The problem of a specification: the same on every machine."""
    dtype = getattr(torch, spec.dtype)

    def embedding(view: str) -> Tensor:
        # Rows of norms from 1/2 to 2 or so: a missing normalisation is detected.
        values = Stream(view, spec.seed).bell(spec.n * spec.d).reshape(spec.n, spec.d)
        scale = np.exp2(2 * Stream(view, "norm", spec.seed).uniform(spec.n) - 1)
        return torch.from_numpy(values * scale[:, None] / np.sqrt(spec.d)).to(dtype)

    columns = []
    for c in range(spec.dims):
        column = _label_column(spec, c)
        if spec.nan_density:
            count = min(nan_count(spec.n, spec.nan_density) + c, spec.n)
            column[Stream("verify nan", spec.seed, c).choose(count, of=spec.n)] = np.nan
        columns.append(column)
    weights = torch.ones(spec.dims, dtype=torch.float64)
    if spec.weights != "equal":
        weights = 0.25 + torch.from_numpy(Stream("weights", spec.seed).uniform(spec.dims))
        weights = weights / weights.sum() if spec.weights == "unequal" else 3 * weights
    return Problem(
        first=embedding("first"),
        second=embedding("second"),
        labels=torch.from_numpy(np.stack(columns, axis=1)).to(dtype),
        weights=weights.to(dtype),
        temperature=spec.temperature,
        name=spec.describe(),
        spec=spec,
    )
