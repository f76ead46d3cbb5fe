"""Suites: TOML files of axes, budgets and a sentence of purpose, validated when they are loaded.

A suite holds one or more grids. Each ``[[grid]]`` is the product of its axes; axes that a grid does
not name come from ``[axes]``, and from the defaults of :class:`Axes` after that. An axis given on
the command line replaces that axis in every grid.
"""

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    field_validator,
)

from supcr_bench.values.case import DTYPES, LABEL_KINDS, PASSES, Pass
from supcr_bench.values.cell import Budget
from supcr_bench.values.definition import (
    DEFINITIONS,
    Call,
    Definition,
    EmptyDimension,
    LabelDistance,
    NanLabels,
    SelfCandidate,
    Similarity,
    Views,
    get_definition,
)
from supcr_bench.values.errors import SuiteError, UnknownNameError
from supcr_bench.values.units import parse_bytes, parse_duration_s

PACKAGE = "supcr_bench.suites"

_FIXES = {
    "implementations": "use names of `supcr-bench list`",
    "batch_size": "use whole numbers of 2 or more",
    "nan_density": "use numbers from 0 to 1",
    "dims": "use whole numbers of 1 or more",
    "embedding_size": "use whole numbers of 1 or more",
    "dtype": f"use {', '.join(DTYPES)}",
    "temperature": "use numbers above 0",
    "labels": f"use {', '.join(LABEL_KINDS)}",
    "device": "use names such as cpu, cuda, cuda:1, mps",
    "ranks": "use whole numbers of 1 or more",
    "pass": f"use {', '.join(PASSES)}",
    "definition": "use torchcell or no-self (which was called paper)",
    "seed": "use a whole number of 0 or more",
    "time_limit": "write it like 10s, 500ms or 2min",
    "sampling": "write it like 10s, 500ms or 2min",
    "memory_limit": "write it like 4GiB or 500MB",
    "precision": "use a fraction above 0 and below 1",
    "timed": "use true or false",
    "without": "use names of implementations",
    "verify": "use true or false",
    "threads": "use a whole number; 0 takes every core but one",
    "purpose": "say in a sentence what the suite is for",
    "grid": "write one or more [[grid]] tables",
    "base": "use torchcell, no-self (which was called paper) or rank-n-contrast",
    "similarity": "use cosine or negative_euclidean",
    "views": "use sum, mean, concatenate or single",
    "self_candidate": "use when_tied or never",
    "label_distance": "use per_dimension, l1 or l2",
    "nan_labels": "use drop_row_per_dimension or unsupported",
    "empty_dimension": "use keeps_weight or renormalise",
    "eps": "use a number of 0 or more; 0 is no floor",
    "call": "use perturbed_intact_labels, features_two_views, features_single_view or two_views",
    "definitions": "write tables such as [definitions.mine] under names of their own",
}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _listed(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


def _axis(alias: str | None = None) -> Any:
    return Field(default=None, min_length=1, alias=alias)


DEFAULT_BUDGET = Budget()


def _not_a_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a boolean is not a number")  # noqa: TRY004 - pydantic wants this one
    return value


Real = Annotated[float, BeforeValidator(_not_a_boolean)]
Integer = Annotated[int, BeforeValidator(_not_a_boolean)]
Whole = Annotated[Integer, Field(ge=1)]
_Listed = BeforeValidator(_listed)


class Axes(_Model):
    """The axes of a grid. ``None`` leaves an axis to the suite, and then to the default.

    Two fields are no axes, and the command line has none for them: ``timed`` says whether calls are
    timed, or only held against the reference and counted; ``without`` names implementations that
    the grid leaves out, such as one that would take too long.
    """

    batch_size: Annotated[tuple[Annotated[Integer, Field(ge=2)], ...] | None, _Listed] = _axis()
    nan_density: Annotated[tuple[Annotated[Real, Field(ge=0, le=1)], ...] | None, _Listed] = _axis()
    dims: Annotated[tuple[Whole, ...] | None, _Listed] = _axis()
    embedding_size: Annotated[tuple[Whole, ...] | None, _Listed] = _axis()
    dtype: Annotated[
        tuple[Literal["float32", "float64", "float16", "bfloat16"], ...] | None, _Listed
    ] = _axis()
    temperature: Annotated[tuple[Annotated[Real, Field(gt=0)], ...] | None, _Listed] = _axis()
    labels: Annotated[tuple[Literal["continuous", "tied"], ...] | None, _Listed] = _axis()
    device: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[a-z]+(:\d+)?$")], ...] | None, _Listed
    ] = _axis()
    ranks: Annotated[tuple[Whole, ...] | None, _Listed] = _axis()
    pass_: Annotated[tuple[Pass, ...] | None, _Listed] = _axis("pass")
    timed: StrictBool | None = None
    without: Annotated[tuple[str, ...] | None, _Listed] = None

    def over(self, other: "Axes") -> "Axes":
        """These axes, and the other's where these are not given."""
        own = self.model_dump(exclude_none=True, by_alias=True)
        return Axes.model_validate({**other.model_dump(exclude_none=True, by_alias=True), **own})


AXIS_NAMES = tuple(
    field.alias or name
    for name, field in Axes.model_fields.items()
    if name not in ("timed", "without")
)
"""Axes that ``run --set`` takes."""
DEFAULT_AXES = Axes.model_validate(
    {
        "batch_size": 64,
        "nan_density": 0.0,
        "dims": 1,
        "embedding_size": 64,
        "dtype": "float32",
        "labels": "continuous",
        "device": "cpu",
        "ranks": 1,
        "pass": ["forward", "training"],
        "timed": True,
    }
)


class OwnDefinition(_Model):
    """A definition of a person's own: a shipped one with some of its choices changed.

    Each field is a choice of :class:`supcr_bench.values.definition.Definition`; ``eps = 0`` is no
    floor.
    """

    base: Literal["torchcell", "no-self", "rank-n-contrast"]
    similarity: Similarity | None = None
    views: Views | None = None
    self_candidate: SelfCandidate | None = None
    label_distance: LabelDistance | None = None
    nan_labels: NanLabels | None = None
    empty_dimension: EmptyDimension | None = None
    eps: Annotated[float, Field(ge=0)] | None = None
    temperature: Annotated[float, Field(gt=0)] | None = None
    call: Call | None = None

    def to_definition(self, name: str) -> Definition:
        """The definition, under that name."""
        changes = self.model_dump(exclude_none=True, exclude={"base"})
        if "eps" in changes:
            changes["eps"] = changes["eps"] or None
        return replace(get_definition(self.base), name=name, **changes)


def _duration(value: object) -> object:
    return parse_duration_s(str(value)) if isinstance(value, str | int | float) else value


def _size(value: object) -> object:
    return parse_bytes(str(value)) if isinstance(value, str | int | float) else value


class Budgets(_Model):
    """The budgets of a suite, in the units that people write."""

    time_limit: Annotated[float, BeforeValidator(_duration)] = DEFAULT_BUDGET.time_limit_s
    memory_limit: Annotated[int | None, BeforeValidator(_size)] = None
    sampling: Annotated[float, BeforeValidator(_duration)] = DEFAULT_BUDGET.sampling_s
    precision: Annotated[float, Field(gt=0, lt=1)] = DEFAULT_BUDGET.precision
    threads: Annotated[Integer, Field(ge=0)] = 0


class Suite(_Model):
    """A suite.

    Attributes:
        name: of its file.
        purpose: a sentence.
        implementations: names to run unless the command line names others.
        definition: what they are held against; ``None`` for what each of them computes.
        seed: of everything random in the inputs.
        verify: whether each implementation is verified at the end.
        axes: shared by all grids.
        grid: the grids; one of the shared axes alone when none is given.
        budget: what one implementation may spend on one case.
        definitions: of a person's own, for `supcr-bench verify --suite FILE --definition NAME`.
    """

    name: str
    purpose: Annotated[str, Field(min_length=1)]
    implementations: Annotated[tuple[str, ...], Field(min_length=1)]
    definition: Literal["torchcell", "no-self"] | None = None
    seed: Annotated[Integer, Field(ge=0)] = 0
    verify: StrictBool = False
    axes: Axes = Axes()
    grid: Annotated[tuple[Axes, ...], Field(min_length=1)] = (Axes(),)
    budget: Budgets = Budgets()
    definitions: dict[str, OwnDefinition] = {}

    @field_validator("definitions")
    @classmethod
    def _names_of_their_own(cls, own: dict[str, OwnDefinition]) -> dict[str, OwnDefinition]:
        if taken := own.keys() & {*DEFINITIONS, "auto"}:
            raise ValueError(f"the name {min(taken)!r} is taken; choose another")
        return own

    def grids(self) -> list[Axes]:
        """Every grid with all its axes filled in."""
        return [g.over(self.axes).over(DEFAULT_AXES) for g in self.grid]

    def with_axes(self, axes: Axes) -> "Suite":
        """With these axes in place of every grid's own; grids that become equal are one."""
        grids = tuple(dict.fromkeys(axes.over(grid) for grid in self.grid))
        return self.model_copy(update={"grid": grids})


def suite_names() -> list[str]:
    """The suites that come with the package."""
    folder = resources.files(PACKAGE)
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name[-5:] == ".toml")


def load_suite(name: str) -> Suite:
    """A suite by name, or by the path of a TOML file.

    Raises:
        UnknownNameError: neither a known name nor a file.
        SuiteError: the file is not valid; names file, key and fix.
    """
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise SuiteError(f"no suite file {name!r}")
        shown = name
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SuiteError(f"{name} cannot be read: {error}") from None
    elif name in suite_names():
        text = (resources.files(PACKAGE) / f"{name}.toml").read_text()
        shown = f"suites/{name}.toml"
    else:
        raise UnknownNameError("suite", name, suite_names(), "or give the path of a .toml file")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SuiteError(f"{shown}: not valid TOML: {error}") from None
    try:
        return Suite.model_validate({**values, "name": Path(name).stem})
    except ValidationError as error:
        raise SuiteError(explain(error, lambda location: f"{shown}: {location}")) from None


def read_axes(options: Mapping[str, str]) -> Axes:
    """Axes from comma lists given on the command line.

    Raises:
        SuiteError: a value is not valid; names the option and the fix.
    """
    lists = {name: _comma_list(text) for name, text in options.items()}
    try:
        return Axes.model_validate(lists)
    except ValidationError as error:
        raise SuiteError(explain(error, _as_option)) from None


def read_budgets(given: Mapping[str, str], base: Budgets) -> Budgets:
    """Budgets with those given on the command line in place of the suite's.

    Raises:
        SuiteError: a value is not valid; names the option and the fix.
    """
    try:
        return Budgets.model_validate({**base.model_dump(), **given})
    except ValidationError as error:
        raise SuiteError(explain(error, _as_option)) from None


def _comma_list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _as_option(location: str) -> str:
    return "--" + location.split("[")[0].replace("_", "-")


def explain(error: ValidationError, locate: Callable[[str], str]) -> str:
    """The first thing that is wrong, where, and how to put it right."""
    first = error.errors()[0]
    keys = [part for part in first["loc"] if isinstance(part, str)]
    key = next((k for k in reversed(keys) if k in _FIXES), keys[-1] if keys else "")
    location = _dotted(first["loc"])
    if first["type"] == "extra_forbidden":
        known = ", ".join(_known_keys(keys[:-1]))
        return f"{locate(location)}: unknown key {keys[-1]!r}; known: {known}"
    if first["type"] == "missing":
        return f"{locate(location)}: missing; {_FIXES.get(key, 'add it')}"
    if first["type"] == "too_short":
        return f"{locate(location)}: empty; {_FIXES.get(key, 'give a value')}"
    return f"{locate(location)}: {first['input']!r} is not valid; {_FIXES.get(key, first['msg'])}"


def _dotted(location: Sequence[int | str]) -> str:
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def _known_keys(parents: Sequence[str]) -> Iterable[str]:
    models: dict[str, type[BaseModel]] = {
        "axes": Axes,
        "grid": Axes,
        "budget": Budgets,
        "definitions": OwnDefinition,
    }
    model = models[parents[0]] if parents else Suite
    return (f.alias or name for name, f in model.model_fields.items() if name != "name")
