"""A run as read from its folder or from its report."""

import json
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self, cast

from pydantic import BaseModel, ConfigDict, TypeAdapter

from supcr_bench.values.axes import AXES
from supcr_bench.values.errors import StoreError
from supcr_bench.values.machine import machine_of
from supcr_bench.values.result import Key, Result, stored_name
from supcr_bench.verification.verification import Verification

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1
_RUN_ID = re.compile(r"(?!\.\.?$)[^/\\\x00-\x1f]{1,200}")
"""An id becomes the name of a folder to write to, and a run may come from someone else."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that command a terminal, or that show a text in another order."""
_LARGEST = 1e18
_ANY_SIZE = ("loss", "difference", "error", "tolerances", "temperature", "norm")
"""How the names of numbers end that may be larger: a wrong loss can have any value."""
Mappings = dict[str, dict[str, Any]]


class _Named(BaseModel):
    name: str


class _RunFile(BaseModel):
    """The keys of ``run.json`` that are needed to report a run and to continue it."""

    model_config = ConfigDict(defer_build=True)  # or each usage error takes 3 ms more

    id: str
    suite: _Named
    subjects: list[str]
    labels: dict[str, Any] | None
    implementations: Mappings
    environment: dict[str, Any]
    environments: Mappings | None = None
    unavailable: dict[str, str] | None = None
    suite_file: tuple[str, str] | None = None
    files: dict[str, dict[str, str]] | None = None


@dataclass(frozen=True)
class Run:
    """A stored run, its verification by implementation, and ``notes`` on what was left out."""

    path: Path
    info: Mapping[str, Any]
    results: tuple[Result, ...]
    verification: Mapping[str, Verification] | None = None
    notes: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return str(self.info["id"])

    @property
    def environment(self) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", self.info["environment"])

    @property
    def environments(self) -> Mapping[str, Mapping[str, Any]]:
        """The environment of each kind of machine, by the kind's name in results."""
        return self.info.get("environments") or {machine_of(self.environment): self.environment}

    @property
    def measured_on(self) -> Mapping[str, Mapping[str, Any]]:
        """The environments that results were measured in; the run's own if it has no results."""
        home = machine_of(self.environment)
        used = {result.machine or home for result in self.results}
        return {name: e for name, e in self.environments.items() if name in used} or {
            home: self.environment
        }

    def environment_of(self, result: Result) -> Mapping[str, Any]:
        return self.environments.get(result.machine or "", self.environment)

    def require_complete(self) -> Self:
        """Return this run; raise a StoreError if ``run.json`` lacks a key or a value is wrong."""
        fields = _RunFile.model_fields.items()
        missing = [key for key, field in fields if field.is_required() and key not in self.info]
        if missing:
            raise StoreError(
                f"{self.path} lacks {', '.join(missing)}, so `supcr-bench run` did not write it; "
                "name another run"
            )
        with damage(f"{self.path}", "name another run"):
            _RunFile.model_validate(self.info)
        return self

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """A data frame with one row for each result, and a summary of its times.

        Columns are the fields of :class:`~supcr_bench.values.result.Result` and of its case, and
        ``time_s`` (median), ``time_low_s``, ``time_high_s`` (its 95 % interval).
        """
        from supcr_bench.analysis.summary import results_frame

        return results_frame(self.results)


def require_known_schema(version: Any, where: Path) -> None:
    """Raise a StoreError for values that a newer supcr-bench wrote."""
    if int(version) > SCHEMA_VERSION:
        raise StoreError(
            f"{where} has schema {version}, and this supcr-bench reads schemas up to "
            f"{SCHEMA_VERSION}; install a newer supcr-bench"
        )


def require_run_id(run_id: Any) -> None:
    """Raise a ValueError for an id that would not be the name of a folder inside another."""
    if not isinstance(run_id, str) or not _RUN_ID.fullmatch(run_id):
        raise ValueError(f"{run_id!r} is not the id of a run")


def parse_json(text: str | bytes) -> Any:
    """Parse strict JSON; remove characters that would command a terminal from its strings."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not a JSON number")

    try:
        return _plain(json.loads(text, parse_constant=refuse))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _plain(value: Any) -> Any:
    match value:
        case str():
            return _CONTROL.sub("\ufffd", value)
        case list():
            return [item if isinstance(item, float) else _plain(item) for item in value]
        case dict():
            return {_plain(key): _plain(item) for key, item in value.items()}
    return value


def explain(error: Exception) -> str:
    """Say what is wrong with a stored value: the key or the line, and why."""
    match error:
        case KeyError():
            return f"key {error} is missing"
        case UnicodeDecodeError():
            return "it is not UTF-8 text"
        case json.JSONDecodeError():
            return f"line {error.lineno} is not JSON: {error.msg}"
        case OSError():
            return error.strerror or str(error)
    if not hasattr(error, "errors"):
        return str(error)
    first = error.errors()[0]  # of pydantic
    keys = [stored_name(str(key)) for key in first["loc"] if key != "case"]
    return f"key {'.'.join(keys)!r} holds {str(first['input'])[:60]!r}: {first['msg']}"


@contextmanager
def damage(where: str, advice: str = "") -> Iterator[None]:
    """Within the block, turn an error of damaged data into a StoreError: where, why, what to do."""
    damaged = (OSError, EOFError, zlib.error, AttributeError, LookupError, TypeError, ValueError)
    try:
        yield
    except damaged as error:
        raise StoreError(f"{where}: {explain(error)}{advice and f'; {advice}'}") from None


@cache
def _results() -> TypeAdapter[Result]:
    return TypeAdapter(Result)  # building it takes 5 ms


def _require_valid(result: Result) -> None:
    """Raise a ValueError if a value has a wrong type, or is out of the range of its axis."""
    case = result.case
    values = {f.name: getattr(result, f.name) for f in fields(result)}
    values["case"] = {f.name: getattr(case, f.name) for f in fields(case)}
    if _results().validate_python(values) != result:
        raise ValueError("a value has the wrong type for its key")
    for axis in AXES:
        value = axis.of(case)
        if value is not None and not (axis.name == "labels" and case.label_kind == "file"):
            axis.read(value)
    for name, value in {**values.pop("case"), **values}.items():
        listed = value if isinstance(value, tuple) else (value,)
        if name in ("further_samples_s", "other_work_s"):
            own = (value or {}).values()
            listed = (*own,) if name == "other_work_s" else (*chain(*own),)
        most = sys.float_info.max if name.endswith(_ANY_SIZE) else _LARGEST
        least = -most if name.endswith(("loss", "difference")) else 0
        if name.endswith("samples_s"):
            least = 5e-324  # the smallest number above 0
        numbers = [v for v in listed if isinstance(v, int | float)]
        if numbers and not least <= min(numbers) <= max(numbers) <= most:
            raise ValueError(f"key {stored_name(name)!r} holds a number out of range")


def make_run(
    path: Path,
    info: Mapping[str, Any],
    rows: Iterable[Mapping[str, Any]],
    verification: Mapping[str, Mapping[str, Any]] | None,
    where: tuple[str, str],
    notes: tuple[str, ...] = (),
) -> Run:
    """Make a run from stored values: results as flat mappings, verification by implementation.

    ``where`` names the source of a result, to which its number is added, and that of the
    verification, for a StoreError. If several results have one case, the first counts, with the
    samples of further processes.
    """
    with damage(f"{path}", "name another run"):
        require_run_id(info.get("id", "none"))
    found: dict[Key, Result] = {}
    number = further = 0
    for number, values in enumerate(rows, start=1):
        problem = f"{where[0]} {number} is not a valid result"
        with damage(problem, "remove it to continue without it"):
            result = Result.from_mapping(values)
            _require_valid(result)
        first = found.setdefault(result.key, result)
        if first is not result and result.further_samples_s and not result.time_samples_s:
            found[result.key] = first.with_further(result)
            further += 1
    results = list(found.values())
    if doubled := number - further - len(results):
        note = f"{path} holds {doubled} further results of cases that it has"
        notes = (*notes, f"{note}; the first of each case counts")
    environments = info.get("environments")
    if isinstance(environments, Mapping) and len(environments) > 1:
        # Older results do not record the machine; they come from the one that the run names.
        home = machine_of(info["environment"])
        results = [r if r.machine else replace(r, machine=home) for r in results]
    if not isinstance(verification or {}, Mapping):
        raise StoreError(f"{where[1]} is not valid: it has no implementations by name")
    verified: dict[str, Verification] = {}
    for name, values in (verification or {}).items():
        with damage(f"{where[1]} of {name!r} is not valid"):
            verified[name] = Verification.from_mapping(values)
    return Run(path, info, tuple(results), verified or None, notes)
