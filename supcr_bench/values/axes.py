"""The axes (parameters) of a case; suites, the command line, tables and ids loop over them.

To add an axis: an entry here, a field of that name in ``Workload``, and its effect in
``supcr_bench/inputs/tensors.py``.
"""

import math
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from supcr_bench.values.errors import UnknownNameError

Pass = Literal["forward", "training"]
PASSES: tuple[Pass, ...] = ("forward", "training")
DTYPES = ("float32", "float64", "float16", "bfloat16")
LABEL_KINDS = ("continuous", "tied")


def _plain(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, int | float) else str(value)


Reader = tuple[str, Callable[[Any], Any], Callable[[Any], object]]
"""The valid values in words; a function that parses one from TOML or the command line; and one that
says whether the parsed value is valid."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One parameter that a suite can vary.

    Attributes:
        name: the key in suites, on the command line and in stored results.
        label: its name in sentences and headings.
        short: the head of a table's column.
        default: the values of a grid that does not name the axis; empty for ``None``, not set.
        usual: common values, which descriptions and ids leave out.
        mark: what stands before a number in an id, if not ``short``.
        form: formats a value for a description, instead of the symbol.
        compared: whether reports show what the axis changes, with everything else equal.
        from_labels: whether a labels file fixes its value.
        added: whether older versions did not store the key; their results get the default.
    """

    name: str
    label: str
    short: str
    default: tuple[Any, ...]
    reader: Reader
    usual: tuple[Any, ...] = ()
    text: Callable[[Any], str] = _plain
    mark: str = ""
    form: str = ""
    compared: bool = False
    from_labels: bool = False
    added: bool = False

    @property
    def field(self) -> str:
        """The name of the attribute: ``pass_`` for ``pass``."""
        return f"{self.name}_" if self.name == "pass" else self.name

    @property
    def fix(self) -> str:
        return f"use {self.reader[0]}"

    def read(self, value: object) -> Any:
        """A value of TOML, an option or a stored result; raises a ValueError if it is not valid."""
        _, parse, is_valid = self.reader
        with suppress(TypeError, ValueError, OverflowError):
            found = parse(value)
            if not isinstance(value, bool) and is_valid(found):
                return found
        raise ValueError(f"{value!r} is not valid; {self.fix}")

    @property
    def id(self) -> str:
        return self.name.replace("_", "-")

    @property
    def symbol(self) -> str:
        """The text before a number in an id and a description; empty for a value that is text."""
        return "" if self.reader[1] in (str, device_name) else self.mark or self.short

    def of(self, case: object) -> Any:
        return getattr(case, self.field)

    def phrase(self, value: Any) -> str:
        """The value as a description writes it: ``NaN 20%``."""
        form = self.form or (f"{self.symbol}={{}}" if self.symbol else "{}")
        return form.format(self.text(value))

    def word(self, value: Any) -> str:
        """The value as an id writes it, exact and without spaces and colons: ``nan0.2``."""
        exact = f"{value:.15g}" if isinstance(value, float) else value
        return f"{self.symbol}{exact}".replace(":", "-")


def _count(value: Any) -> float:
    number = float(value)
    return int(number) if number.is_integer() else math.nan


def _whole(least: int) -> Reader:
    return f"whole numbers of {least} or more", _count, lambda n: n >= least


def _one_of(*known: str) -> Reader:
    return ", ".join(known), str, known.__contains__


_share: Reader = ("numbers from 0 to 1", lambda n: float(n) + 0.0, lambda n: 0 <= n <= 1)  # no -0
_above_zero: Reader = ("numbers above 0", float, lambda n: 0 < n < math.inf)


def device_name(name: object) -> str:
    """The name of a device by which results are joined: ``cuda:0`` is ``cuda``."""
    return str(name).removesuffix(":0")


_device: Reader = (
    "names such as cpu, cuda, cuda:1, mps",
    device_name,
    re.compile(r"[a-z]+(:\d+)?").fullmatch,
)

AXES = (
    Axis("batch_size", "batch size", "N", (64,), _whole(2)),
    Axis("dims", "label dimensions", "D", (1,), _whole(1), compared=True, from_labels=True),
    Axis(
        "nan_density",
        "missing labels",
        "NaN",
        (0.0,),
        _share,
        (None,),
        text=lambda share: "own" if share is None else f"{100 * share:.4g}%",
        mark="nan",
        form="NaN {}",
        compared=True,
        from_labels=True,
    ),
    Axis(
        "labels",
        "labels",
        "labels",
        ("continuous",),
        _one_of(*LABEL_KINDS),
        ("continuous",),
        text=lambda labels: "own" if labels.startswith("file") else labels,
        form="{} labels",
        from_labels=True,
    ),
    Axis("embedding_size", "embedding size", "d", (64,), _whole(1), (64,)),
    Axis(
        "embedding_norm",
        "norm of the embeddings",
        "norm",
        (),
        _above_zero,
        (None,),
        text=lambda norm: "as drawn" if norm is None else _plain(norm),
        form="norm {}",
        compared=True,
        added=True,
    ),
    Axis(
        "dtype", "precision", "dtype", ("float32",), _one_of(*DTYPES), ("float32",), compared=True
    ),
    Axis("temperature", "temperature", "tau", (), _above_zero, (None, 0.1), compared=True),
    Axis("device", "device", "device", ("cpu",), _device, ("cpu",)),
    Axis(
        "ranks", "ranks", "ranks", (1,), _whole(1), (1,), form="{} ranks", compared=True, added=True
    ),
    Axis("pass", "pass", "pass", PASSES, _one_of(*PASSES)),
)
"""All axes, in the order in which a description names them."""
WORKLOAD_AXES = tuple(axis for axis in AXES if axis.name != "pass")
"""The axes that define the tensors, which all implementations on a workload share."""
AXIS_NAMES = tuple(axis.name for axis in AXES)
DEFAULTS_OF_ADDED = {axis.field: (*axis.default, None)[0] for axis in AXES if axis.added}
"""Defaults of the axes that older versions did not store in results."""


def get_axis(name: str) -> Axis:
    """The axis of that name, which may have hyphens; raises an UnknownNameError if none."""
    try:
        return AXES[AXIS_NAMES.index(name.replace("-", "_"))]
    except ValueError:
        raise UnknownNameError("axis", name, AXIS_NAMES) from None
