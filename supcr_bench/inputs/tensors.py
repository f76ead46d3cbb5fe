"""Makes the input tensors for a workload of a run, and for a problem of verification."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from supcr_bench.inputs.random_bits import Stream
from supcr_bench.values.case import Workload
from supcr_bench.values.errors import InputError

TIED_GRID = 0.5
"""Tied labels are continuous labels rounded to multiples of this: nine levels from -2 to 2."""
LabelKind = Literal["continuous", "tied", "clustered", "binary", "constant"]
WeightKind = Literal["equal", "unequal", "unnormalised"]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """The tensors that all implementations get: two views [N, d] and labels [N, D] with NaN."""

    perturbed: Tensor
    intact: Tensor
    labels: Tensor
    weights: Tensor

    def clear_gradients(self) -> None:
        self.perturbed.grad = None
        self.intact.grad = None

    def copy(self) -> "Batch":
        return Batch(
            self.perturbed.detach().clone().requires_grad_(),
            self.intact.detach().clone().requires_grad_(),
            self.labels.clone(),
            self.weights.clone(),
        )


def nan_count(batch_size: int, nan_density: float) -> int:
    """The exact number of missing labels in each dimension. Halves round to even."""
    return round(batch_size * nan_density)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemSpec:
    """The sizes and kinds of data from which a problem is made.

    Attributes:
        nan_density: share of labels missing in each dimension; dimension c has c more missing
            labels, so that the numbers differ between dimensions.
        labels: continuous (uniform on [-2, 2)), tied (rounded to a grid), clustered (a few far
            clusters with small spread), binary, or constant.
        weights: equal, unequal but adding up to 1, or unequal and not adding up to 1.
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
    """The inputs of one call in verification; a definition with one view ignores ``second``.

    Equal to another with the same numbers, whatever its name.
    """

    first: Tensor
    second: Tensor
    labels: Tensor
    weights: Tensor
    temperature: float
    name: str

    def _numbers(self) -> tuple[object, ...]:
        tensors = (self.first, self.second, self.labels, self.weights)
        contents = (x.detach().contiguous().view(torch.uint8).numpy().tobytes() for x in tensors)
        return self.temperature, *((x.dtype, x.shape) for x in tensors), *contents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Problem) and self._numbers() == other._numbers()

    def __hash__(self) -> int:
        return hash(self._numbers())

    @property
    def dtype(self) -> str:
        return str(self.first.dtype).removeprefix("torch.")

    @property
    def size(self) -> tuple[int, int, int]:
        return len(self.labels), self.first.shape[1], self.labels.shape[1]

    @property
    def embedding_size(self) -> int:
        return self.first.shape[1]

    @property
    def views(self) -> tuple[Tensor, Tensor]:
        return self.first, self.second

    def copies(self, device: str = "cpu") -> tuple[Tensor, Tensor, Tensor]:
        """Copies of both views and the labels on a device, which no autograd graph contains."""
        first, second, labels = (
            x.detach().clone().to(device) for x in (self.first, self.second, self.labels)
        )
        return first, second, labels

    def changed(self, name: str, **fields: Any) -> "Problem":
        """A copy with some tensors replaced, and another name."""
        return replace(self, name=f"{self.name}, {name}", **fields)

    def moved(self, name: str, move: Callable[[Tensor], Tensor]) -> "Problem":
        """A copy with both views changed alike."""
        return self.changed(name, first=move(self.first), second=move(self.second))

    def rows(self, index: Tensor | slice) -> "Problem":
        return replace(
            self,
            first=self.first[index],
            second=self.second[index],
            labels=self.labels[index],
        )


def _label_column(
    kind: str, n: int, seed: int, c: int, missing: int, streams: str = ""
) -> npt.NDArray[np.float64]:
    """[N] labels of dimension c; ``streams`` prefixes the names of the random streams."""
    uniform = Stream(f"{streams}labels", seed, c).uniform(n)
    column = 4 * uniform - 2
    if kind == "constant":
        column = np.full(n, 0.75)
    elif kind == "binary":
        column = (uniform > 0.5).astype(np.float64)
    elif kind == "tied":
        column = np.round(column / TIED_GRID) * TIED_GRID
    elif kind == "clustered":
        column = np.floor(column) + 2.0**-10 * Stream("spread", seed, c).uniform(n)
    if missing:
        column[Stream(f"{streams}nan", seed, c).choose(missing, of=n)] = np.nan
    return column


def make_labels(workload: Workload) -> npt.NDArray[np.float64]:
    """[N, D] labels with NaN: uniform on [-2, 2), or these rounded to ``TIED_GRID``."""
    n, seed = workload.batch_size, workload.seed
    missing = nan_count(n, workload.nan_density or 0.0)
    columns = [_label_column(workload.labels, n, seed, c, missing) for c in range(workload.dims)]
    return np.stack(columns, axis=1)


def draw_rows(table: npt.NDArray[np.float64], workload: Workload) -> npt.NDArray[np.float64]:
    """N different rows of the user's labels, drawn by the seed; InputError if there are fewer."""
    if workload.batch_size > len(table):
        raise InputError(
            f"the labels file has {len(table)} rows, fewer than a batch of {workload.batch_size}; "
            f"use --batch-size up to {len(table)}"
        )
    return table[Stream("rows", workload.seed).choose(workload.batch_size, of=len(table))]


def _label_dtype(table: npt.NDArray[np.float64], dtype: torch.dtype) -> torch.dtype:
    """The dtype for a file's labels: ``dtype``, or float64 if it would merge different labels."""
    for column in table.T:
        different = torch.from_numpy(np.unique(column[~np.isnan(column)]))
        rounded = different.to(dtype)
        if not bool(rounded.isfinite().all()) or len(np.unique(rounded.double())) < len(different):
            return torch.float64
    return dtype


def make_batch(workload: Workload, table: npt.NDArray[np.float64] | None = None) -> Batch:
    """Make the tensors of a workload; ``table`` has the [rows, D] labels of a labels file.

    All numbers are drawn on the CPU and then moved, so that they do not depend on the device.
    """
    n, d = workload.batch_size, workload.embedding_size
    dtype = getattr(torch, workload.dtype)
    labels = make_labels(workload) if table is None else draw_rows(table, workload)
    label_dtype = dtype if table is None else _label_dtype(table, dtype)

    def embedding(view: str) -> Tensor:
        values = Stream(view, workload.seed).bell(n * d).reshape(n, d)
        if workload.embedding_norm is not None:
            # Unlike np.sum, a running sum adds in the same order on every machine.
            values *= workload.embedding_norm / np.sqrt(np.cumsum(values**2, axis=1)[:, -1:])
        tensor = torch.from_numpy(values).to(dtype).to(workload.device)
        return tensor.requires_grad_()

    return Batch(
        perturbed=embedding("perturbed"),
        intact=embedding("intact"),
        labels=torch.from_numpy(labels).to(label_dtype).to(workload.device),
        weights=torch.ones(workload.dims, dtype=dtype, device=workload.device),
    )


def make_problem(spec: ProblemSpec) -> Problem:
    """Make the problem of a specification, equal on every machine."""
    n, d, seed = spec.n, spec.d, spec.seed
    dtype = getattr(torch, spec.dtype)

    def embedding(view: str) -> Tensor:
        # The rows' norms range from about 1/2 to 2, which exposes a missing normalisation.
        values = Stream(view, seed).bell(n * d).reshape(n, d)
        scale = np.exp2(2 * Stream(view, "norm", seed).uniform(n) - 1)
        return torch.from_numpy(values * scale[:, None] / np.sqrt(d)).to(dtype)

    columns = []
    for c in range(spec.dims):
        missing = min(nan_count(n, spec.nan_density) + c, n) if spec.nan_density else 0
        columns.append(_label_column(spec.labels, n, seed, c, missing, streams="verify "))
    weights = torch.ones(spec.dims, dtype=torch.float64)
    if spec.weights != "equal":
        weights = 0.25 + torch.from_numpy(Stream("weights", seed).uniform(spec.dims))
        weights = weights / weights.sum() if spec.weights == "unequal" else 3 * weights
    return Problem(
        first=embedding("first"),
        second=embedding("second"),
        labels=torch.from_numpy(np.stack(columns, axis=1)).to(dtype),
        weights=weights.to(dtype),
        temperature=spec.temperature,
        name=spec.describe(),
    )
