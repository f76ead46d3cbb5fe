"""A workload, and the case of one implementation on it: the key by which results are joined."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache
from operator import attrgetter
from typing import Any, Self

from supcr_bench.values.axes import DEFAULTS_OF_ADDED, WORKLOAD_AXES, Axis, device_name
from supcr_bench.values.axes import DTYPES as DTYPES
from supcr_bench.values.axes import LABEL_KINDS as LABEL_KINDS
from supcr_bench.values.axes import PASSES as PASSES
from supcr_bench.values.axes import Pass as Pass
from supcr_bench.values.definition import DEFINITIONS, TORCHCELL, Definition, current_name

TOLD_APART = ("dtype", "temperature", "device")
"""Axes whose usual value a title names where it stands beside others."""
UNIT_ROUNDOFF = dict(zip(DTYPES, (2.0**-24, 2.0**-53, 2.0**-11, 2.0**-8), strict=True))
ITEM_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True, kw_only=True)
class Workload:
    """The input tensors that all implementations measured together share: a value of each axis."""

    batch_size: int
    nan_density: float | None = 0.0
    dims: int = 1
    embedding_size: int = 64
    dtype: str = "float32"
    temperature: float | None = None
    labels: str = "continuous"
    device: str = "cpu"
    seed: int = 0
    ranks: int = 1
    embedding_norm: float | None = None

    @property
    def labelled_rows(self) -> int:
        """The number of rows with a label in each dimension; all rows for labels from a file.

        It is exact: the missing labels are their share of the rows, and halves round to even.
        """
        return self.batch_size - round((self.nan_density or 0.0) * self.batch_size)

    @property
    def label_kind(self) -> str:
        """``continuous``, ``tied`` or ``file``, without the digest of a file."""
        return self.labels.split(":")[0]

    @property
    def workload(self) -> "Workload":
        return self

    def series(self) -> tuple[object, ...]:
        """The key of a series: a workload without its batch size N and its definition."""
        found: tuple[object, ...] = _SERIES(self)
        return found

    def describe(self, without: Axis | None = None, among: Collection["Workload"] = ()) -> str:
        """The axes that are not usual, and those of ``TOLD_APART`` that vary ``among`` others."""
        varied = frozenset(n for n in TOLD_APART if len({getattr(w, n) for w in among}) > 1)
        return _described(self.workload, without, varied)

    def describe_series(self, among: Collection["Workload"] = ()) -> str:
        return self.describe(among=among).partition(" ")[2]


WORKLOAD_FIELDS = tuple(f.name for f in fields(Workload))
_VALUES = attrgetter(*(axis.field for axis in WORKLOAD_AXES))
_SERIES_FIELDS = tuple(name for name in WORKLOAD_FIELDS if name != "batch_size")
_SERIES = attrgetter(*_SERIES_FIELDS)


@dataclass(frozen=True, kw_only=True)
class Case(Workload):
    """A workload, a pass (forward or training), and a definition (which loss of the family).

    Attributes:
        own_temperature: whether that tau is the default of the definition or the implementation
            instead of a value of the axis; times under different defaults are compared.
        pass_: ``forward`` with its graph kept, or ``training``, forward and backward; stored under
            the name ``pass``.
    """

    temperature: float = TORCHCELL.temperature
    definition: str = TORCHCELL.name
    own_temperature: bool = field(default=False, compare=False)
    pass_: Pass = "forward"

    @classmethod
    def of(cls, workload: Workload, pass_: Pass, definition: Definition = TORCHCELL) -> "Case":
        values = {name: getattr(workload, name) for name in WORKLOAD_FIELDS}
        own = workload.temperature is None
        if own:
            values["temperature"] = definition.temperature
        return cls(**values, definition=definition.name, own_temperature=own, pass_=pass_)

    @property
    def case(self) -> "Case":
        return self

    @cached_property
    def shared(self) -> "Case":
        """The key by which times and bytes are compared, whatever definition was computed.

        The key's definition is torchcell, with torchcell's temperature unless the axis sets one.
        """
        usual = {"definition": TORCHCELL.name, "temperature": TORCHCELL.temperature}
        return replace(self, **usual if self.own_temperature else {"definition": TORCHCELL.name})

    def series(self) -> tuple[object, ...]:
        found, at = Workload.series(self), _SERIES_FIELDS.index("temperature")
        return (*found[:at], None, *found[at + 1 :]) if self.own_temperature else found

    @cached_property
    def workload(self) -> Workload:
        found = Workload(**{name: getattr(self, name) for name in WORKLOAD_FIELDS})
        return replace(found, temperature=None) if self.own_temperature else found

    @property
    def id(self) -> str:
        """A word such as ``training-N64-D2-nan0.2``, for tests and benchmarks.

        Usual values are left out. Different cases have different ids, and ``pytest -k`` accepts
        an id.
        """
        named = re.sub(r"[^\w.]+", "-", self.definition)
        definition = "" if self.definition == TORCHCELL.name else named
        axes = (a.word(v) for a in WORKLOAD_AXES if (v := a.of(self)) not in a.usual)
        seed = f"seed{self.seed}" if self.seed else ""
        return "-".join(filter(None, (self.pass_, *axes, definition, seed)))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Read the case of a result; old ones lack ``own_temperature`` and axes added later."""
        known = {**DEFAULTS_OF_ADDED, **values}
        workload = {key: known[key] for key in WORKLOAD_FIELDS}
        workload["device"] = device_name(workload["device"])
        name = current_name(values["definition"])
        default = DEFINITIONS[name].temperature if name in DEFINITIONS else None
        return cls(
            **workload,
            definition=name,
            own_temperature=values.get("own_temperature", values["temperature"] == default),
            pass_=values["pass"],
        )

    def to_mapping(self) -> dict[str, Any]:
        return {f.name.rstrip("_"): getattr(self, f.name) for f in fields(self)}


@lru_cache(maxsize=8192)  # tables and fits ask for the same few cases again and again
def _described(workload: Workload, without: Axis | None, varied: frozenset[str]) -> str:
    phrases = (
        axis.phrase(value)
        for axis, value in zip(WORKLOAD_AXES, _VALUES(workload), strict=True)
        if axis is not without
        and (value not in axis.usual or (axis.name in varied and value is not None))
    )
    return " ".join(filter(None, phrases))
