"""Makes the input tensors of a workload: as a run has them, or harder ones to verify a loss."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from supcr_bench.values.case import Workload
from supcr_bench.values.definition import Definition

TIED_GRID = 0.5
"""Tied labels are continuous labels rounded to multiples of this: nine levels from -2 to 2."""
Float64 = npt.NDArray[np.float64]
WeightKind = Literal["equal", "unequal", "unnormalised"]


class Stream:
    """A stream of random numbers; streams with different names are independent.

    They are identical on every machine, library version and device. ``torch.randn`` differs between
    vector widths and devices, and NumPy promises the stream of its bit generators but not of its
    distributions. So the raw 64-bit words of Philox (a counter-based generator; Salmon et al.,
    "Parallel random numbers: as easy as 1, 2, 3", SC 2011) are turned into numbers here with exact
    integer arithmetic and powers of two only: nothing is rounded.
    """

    def __init__(self, *names: object) -> None:
        digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
        self._bits = np.random.Philox(key=np.frombuffer(digest[:16], dtype="<u8").astype(np.uint64))

    def words(self, count: int) -> npt.NDArray[np.uint64]:
        return self._bits.random_raw(count).astype(np.uint64)

    def uniform(self, count: int) -> Float64:
        """``count`` numbers in [0, 1), multiples of 2^-53."""
        bits = self.words(count) >> np.uint64(11)
        values: Float64 = bits.astype(np.float64) * 2.0**-53
        return values

    def bell(self, count: int) -> Float64:
        """``count`` numbers of mean 0 and variance 1, nearly normal, exact in float32.

        The sum of twelve uniform 16-bit integers (Irwin-Hall), centred and divided by 2^16.
        """
        quarters = self.words(3 * count).reshape(count, 3)
        shifts = np.array([0, 16, 32, 48], dtype=np.uint64)
        parts = (quarters[:, :, None] >> shifts) & np.uint64(0xFFFF)
        # Each 16-bit integer has mean (2^16 - 1) / 2, so twelve of them have 6 * (2^16 - 1).
        values: Float64 = parts.reshape(count, 12).sum(axis=1).astype(np.float64) - 6 * 0xFFFF
        return values * 2.0**-16

    def choose(self, count: int, of: int) -> npt.NDArray[np.intp]:
        """``count`` different indices below ``of``, in random order."""
        return np.argsort(self.words(of), kind="stable")[:count]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """The inputs of a call: two views [N, d], labels [N, D] with NaN, and weights [D].

    A batch is equal to another one with the same numbers, whatever its name. A loss of one view
    ignores the ``second``; a temperature of ``None`` is that of the definition.
    """

    first: Tensor
    second: Tensor
    labels: Tensor
    weights: Tensor
    temperature: float | None = None
    name: str = ""

    def _numbers(self) -> tuple[object, ...]:
        tensors = (self.first, self.second, self.labels, self.weights)
        contents = (x.detach().contiguous().view(torch.uint8).numpy().tobytes() for x in tensors)
        return self.temperature, *((x.dtype, x.shape) for x in tensors), *contents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Batch) and self._numbers() == other._numbers()

    def __hash__(self) -> int:
        return hash(self._numbers())

    @property
    def dtype(self) -> str:
        return str(self.first.dtype).removeprefix("torch.")

    @property
    def size(self) -> tuple[int, int, int]:
        """N, d and D."""
        return len(self.labels), self.first.shape[1], self.labels.shape[1]

    @property
    def views(self) -> tuple[Tensor, Tensor]:
        return self.first, self.second

    def views_of(self, definition: Definition) -> tuple[Tensor, ...]:
        return self.views[: 1 if definition.views == "single" else 2]

    def copies(self, device: str = "cpu") -> tuple[Tensor, Tensor, Tensor]:
        """Copies of both views and the labels on a device, outside of any autograd graph."""
        first, second, labels = (
            x.detach().clone().to(device) for x in (self.first, self.second, self.labels)
        )
        return first, second, labels

    def changed(self, name: str, **fields: Any) -> "Batch":
        return replace(self, name=f"{self.name}, {name}", **fields)

    def moved(self, name: str, move: Callable[[Tensor], Tensor]) -> "Batch":
        return self.changed(name, first=move(self.first), second=move(self.second))

    def rows(self, index: Tensor | slice) -> "Batch":
        return replace(
            self, first=self.first[index], second=self.second[index], labels=self.labels[index]
        )


def _label_column(kind: str, n: int, seed: int, c: int, missing: int, streams: str = "") -> Float64:
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


def make_labels(workload: Workload) -> Float64:
    """[N, D] labels with NaN: uniform on [-2, 2), or these rounded to ``TIED_GRID``."""
    n, seed = workload.batch_size, workload.seed
    missing = n - workload.labelled_rows
    columns = [_label_column(workload.labels, n, seed, c, missing) for c in range(workload.dims)]
    return np.stack(columns, axis=1)


def draw_rows(table: Float64, workload: Workload) -> Float64:
    """N different rows of the user's labels, which are at least as many, drawn by the seed."""
    return table[Stream("rows", workload.seed).choose(workload.batch_size, of=len(table))]


def _label_dtype(table: Float64, dtype: torch.dtype) -> torch.dtype:
    """The dtype for a file's labels: ``dtype``, or float64 if it would merge different labels."""
    for column in table.T:
        different = torch.from_numpy(np.unique(column[~np.isnan(column)]))
        rounded = different.to(dtype)
        if not bool(rounded.isfinite().all()) or len(np.unique(rounded.double())) < len(different):
            return torch.float64
    return dtype


def make_batch(workload: Workload, table: Float64 | None = None) -> Batch:
    """Make a workload's tensors, drawn on the CPU; ``table`` has the [rows, D] labels of a file."""
    n, d = workload.batch_size, workload.embedding_size
    dtype = getattr(torch, workload.dtype)
    labels = make_labels(workload) if table is None else draw_rows(table, workload)
    label_dtype = dtype if table is None else _label_dtype(table, dtype)

    def embedding(view: str) -> Tensor:
        values = Stream(view, workload.seed).bell(n * d).reshape(n, d)
        if workload.embedding_norm is not None:
            # Unlike np.sum, a running sum adds in the same order on every machine.
            values *= workload.embedding_norm / np.sqrt(np.cumsum(values**2, axis=1)[:, -1:])
        return torch.from_numpy(values).to(dtype).to(workload.device)

    return Batch(
        first=embedding("perturbed"),
        second=embedding("intact"),
        labels=torch.from_numpy(labels).to(label_dtype).to(workload.device),
        weights=torch.ones(workload.dims, dtype=dtype, device=workload.device),
        temperature=workload.temperature,
    )


def make_problem(workload: Workload, weights: WeightKind = "equal") -> Batch:
    """Make inputs to verify a loss with, equal on every machine.

    The rows' norms range from about 1/2 to 2, which exposes a missing normalisation, and dimension
    c lacks c labels more than the density says, if that is not 0. ``unequal`` weights add up to 1,
    ``unnormalised`` ones do not.
    """
    n, d, seed = workload.batch_size, workload.embedding_size, workload.seed
    dtype, density = getattr(torch, workload.dtype), workload.nan_density

    def embedding(view: str) -> Tensor:
        values = Stream(view, seed).bell(n * d).reshape(n, d)
        scale = np.exp2(2 * Stream(view, "norm", seed).uniform(n) - 1)
        return torch.from_numpy(values * scale[:, None] / np.sqrt(d)).to(dtype)

    columns = []
    for c in range(workload.dims):
        missing = min(n - workload.labelled_rows + c, n) if density else 0
        columns.append(_label_column(workload.labels, n, seed, c, missing, streams="verify "))
    shares = torch.ones(workload.dims, dtype=torch.float64)
    if weights != "equal":
        shares = 0.25 + torch.from_numpy(Stream("weights", seed).uniform(workload.dims))
        shares = shares / shares.sum() if weights == "unequal" else 3 * shares
    name = replace(workload, nan_density=density or None).describe()
    return Batch(
        first=embedding("first"),
        second=embedding("second"),
        labels=torch.from_numpy(np.stack(columns, axis=1)).to(dtype),
        weights=shares.to(dtype),
        temperature=workload.temperature,
        name=name if weights == "equal" else f"{name} {weights} weights",
    )
