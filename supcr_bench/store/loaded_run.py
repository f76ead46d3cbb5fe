"""A run as read from its folder or from its report.

Schema 1 is the first one. A reader refuses a schema newer than its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from supcr_bench.values.errors import StoreError
from supcr_bench.values.machine import machine_of
from supcr_bench.values.result import Result
from supcr_bench.verification.verification import Verification

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1
REQUIRED = ("id", "suite", "subjects", "labels", "implementations", "environment")
"""Keys of ``run.json`` that are needed to report or continue a run."""


@dataclass(frozen=True)
class Run:
    """A stored run: the content of ``run.json``, results, and verification by implementation."""

    path: Path
    info: Mapping[str, Any]
    results: tuple[Result, ...]
    verification: Mapping[str, Verification] | None = None

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
        """Return this run; raise a StoreError if ``run.json`` lacks a key of ``REQUIRED``."""
        missing = [key for key in REQUIRED if key not in self.info]
        if missing:
            raise StoreError(
                f"{self.path} lacks {', '.join(missing)}, so `supcr-bench run` did not write it; "
                "name another run"
            )
        return self

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """A data frame with one row for each result, and a summary of its times.

        Columns are the fields of :class:`~supcr_bench.values.result.Result` and of its case, and
        ``time_s`` (median), ``time_low_s``, ``time_high_s`` (its 95 % interval).
        """
        from supcr_bench.analysis.frame import results_frame

        return results_frame(self.results)


def require_known_schema(version: Any, where: Path) -> None:
    """Raise a StoreError for values that a newer supcr-bench wrote."""
    if int(version) > SCHEMA_VERSION:
        raise StoreError(
            f"{where} has schema {version}, and this supcr-bench reads schemas up to "
            f"{SCHEMA_VERSION}; install a newer supcr-bench"
        )


def explain(error: Exception) -> str:
    return f"key {error} is missing" if isinstance(error, KeyError) else str(error)


def make_run(
    path: Path,
    info: Mapping[str, Any],
    rows: Iterable[Mapping[str, Any]],
    verification: Mapping[str, Mapping[str, Any]] | None,
    where: tuple[str, str],
) -> Run:
    """Make a run from stored values: results as flat mappings, verification by implementation.

    ``where`` has the words of a StoreError for a result, to which its number is added, and for the
    verification.
    """
    results = []
    for number, values in enumerate(rows, start=1):
        try:
            results.append(Result.from_mapping(values))
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(
                f"{where[0]} {number} is not a valid result: {explain(error)}"
            ) from None
    if len(info.get("environments") or ()) > 1:
        # Older results do not record the machine; they come from the one that the run names.
        home = machine_of(info["environment"])
        results = [r if r.machine else replace(r, machine=home) for r in results]
    found: dict[str, Verification] = {}
    for name, values in (verification or {}).items():
        try:
            found[name] = Verification.from_mapping(values)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise StoreError(f"{where[1]} of {name!r} is not valid: {explain(error)}") from None
    return Run(path, info, tuple(results), found or None)
