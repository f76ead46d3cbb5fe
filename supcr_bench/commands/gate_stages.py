"""The stages of a gate run, with what is going on shown while they last."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

import psutil
from rich.console import Console
from rich.text import Text

from supcr_bench.analysis.time_rule import TimeRule
from supcr_bench.commands.run_executor import check_devices, definitions_of
from supcr_bench.gate.measure import (
    CheckMade,
    DeterministicEvent,
    measure_deterministic,
)
from supcr_bench.gate.sampling import ProcessSampler
from supcr_bench.gate.time_trial import TimeTrial
from supcr_bench.measure.sides import SidedCell
from supcr_bench.subjects.registry import Subject
from supcr_bench.sweep.local_executor import LocalExecutor
from supcr_bench.sweep.plan import PlannedCell, make_budget, under
from supcr_bench.sweep.runner import CellStarted
from supcr_bench.sweep.suite import Suite
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Budget
from supcr_bench.values.definition import Definition
from supcr_bench.values.result import Result
from supcr_bench.verification.verification import Verification


@contextmanager
def open_stages(console: Console, suite: Suite, plan: Sequence[PlannedCell]) -> Iterator["Stages"]:
    """Start a worker; end it afterwards.

    Raises:
        UsageError: a device of the plan is not there.
    """
    budget = make_budget(suite, lambda: psutil.virtual_memory().available)
    with closing(LocalExecutor(budget.threads)) as executor:
        check_devices(plan, executor)
        yield Stages(console, suite, executor, budget)


class Stages:
    """Runs one stage after another and says which.

    Args:
        console: where a terminal shows what is running, and a log a line for each stage.
        suite: whose cells are run.
        executor: that runs cells.
        budget: of each arm.
    """

    def __init__(
        self, console: Console, suite: Suite, executor: LocalExecutor, budget: Budget
    ) -> None:
        self._console = console
        self._suite = suite
        self._executor = executor
        self._budget = budget
        self.definitions: dict[str, Definition] = {}

    @property
    def environment(self) -> dict[str, Any]:
        """Of the machine that measures."""
        return dict(self._executor.environment)

    def findings(self, subjects: Sequence[Subject], like: Workload) -> dict[str, str]:
        """What is wrong with how subjects are loaded or called, by name.

        What each of the others computes is kept in ``definitions``, for plans of them.
        """
        self._renew()
        checked = self._executor.preflight(subjects, like)
        described = {n: c.description for n, c in checked.items() if c.description}
        self.definitions |= definitions_of(self._suite, described)
        return {
            name: own.finding or "cannot be loaded"
            for name, own in checked.items()
            if own.finding or own.description is None
        }

    def count_and_verify(
        self,
        stage: str,
        plan: Sequence[PlannedCell],
        subjects: Sequence[Subject],
        verify: Mapping[str, Collection[str] | None],
    ) -> tuple[list[Result], list[Verification]]:
        """Every arm of a plan, counted and held against the reference, and some verified.

        Args:
            stage: what it is called while it lasts.
            plan: the cells.
            subjects: the implementations by name.
            verify: by name, the checks to make; ``None`` for all of them.
        """
        self._renew()
        events = measure_deterministic(
            under(plan, self.definitions),
            self._executor,
            subjects,
            self._budget,
            verify=verify if self._suite.verify else {},
            definitions=self.definitions,
            seed=self._suite.seed,
        )
        return self._collected(stage, events)

    def _renew(self) -> None:
        """A worker for each version: what an import does to a process is no part of the other."""
        self._executor.close()

    def time(self, cells: Sequence[SidedCell], max_slowdown: float, budget_s: float) -> TimeTrial:
        """Time both versions until every cell is decided or the budget is spent."""
        trial = TimeTrial(
            cells,
            TimeRule(max_slowdown=max_slowdown, cells=max(len(cells), 1)),
            ProcessSampler(self._budget.threads, self._suite.seed),
            budget_s,
        )
        with self._stage("Time") as say:
            for done in trial.run():
                say(
                    f"{done.processes} processes, {done.undecided} of {len(cells)} cells "
                    f"undecided, {done.spent_s:.0f} of at most {budget_s:.0f} s"
                )
        return trial

    def _collected(
        self, stage: str, events: Iterable[DeterministicEvent]
    ) -> tuple[list[Result], list[Verification]]:
        results: list[Result] = []
        verifications: list[Verification] = []
        with self._stage(stage) as say:
            for event in events:
                match event:
                    case Result():
                        results.append(event)
                    case Verification():
                        verifications.append(event)
                    case CellStarted():
                        say(event.cell.workload.describe())
                    case CheckMade():
                        say(f"{event.implementation}, {event.outcome.check}")
        return results, verifications

    @contextmanager
    def _stage(self, name: str) -> Iterator[Any]:
        if not self._console.is_terminal:
            self._console.print(Text(f"{name} ..."))
        with self._console.status(Text(name)) as status:
            yield lambda what: status.update(Text(f"{name}: {what}"))
