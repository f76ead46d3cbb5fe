"""A workload, a pass over it, and the case that both make: the key that results are joined by."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

Pass = Literal["forward", "training"]
PASSES: tuple[Pass, ...] = ("forward", "training")
DTYPES = ("float32", "float64", "float16", "bfloat16")
LABEL_KINDS = ("continuous", "tied")
UNIT_ROUNDOFF = {
    "float64": 2.0**-53,
    "float32": 2.0**-24,
    "float16": 2.0**-11,
    "bfloat16": 2.0**-8,
}

ITEM_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What the tensors are: every implementation of a cell meets the same ones.

    Attributes:
        batch_size: N, rows.
        nan_density: share of labels missing in each dimension, exact in count
            (``round(nan_density * N)``); ``None`` when a labels file brings its own.
        dims: D, label dimensions.
        embedding_size: d, columns of an embedding.
        dtype: of embeddings and labels.
        temperature: tau.
        labels: ``continuous``, ``tied``, or ``file:<digest>`` for rows of a person's own file.
        device: where the tensors live.
        seed: of everything random in them.
        definition: the name of the definition that the reference follows.
        ranks: W, processes that share out the rows, each with its own; 1 for one process alone.
    """

    batch_size: int
    nan_density: float | None = 0.0
    dims: int = 1
    embedding_size: int = 64
    dtype: str = "float32"
    temperature: float = 0.1
    labels: str = "continuous"
    device: str = "cpu"
    seed: int = 0
    definition: str = "torchcell"
    ranks: int = 1

    @property
    def labelled_rows(self) -> int:
        """Rows of each dimension that have a label: what the loss is really computed over.

        All of them where a labels file brings its own missing values.
        """
        return self.batch_size - round((self.nan_density or 0.0) * self.batch_size)

    @property
    def label_kind(self) -> str:
        """``continuous``, ``tied`` or ``file``, without the digest of a file."""
        return self.labels.split(":")[0]

    def series(self) -> tuple[object, ...]:
        """Everything but the batch size: workloads of one series differ only in N."""
        return tuple(getattr(self, f.name) for f in fields(Workload) if f.name != "batch_size")

    def describe(self) -> str:
        """The workload in a short line, naming only what is not obvious."""
        return f"N={self.batch_size} {self.describe_series()}"

    def describe_series(self) -> str:
        """What the workload shares with others of its series, naming only what is not obvious."""
        parts = [f"D={self.dims}"]
        if self.nan_density is not None:
            parts.append(f"NaN {self.nan_density:.0%}")
        if self.labels != "continuous":
            parts.append(self.label_kind + " labels")
        if self.dtype != "float32":
            parts.append(self.dtype)
        if self.temperature != 0.1:
            parts.append(f"tau={self.temperature:g}")
        if self.device != "cpu":
            parts.append(self.device)
        if self.ranks > 1:
            parts.append(f"{self.ranks} ranks")
        return " ".join(parts)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """The value from a mapping, which may hold other keys; ``ranks`` may be missing."""
        return cls(**{f.name: {"ranks": 1, **values}[f.name] for f in fields(cls)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Case(Workload):
    """A workload and a pass: forward with its graph kept, or forward and backward.

    Attributes:
        pass_: ``forward`` or ``training``; stored under the name ``pass``.
    """

    pass_: Pass = "forward"

    @classmethod
    def of(cls, workload: Workload, pass_: Pass) -> "Case":
        """The case of that workload and pass."""
        values = {f.name: getattr(workload, f.name) for f in fields(Workload)}
        return cls(**values, pass_=pass_)

    @property
    def workload(self) -> Workload:
        """The workload of this case."""
        return Workload(**{f.name: getattr(self, f.name) for f in fields(Workload)})
