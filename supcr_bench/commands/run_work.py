"""What a run was asked for, checked as far as that goes without torch."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from supcr_bench.inputs.label_file import LabelFile, read_label_file
from supcr_bench.subjects.registry import Subject, locate
from supcr_bench.sweep.plan import OwnLabels, PlannedCell, make_plan, only
from supcr_bench.sweep.suite import Suite, load_suite, read_axes, read_budgets
from supcr_bench.values.definition import current_name
from supcr_bench.values.errors import StoreError, UsageError

DEFAULT_SUITE = "default"
LOCAL = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What was typed."""

    suite: str | None = None
    implementations: tuple[str, ...] = ()
    axes: Mapping[str, str]
    budgets: Mapping[str, str]
    labels: str | None = None
    seed: int | None = None
    out: Path | None = None
    resume: str | None = None
    verify: bool | None = None
    executor: str = LOCAL

    @property
    def names_work(self) -> bool:
        """Whether anything was said of what to measure."""
        return bool(
            self.suite
            or self.implementations
            or self.axes
            or self.budgets
            or self.labels is not None
            or self.seed is not None
        )


@dataclass(frozen=True, slots=True)
class Work:
    """A request that has been checked as far as that goes without torch.

    Attributes:
        suite: with the axes and budgets of the command line.
        subjects: to measure.
        labels: of a person's own, if any.
        plan: the cells.
        unavailable: implementations that the suite names and that cannot be measured here, and why.
    """

    suite: Suite
    subjects: tuple[Subject, ...]
    labels: LabelFile | None
    plan: tuple[PlannedCell, ...]
    unavailable: Mapping[str, str] = field(default_factory=dict)

    def without(self, unavailable: Mapping[str, str]) -> "Work":
        """The same without these implementations, where anything is left."""
        names = [s.name for s in self.subjects if s.name not in unavailable]
        if not unavailable or not names:
            return self
        subjects = tuple(s for s in self.subjects if s.name in names)
        plan = tuple(only(self.plan, names))
        return replace(self, subjects=subjects, plan=plan, unavailable=unavailable)

    def verifying(self, wanted: bool | None) -> "Work":
        """The same, with verification as it is wanted; ``None`` leaves it as it is."""
        if wanted is None:
            return self
        return replace(self, suite=self.suite.model_copy(update={"verify": wanted}))

    def to_mapping(self) -> dict[str, Any]:
        """For ``run.json``; :func:`work_from_mapping` reads it."""
        return {
            "suite": self.suite.model_dump(mode="json", by_alias=True, exclude_none=True),
            "subjects": [s.name for s in self.subjects],
            "labels": asdict(self.labels) if self.labels else None,
            "unavailable": dict(self.unavailable),
        }

    def measures_as(self, other: "Work") -> bool:
        """Whether the results would be the same; verification may be another."""
        own = self.without(other.unavailable)
        return own.verifying(False).to_mapping() == other.verifying(False).to_mapping()

    @property
    def label_spec(self) -> str | None:
        """The labels file and columns, as the command line takes them."""
        return f"{self.labels.path}:{','.join(self.labels.columns)}" if self.labels else None


def make_work(suite: Suite, names: Sequence[str], labels: str | None) -> Work:
    """Locate, read and lay out; torch is not needed for it.

    Raises:
        UsageError: anything that can be known to be wrong by now.
    """
    subjects = tuple(locate(name) for name in dict.fromkeys(names))
    file, own = None, None
    if labels:
        file, table = read_label_file(labels)
        own = OwnLabels(file.label_kind, table.shape[1], len(table))
    plan = make_plan(suite, [s.name for s in subjects], own)
    return Work(suite, subjects, file, tuple(plan))


def requested_work(request: RunRequest) -> Work:
    """The work that a request names.

    Raises:
        UsageError: it cannot be carried out.
    """
    if request.labels is not None:
        if not request.labels:
            raise UsageError("--labels needs a file, as in FILE or FILE:COLUMN,COLUMN")
        for axis in ("nan_density", "dims"):
            if axis in request.axes:
                option = axis.replace("_", "-")
                raise UsageError(f"--labels brings its own, so --{option} has no meaning beside it")
    suite = load_suite(request.suite or DEFAULT_SUITE)
    suite = suite.with_axes(read_axes(request.axes))
    changes: dict[str, Any] = {"budget": read_budgets(request.budgets, suite.budget)}
    if request.seed is not None:
        changes["seed"] = request.seed
    suite = suite.model_copy(update=changes)
    work = make_work(suite, request.implementations or suite.implementations, request.labels)
    return work.verifying(request.verify)


def stored_work(info: Mapping[str, Any]) -> Work:
    """The work of a run that is gone on with.

    Raises:
        UsageError: its labels file has changed, or an implementation is gone.
    """
    stored = info["suite"]
    suite = Suite.model_validate({**stored, "definition": current_name(stored["definition"])})
    labels = info["labels"]
    spec = f"{labels['path']}:{','.join(labels['columns'])}" if labels else None
    work = make_work(suite, info["subjects"], spec)
    if labels and work.labels and work.labels.digest != labels["digest"]:
        raise StoreError(f"{labels['path']} has changed since the run began; start a new run")
    return replace(work, unavailable=info.get("unavailable") or {})
