"""A run that has been read, from its folder or from its report.

Schema 1: the first one. A reader refuses a schema that is newer than it knows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from supcr_bench.values.errors import StoreError
from supcr_bench.values.machine import machine_of
from supcr_bench.values.result import Result
from supcr_bench.verification.verification import Verification

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1
REQUIRED = ("id", "suite", "subjects", "labels", "implementations", "environment")
"""What of a run it can be neither reported nor gone on without."""


@dataclass(frozen=True)
class Run:
    """A run that has been read.

    Attributes:
        path: its folder, or the report that it was read from.
        info: what ``run.json`` holds.
        results: every result, in the order in which they were found.
        verification: of each implementation; ``None`` where none was verified.
    """

    path: Path
    info: Mapping[str, Any]
    results: tuple[Result, ...]
    verification: Mapping[str, Verification] | None = None

    @property
    def id(self) -> str:
        """Its name."""
        return str(self.info["id"])

    @property
    def environment(self) -> Mapping[str, Any]:
        """The machine and the software that it was taken with."""
        environment: Mapping[str, Any] = self.info["environment"]
        return environment

    @property
    def environments(self) -> Mapping[str, Mapping[str, Any]]:
        """Of every kind of machine that it was measured on, by the name that results carry."""
        found: Mapping[str, Mapping[str, Any]] = self.info.get("environments") or {}
        return found or {machine_of(self.environment): self.environment}

    @property
    def measured_on(self) -> Mapping[str, Mapping[str, Any]]:
        """Those of them that a result is of; the run's own where that is none."""
        home = machine_of(self.environment)
        used = {result.machine or home for result in self.results}
        return {name: e for name, e in self.environments.items() if name in used} or {
            home: self.environment
        }

    def environment_of(self, result: Result) -> Mapping[str, Any]:
        """The machine and the software that a result was taken with."""
        return self.environments.get(result.machine or "", self.environment)

    def require_complete(self) -> Self:
        """This run.

        Raises:
            StoreError: it lacks what a report or another start needs.
        """
        missing = [key for key in REQUIRED if key not in self.info]
        if missing:
            raise StoreError(f"{self.path} has no {', '.join(missing)}: no run wrote it")
        return self

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """One row a result, with the derived summaries beside what is stored.

        Columns are the fields of :class:`~supcr_bench.values.result.Result` and of its case, and
        ``time_s`` (median), ``time_low_s``, ``time_high_s`` (its 95 % interval).
        """
        from supcr_bench.analysis.frame import results_frame

        return results_frame(self.results)


def require_known_schema(version: Any, where: Path) -> None:
    """Refuse what a newer supcr-bench wrote.

    Raises:
        StoreError: it is newer.
        TypeError, ValueError: it is no number.
    """
    if int(version) > SCHEMA_VERSION:
        raise StoreError(
            f"{where} has schema {version}; this supcr-bench reads up to {SCHEMA_VERSION}, "
            "so it takes a newer one"
        )


def results_of(rows: Iterable[Mapping[str, Any]], where: Path) -> tuple[Result, ...]:
    """The results that flat mappings hold.

    Raises:
        StoreError: one is no result.
    """
    try:
        return tuple(Result.from_mapping(values) for values in rows)
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{where} holds a line that is no result: {error!r}") from None


def on_machines(results: Sequence[Result], info: Mapping[str, Any]) -> tuple[Result, ...]:
    """The results, each with its machine where a run has several.

    What was measured before the machine was recorded was measured on the run's own.
    """
    if len(info.get("environments") or ()) < 2:
        return tuple(results)
    home = machine_of(info["environment"])
    return tuple(r if r.machine else replace(r, machine=home) for r in results)


def verification_of(
    values: Mapping[str, Mapping[str, Any]], where: Path
) -> dict[str, Verification]:
    """The verification of each implementation.

    Raises:
        StoreError: one is none.
    """
    try:
        return {name: Verification.from_mapping(found) for name, found in values.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{where} holds what is no verification: {error!r}") from None
