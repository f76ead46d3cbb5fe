"""The arguments of a test: the implementation, the case and the limits."""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from supcr_bench.subjects.registry import load, locate
from supcr_bench.sweep.suite import DEFAULT_AXES, Axes, explain
from supcr_bench.values.case import PASSES, Pass, Workload
from supcr_bench.values.definition import AUTO
from supcr_bench.values.errors import UsageError
from supcr_bench.values.implementation import Implementation
from supcr_bench.values.units import parse_bytes


def find_implementation(given: object, folder: Path) -> Implementation:
    """The implementation that a test gives or names; ``folder`` is where relative paths start."""
    if isinstance(given, Implementation):
        return given
    if isinstance(given, str):
        path, _, attribute = given.rpartition(":")
        beside = folder / path
        if path.endswith(".py") and beside.is_file():
            return load(replace(locate(f"{beside}:{attribute}"), name=given))
        return load(locate(given))
    if not callable(given):
        raise UsageError(f"{given!r} is not an implementation: give a class, a factory or a name")
    name = getattr(given, "__name__", type(given).__name__)
    return Implementation(name=name, title=name, source="a test", definition=AUTO, factory=given)


def make_workload(axes: Mapping[str, Any], *, seed: int) -> tuple[Workload, Pass]:
    """The workload and the pass (forward or training); axes left out have default values."""
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise UsageError(f"seed: {seed!r} is not valid; use a whole number of 0 or more")
    for name, given in axes.items():
        if isinstance(given, list | tuple):
            raise UsageError(f"{name} takes one value; use pytest.mark.parametrize for several")
    try:
        given = {name: value for name, value in axes.items() if value is not None}
        whole = Axes.model_validate({"pass": "training", **given}).over(DEFAULT_AXES)
    except ValidationError as error:
        raise UsageError(explain(error, lambda location: location.split("[")[0])) from None
    values = {f.name: getattr(whole, f.name) for f in fields(Workload) if hasattr(whole, f.name)}
    workload = Workload(**{name: given[0] for name, given in values.items() if given}, seed=seed)
    return workload, (whole.pass_ or PASSES)[0]


def read_limits(peak_bytes: object, launches: object, elements: object) -> dict[str, int]:
    """The limits that a test sets, by name; bytes are a number or a text like ``"4MiB"``."""
    given = {
        "peak_bytes": (peak_bytes, _bytes),
        "launches": (launches, _count),
        "elements": (elements, _count),
    }
    limits = {}
    for name, (value, read) in given.items():
        try:
            if value is not None:
                limits[name] = read(value)
        except ValueError as error:
            raise UsageError(f"max_{name}: {error}") from None
    return limits


def _bytes(given: object) -> int:
    return given if given == 0 and isinstance(given, int) else parse_bytes(str(given))


def _count(given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise ValueError(f"{given!r} is not valid; use a whole number of 0 or more")
    return given
