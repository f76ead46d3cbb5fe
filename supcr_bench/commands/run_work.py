"""Describes what a run measures: suite, implementations, labels and cells (without torch)."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import supcr_bench
from supcr_bench.inputs.label_file import LabelFile, read_label_file
from supcr_bench.store.checkout import code_of, git_revision
from supcr_bench.subjects.registry import COMPILED, Subject, file_of, locate
from supcr_bench.sweep.plan import make_plan, only
from supcr_bench.sweep.suite import Suite, as_option, read_suite
from supcr_bench.values.axes import AXIS_NAMES
from supcr_bench.values.cell import Cell
from supcr_bench.values.definition import current_name
from supcr_bench.values.errors import StoreError, SubjectError, UnknownNameError


@dataclass(frozen=True, slots=True)
class Work:
    """The suite with the command line's options, and the implementations, labels and cells."""

    suite: Suite
    subjects: tuple[Subject, ...]
    labels: LabelFile | None
    plan: tuple[Cell, ...]
    unavailable: Mapping[str, str] = field(default_factory=dict)
    suite_file: tuple[str, str] | None = None

    def without(self, unavailable: Mapping[str, str]) -> "Work":
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
            "labels": self.labels.to_mapping() if self.labels else None,
            "unavailable": dict(self.unavailable),
            "suite_file": self.suite_file,
        }

    def differences(self, other: "Work") -> list[str]:
        """The options that differ from another work's, as they are typed.

        A definition that only the other one names does not differ.
        """
        one, two = self.without(other.unavailable).to_mapping(), other.to_mapping()
        one["suite"]["verify"] = other.suite.verify
        if other.suite.definition is not None:
            one["suite"].setdefault("definition", other.suite.definition)
        one, two = (_by_option(values) for values in (one, two))
        return [key for key in {**one, **two} if one.get(key) != two.get(key)]


_TYPED = (*AXIS_NAMES, "definition", "seed", "time_limit", "memory_limit", "processes")
"""What has an option of its own in a suite file and on the command line."""


def _by_option(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a run measures, from the values of ``run.json``, by the option that sets it."""
    suite = {key: value for key, value in values["suite"].items() if key != "purpose"}
    grids, budget = suite.pop("grid"), suite.pop("budget")
    names = dict.fromkeys(name for grid in grids for name in grid)
    axes = {name: [own for grid in grids if (own := grid.get(name)) is not None] for name in names}
    whole = {**suite, **budget, **axes}
    return {
        "SUITE": {name: value for name, value in whole.items() if name not in _TYPED},
        "--implementation": values["subjects"],
        "--labels": values["labels"],
        **{as_option(name): value for name, value in whole.items() if name in _TYPED},
    }


def provenance(work: Work) -> dict[str, Any]:
    """What a run or a baseline stores about its work, the measured code and supcr-bench."""
    code, code_once = {}, cache(code_of)
    for subject in work.subjects:
        with suppress(SubjectError):
            if subject.kind != "folder" and (found := code_once(file_of(subject).resolve())):
                code[subject.name] = found
    return {
        **work.to_mapping(),
        "code": code,
        "implementations": {s.name: asdict(s.description) for s in work.subjects if s.description},
        "version": supcr_bench.__version__,
        "seed": work.suite.seed,
        "revision": _own_revision(),
    }


@cache
def _own_revision() -> str | None:
    """The revision of supcr-bench; that of its imported code does not change."""
    return git_revision(Path(supcr_bench.__file__).parent)


def in_modes(names: Sequence[str], modes: str | None) -> list[str]:
    if modes is None:
        return list(names)
    suffixes, wanted = {"eager": "", "compile": COMPILED}, modes.split(",")
    for mode in wanted:
        if mode not in suffixes:
            raise UnknownNameError("mode", mode, list(suffixes))
    plain = dict.fromkeys(name.removesuffix(COMPILED) for name in names)
    return [name + suffixes[mode] for name in plain for mode in wanted]


def make_work(
    suite: Suite,
    names: Sequence[str],
    labels: str | None = None,
    suite_file: tuple[str, str] | None = None,
) -> Work:
    definition = suite.compared_with
    subjects = tuple(replace(locate(name), definition=definition) for name in dict.fromkeys(names))
    file = read_label_file(labels) if labels else None
    plan = make_plan(suite, [s.name for s in subjects], file)
    return Work(suite, subjects, file, tuple(plan), suite_file=suite_file)


def suite_file(name: str) -> tuple[str, str]:
    """The suite that the user named, and a digest of its content without comments."""
    digest = sha256(repr(read_suite(name)[1]).encode()).hexdigest()[:16]
    return str(Path(name).resolve()) if name.endswith(".toml") else name, digest


def stored_work(info: Mapping[str, Any]) -> Work:
    """The work that a ``run.json`` describes; raises a UsageError if it cannot be repeated."""
    from supcr_bench.store.loaded_run import damage  # slow to import

    stored = info["suite"]
    if stored.get("definition") is not None:
        stored = {**stored, "definition": current_name(stored["definition"])}
    with damage("run.json cannot be continued", new_run(info)):
        suite = Suite.model_validate(stored)
        labels = LabelFile(**info["labels"]) if info["labels"] else None
        spec = labels.spec if labels else None
    work = make_work(suite, info["subjects"], spec)
    if labels and work.labels and work.labels.digest != labels.digest:
        raise StoreError(f"{labels.path} has changed since the run began; {new_run(info)}")
    name, digest = info.get("suite_file") or ("", "")
    gone = not name or (name.endswith(".toml") and not Path(name).is_file())
    if not gone and suite_file(name)[1] != digest:
        raise StoreError(f"the suite {name} has changed since the run began; {new_run(info)}")
    return replace(work, unavailable=info.get("unavailable") or {})


def new_run(info: Mapping[str, Any]) -> str:
    return f"start a new run: `{info.get('command') or 'supcr-bench run'}`"
