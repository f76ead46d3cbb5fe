"""Suites: TOML files with axes, budgets and a description, validated on loading.

A suite holds one or more grids. Each ``[[grid]]`` gives all combinations of the values of its axes.
An axis that a grid does not name has the values in ``[axes]``, or else those in ``values/axes.py``.
An axis given on the command line replaces it in every grid.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    create_model,
    field_validator,
)

from supcr_bench.subjects.registry import is_selection, locate, select
from supcr_bench.values.axes import AXES, AXIS_NAMES, Axis
from supcr_bench.values.cell import MOST_PROCESSES, Budget
from supcr_bench.values.definition import AUTO, DEFINITIONS, Definition, get_definition
from supcr_bench.values.errors import SuiteError, UnknownNameError
from supcr_bench.values.files import read_bytes
from supcr_bench.values.units import parse_bytes, parse_duration_s, parse_fraction

PACKAGE = "supcr_bench.suites"

SHARES = ("max_slowdown", "max_memory_growth", "max_work_growth")
_FIXES = {axis.name: axis.fix for axis in AXES} | {
    "implementations": "use names of `supcr-bench list`, tag:TAG or all",
    "without": "use names of implementations or tag:TAG",
    "definition": f"use {', '.join(DEFINITIONS)} or one of [definitions]; paper is no-self now",
    "seed": "use a whole number of 0 or more",
    "time_limit": "write it like 10s, 500ms or 2min",
    "sampling": "write it like 10s, 500ms or 2min",
    "memory_limit": "write it like 4GiB or 500MB; a worker itself needs 64MiB",
    "precision": "use a fraction above 0 and below 1",
    "threads": "use a whole number; 0 takes every core but one",
    "processes": "use a whole number from 1 to 100",
    "purpose": "say in a sentence what the suite is for",
    **dict.fromkeys(SHARES, "write it like 5%"),
    "grid": "write one or more [[grid]] tables",
    "base": "use torchcell, no-self (which was called paper) or rank-n-contrast",
    "eps": "use a number of 0 or more; 0 means no floor",
    "definitions": "write a table for each, such as [definitions.mine]",
}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


_AnyModel = TypeVar("_AnyModel", bound=_Model)

DEFAULT_BUDGET = Budget()


def _not_a_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a boolean is not a number")  # noqa: TRY004 - pydantic wants this one
    return value


Integer = Annotated[int, BeforeValidator(_not_a_boolean)]
_Listed = BeforeValidator(lambda value: value if isinstance(value, list | tuple) else [value])
_Selected = AfterValidator(lambda names: None if names is None else select(names))
"""Replaces ``all`` and ``tag:TAG`` by names; raises an UnknownNameError if nothing has a tag."""


def _parsed(parse: Callable[[str], Any]) -> BeforeValidator:
    return BeforeValidator(
        lambda value: parse(str(value)) if isinstance(value, str | int | float) else value
    )


Share = Annotated[float | None, _parsed(parse_fraction)]


def _field(axis: Axis) -> Any:
    value = Annotated[Any, BeforeValidator(axis.read)]
    listed = Annotated[tuple[value, ...] | None, _Listed]
    return listed, Field(default=None, min_length=1, alias=axis.name)


_axis_values: Any = create_model(
    "_AxisValues", __base__=_Model, **{axis.field: _field(axis) for axis in AXES}
)


class Axes(_axis_values, _Model):  # type: ignore[misc]
    """The values of each axis; an axis that is ``None`` has those of the suite or the defaults.

    ``timed`` says whether calls are timed, besides being compared with the reference and counted.
    ``without`` names implementations that the grid leaves out, such as one that is too slow. The
    ``max_`` shares, written like ``10%``, limit how much worse the gate lets its cases become.
    """

    timed: StrictBool | None = None
    without: Annotated[tuple[str, ...] | None, _Listed, _Selected] = None
    max_slowdown: Share = None
    max_memory_growth: Share = None
    max_work_growth: Share = None

    @property
    def allowed(self) -> dict[str, float]:
        found = {name: getattr(self, name) for name in SHARES}
        return {name: share for name, share in found.items() if share is not None}

    def values(self, axis: Axis) -> tuple[Any, ...]:
        return getattr(self, axis.field) or ()

    def over(self, other: "Axes") -> "Axes":
        own = self.model_dump(exclude_none=True, by_alias=True)
        return Axes.model_validate({**other.model_dump(exclude_none=True, by_alias=True), **own})


DEFAULT_AXES = Axes.model_validate(
    {axis.name: axis.default for axis in AXES if axis.default} | {"timed": True}
)

_literals: dict[str, Any] = {
    f.name: f.type for f in fields(Definition) if get_origin(f.type) is Literal
}
_optional: dict[str, Any] = {name: (known | None, None) for name, known in _literals.items()}
_choices: Any = create_model("_Choices", __base__=_Model, **_optional)


class OwnDefinition(_choices, _Model):  # type: ignore[misc]
    """A user's definition (which loss to compute): a shipped one with some choices changed."""

    base: Literal["torchcell", "no-self", "rank-n-contrast"]
    eps: Annotated[float, Field(ge=0)] | None = None
    temperature: Annotated[float, Field(gt=0)] | None = None

    def to_definition(self, name: str) -> Definition:
        changes = self.model_dump(exclude_none=True, exclude={"base"})
        if "eps" in changes:
            changes["eps"] = changes["eps"] or None
        return replace(get_definition(self.base), name=name, **changes)


class Budgets(_Model):
    """The time and memory that a suite allows, written like ``10s`` or ``4GiB``.

    ``processes`` is the number of processes that time calls, one after the other.
    """

    time_limit: Annotated[float, _parsed(parse_duration_s)] = DEFAULT_BUDGET.time_limit_s
    memory_limit: Annotated[Annotated[int, Field(ge=2**26)] | None, _parsed(parse_bytes)] = None
    sampling: Annotated[float, _parsed(parse_duration_s)] = DEFAULT_BUDGET.sampling_s
    precision: Annotated[float, Field(gt=0, lt=1)] = DEFAULT_BUDGET.precision
    threads: Annotated[Integer, Field(ge=0)] = 0
    processes: Annotated[Integer, Field(ge=1, le=MOST_PROCESSES)] = DEFAULT_BUDGET.processes


class Suite(_Model):
    """The content of a suite file.

    Attributes:
        implementations: names to run unless the command line names others; in a file ``all`` and
            ``tag:TAG`` stand for several.
        definitions: the user's definitions, which ``--definition NAME`` accepts too.
        definition: the one with which all are compared; ``None`` for the one that each declares,
            and ``auto`` to recognise it by the values.
        grid: the grids; without any, the shared axes make the only one.
    """

    name: str
    purpose: Annotated[str, Field(min_length=1)]
    implementations: Annotated[
        tuple[str, ...],
        Field(min_length=1),
        BeforeValidator(lambda given: [given] if is_selection(given) else given),
        _Selected,
    ]
    definitions: dict[str, OwnDefinition] = {}
    definition: str | None = None
    seed: Annotated[Integer, Field(ge=0)] = 0
    verify: StrictBool = False
    axes: Axes = Axes()
    grid: Annotated[tuple[Axes, ...], Field(min_length=1)] = (Axes(),)
    budget: Budgets = Budgets()

    @field_validator("definitions")
    @classmethod
    def _names_of_their_own(cls, own: dict[str, OwnDefinition]) -> dict[str, OwnDefinition]:
        if taken := own.keys() & {AUTO, *DEFINITIONS}:
            raise ValueError(f"the name {min(taken)!r} is taken; choose another")
        return own

    @field_validator("definition")
    @classmethod
    def _known(cls, name: str | None, info: Any) -> str | None:
        if name is not None and name not in {AUTO, *DEFINITIONS, *info.data.get("definitions", ())}:
            raise ValueError(f"{name!r} is not a definition")
        return name

    def get_definition(self, name: str) -> Definition:
        own = {known: d.to_definition(known) for known, d in self.definitions.items()}
        return get_definition(name, own)

    @property
    def compared_with(self) -> Definition | str | None:
        """The definition that the suite names, ``auto``, or ``None`` if it names none."""
        name = self.definition
        return name if name in (None, AUTO) else self.get_definition(name)

    def with_definition(self, name: str | None) -> "Suite":
        """Compare every implementation with this definition; unchanged for ``None``."""
        if name not in (None, AUTO):
            self.get_definition(name)
        return self.model_copy(update={"definition": name or self.definition})

    def grids(self) -> list[Axes]:
        return [g.over(self.axes).over(DEFAULT_AXES) for g in self.grid]

    def with_axes(self, axes: Axes) -> "Suite":
        """Replace these axes in every grid; grids that become equal are merged."""
        grids = tuple(dict.fromkeys(axes.over(grid) for grid in self.grid))
        return self.model_copy(update={"grid": grids})


def suite_names() -> list[str]:
    folder = resources.files(PACKAGE)
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name[-5:] == ".toml")


def read_suite(name: str) -> tuple[str, dict[str, Any]]:
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise SuiteError(f"no suite file {name!r}")
        shown = name
    elif name in suite_names():
        path = Path(str(resources.files(PACKAGE) / f"{name}.toml"))
        shown = f"suites/{name}.toml"
    else:
        hint = "or give the path of a .toml file, and implementations with -i"
        raise UnknownNameError("suite", name, suite_names(), hint)
    try:
        return shown, tomllib.loads(read_bytes(path).decode())
    except UnicodeDecodeError:
        raise SuiteError(f"{shown} cannot be read: it is not UTF-8 text") from None
    except OSError as error:
        raise SuiteError(f"{shown} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SuiteError(f"{shown}: not valid TOML: {error}") from None


def load_suite(name: str) -> Suite:
    shown, values = read_suite(name)
    values["name"] = Path(name).stem
    try:
        suite = read_model(Suite, values, lambda location: f"{shown}: {location}")
        for axes in (suite.axes, *suite.grid):
            for left_out in axes.without or ():
                locate(left_out)
    except UnknownNameError as error:
        raise SuiteError(f"{shown}: {error}") from None
    return suite


def read_axes(options: Mapping[str, str]) -> Axes:
    lists = {
        name: [part.strip() for part in text.split(",") if part.strip()]
        for name, text in options.items()
    }
    return read_model(Axes, lists, as_option)


def read_budgets(given: Mapping[str, str], base: Budgets) -> Budgets:
    return read_model(Budgets, {**base.model_dump(), **given}, as_option)


def read_model(
    model: type[_AnyModel], values: Mapping[str, object], locate: Callable[[str], str]
) -> _AnyModel:
    """Validate values; a SuiteError names the first error's place as ``locate`` says."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise SuiteError(_explain(error, locate)) from None


_OPTIONS = ("batch_size", "nan_density", "dims", "device", "ranks", "pass")
"""Axes that have an option of their own; the others are set by ``--set``."""


def as_option(location: str) -> str:
    name = location.split("[")[0]
    if name in AXIS_NAMES and name not in _OPTIONS:
        return f"--set {name}"
    return "--" + name.replace("_", "-")


def _explain(error: ValidationError, locate: Callable[[str], str]) -> str:
    """The first error, its place and its correction; an unknown key comes first."""
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    keys = [part for part in first["loc"] if isinstance(part, str)]
    key = next((k for k in reversed(keys) if k in _FIXES), keys[-1] if keys else "")
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    place = locate("".join(parts).removeprefix("."))
    if first["type"] == "extra_forbidden":
        models: dict[str, Any] = {"axes": Axes, "grid": Axes}
        models |= {"budget": Budgets, "definitions": OwnDefinition}
        model = models[keys[0]] if keys[1:] else Suite
        names = [f.alias or name for name, f in model.model_fields.items() if name != "name"]
        known = ", ".join(sorted(names, key=[*AXIS_NAMES, *names].index))
        return f"{place}: unknown key {keys[-1]!r}; known: {known}"
    if first["type"] == "missing":
        return f"{place}: missing; {_FIXES.get(key, 'add it')}"
    if first["type"] == "too_short":
        return f"{place}: empty; {_FIXES.get(key, 'give a value')}"
    fix = _FIXES.get(key, first["msg"])
    if keys and keys[-1] not in _FIXES:
        if first["type"] == "literal_error":
            fix = f"use {first['ctx']['expected']}".replace("'", "")
        elif "boolean" in first["msg"]:
            fix = "use true or false"
    return f"{place}: {first['input']!r} is not valid; {fix}"
