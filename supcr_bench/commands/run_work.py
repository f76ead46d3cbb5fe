"""Describes what a run measures: suite, implementations, labels and cells (without torch)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from supcr_bench.inputs.label_file import LabelFile, read_label_file
from supcr_bench.subjects.registry import Subject, locate
from supcr_bench.sweep.plan import make_plan, only
from supcr_bench.sweep.suite import Suite
from supcr_bench.values.cell import Cell
from supcr_bench.values.definition import current_name
from supcr_bench.values.errors import StoreError


@dataclass(frozen=True, slots=True)
class Work:
    """The suite with the command line's options, and the implementations, labels and cells."""

    suite: Suite
    subjects: tuple[Subject, ...]
    labels: LabelFile | None
    plan: tuple[Cell, ...]
    unavailable: Mapping[str, str] = field(default_factory=dict)

    def without(self, unavailable: Mapping[str, str]) -> "Work":
        """This work without some implementations; unchanged if none would be left."""
        names = [s.name for s in self.subjects if s.name not in unavailable]
        if not unavailable or not names:
            return self
        subjects = tuple(s for s in self.subjects if s.name in names)
        plan = tuple(only(self.plan, names))
        return replace(self, subjects=subjects, plan=plan, unavailable=unavailable)

    def to_mapping(self) -> dict[str, Any]:
        """The values for ``run.json``; :func:`stored_work` reads them."""
        return {
            "suite": self.suite.model_dump(mode="json", by_alias=True, exclude_none=True),
            "subjects": [s.name for s in self.subjects],
            "labels": asdict(self.labels) if self.labels else None,
            "unavailable": dict(self.unavailable),
        }

    def measures_the_same_as(self, other: "Work") -> bool:
        """Whether this work and ``other`` measure the same; no definition here stands for any."""
        one, two = self.without(other.unavailable).to_mapping(), other.to_mapping()
        one["suite"]["verify"] = other.suite.verify
        if other.suite.definition is not None:
            one["suite"].setdefault("definition", other.suite.definition)
        return one == two


def make_work(suite: Suite, names: Sequence[str], labels: str | None) -> Work:
    """Find the implementations, read the labels and lay out the cells."""
    definition = suite.compared_with
    subjects = tuple(replace(locate(name), definition=definition) for name in dict.fromkeys(names))
    file = read_label_file(labels)[0] if labels else None
    plan = make_plan(suite, [s.name for s in subjects], file)
    return Work(suite, subjects, file, tuple(plan))


def stored_work(info: Mapping[str, Any]) -> Work:
    """The work of a stored run, by its ``run.json``; a UsageError if it cannot be repeated."""
    stored = info["suite"]
    if stored.get("definition") is not None:
        stored = {**stored, "definition": current_name(stored["definition"])}
    suite = Suite.model_validate(stored)
    labels = LabelFile(**info["labels"]) if info["labels"] else None
    work = make_work(suite, info["subjects"], labels.spec if labels else None)
    if labels and work.labels and work.labels.digest != labels.digest:
        raise StoreError(f"{labels.path} has changed since the run began; start a new run")
    return replace(work, unavailable=info.get("unavailable") or {})
