"""Verifies one implementation (subject) check by check; subclasses decide in which processes."""

import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from supcr_bench.values.errors import SubjectError, UncallableError
from supcr_bench.values.implementation import Recognition
from supcr_bench.values.units import listed
from supcr_bench.verification.impact import Impact, ImpactQuestion
from supcr_bench.verification.outcome import CheckEndedError, Diagnosis, Group, Outcome, Verdict
from supcr_bench.verification.verification import Verification

OPEN_LIMIT_S = 10.0
"""Time limit in seconds for loading an implementation and recognising what it computes.

This and the other limits are seconds that a worker has to itself: more pass on a busy machine."""
CHECK_LIMIT_S = 10.0
"""Time limit of one check in seconds; a usable implementation needs one or two."""
TOTAL_LIMIT_S = 25.0
"""Seconds after which no further check starts."""
STUDY_LIMIT_S = 20.0
"""Time limit in seconds of the study that measures what the departures mean."""
BUSY = 8.0
"""A worker that shares its core is assumed to get at least one part in this many of it."""
MOST_ENDS = 2
"""A subject that has ended this many processes is not called again."""
FORMULA = "formula"
"""The name of the outcome that holds the faults found by recognition."""
GIVEN_LABELS = "the given labels"
"""The name of the outcome that holds what only the labels of a person's file show."""
STAGES = ("loading", "recognition", FORMULA, "diagnosis", GIVEN_LABELS)
"""The names in place of a check's name if a subject fails outside of all checks."""
Opened = tuple[Sequence[tuple[str, Group]], str, Recognition]
"""Name and group of the checks to make, the definition's name, and what was recognised."""


class Session(ABC):
    """The verification of one subject; a subclass says where the subject runs.

    ``strict``: whether robustness findings count; ``only``: the checks to make, ``None`` for all.
    """

    question: ImpactQuestion | None = None
    """The question how far the departures turn the gradient; it is asked after the checks."""
    total_limit_s = TOTAL_LIMIT_S
    ends_of_a_hang = 1
    """The number of ended processes that a hang counts as, up to ``MOST_ENDS``."""

    def __init__(
        self, name: str, *, strict: bool = False, seed: int = 0, only: Collection[str] | None = None
    ) -> None:
        self.seed, self.only = seed, only
        self._began_s = time.monotonic()
        self._found = Verification(implementation=name, strict=strict, seed=seed)

    @abstractmethod
    def open(self) -> Opened:
        """Load the subject.

        Raises a SubjectError if the subject cannot be loaded or called, and a CheckEndedError if it
        takes too long or ends the process that it runs in.
        """

    @abstractmethod
    def make(self, check: str) -> Outcome:
        """Make one check; raise a CheckEndedError if it takes too long or its process ends."""

    @abstractmethod
    def diagnose(self, outcomes: Sequence[Outcome]) -> Diagnosis | None:
        """Return what is most likely wrong, if anything; raises like :meth:`make`."""

    def measure_impact(self, _question: ImpactQuestion) -> tuple[Impact, ...]:
        """Measure how far the subject's departures turn its gradient; raises like :meth:`make`."""
        return ()

    def close(self) -> None:  # noqa: B027 - in this process there is nothing to end
        """End the processes that the subject runs in."""

    def run(self) -> Iterator[Outcome]:
        """Yield the outcome of each check; call :meth:`result` afterwards."""
        try:
            for outcome in self._run():
                self._keep(outcomes=(*self._found.outcomes, outcome))
                yield outcome
        finally:
            self.close()

    def result(self) -> Verification:
        return self._found

    def _keep(self, **fields: Any) -> None:
        self._found = replace(self._found, **fields)

    def _run(self) -> Iterator[Outcome]:
        ends = 0
        try:
            checks, definition, recognised = self.open()
        except SubjectError as error:
            if not isinstance(error, UncallableError):
                error = UncallableError("load", str(error))
            self._keep(uncallable=error)
            return
        except CheckEndedError as end:
            yield Outcome.ended("recognition", "definition", end.finding, overdue=end.overdue)
            return
        self._keep(definition=definition, recognised=recognised)
        if recognised.faults:
            yield Outcome.ended(FORMULA, "definition", listed(recognised.faults))
        for check, group in checks:
            if ends >= MOST_ENDS:
                yield Outcome(check, group, Verdict.NOT_RUN, finding="it ended too many processes")
            elif self.spent_s() > self.total_limit_s:
                yield Outcome(check, group, Verdict.NOT_RUN, finding="no time was left")
            else:
                try:
                    yield self.make(check)
                except CheckEndedError as end:
                    ends += self.ends_of_a_hang if end.overdue else 1
                    yield Outcome.ended(check, group, end.finding, overdue=end.overdue)
        if ends < MOST_ENDS:
            try:
                self._keep(diagnosis=self.diagnose(self._found.outcomes))
            except CheckEndedError as end:
                yield Outcome.ended("diagnosis", "definition", end.finding, overdue=end.overdue)
        late = self.spent_s() > self.total_limit_s
        if self.question and ends < MOST_ENDS and (self.question.labels or not late):
            try:
                self._keep(impact=self.measure_impact(self.question))
            except CheckEndedError as end:
                row = Impact(
                    definition=definition,
                    labels=self.question.labels or "continuous",
                    batch_size=self.question.batch_size,
                    note=end.finding,
                )
                self._keep(impact=(row,))
            degrees = max((row.fault_degrees or 0.0 for row in self._found.impact), default=0.0)
            if degrees and self._found.verdict != "not right":
                finding = f"its gradient points {degrees:.3g} degrees away from that of "
                finding += f"{definition}, and less on generated labels"
                yield Outcome.ended(GIVEN_LABELS, "definition", finding)

    def spent_s(self) -> float:
        """Seconds since the verification began; other processes may have used some of them."""
        return time.monotonic() - self._began_s

    def verified(self) -> Verification:
        for _ in self.run():
            pass
        return self._found


def own_time_s(wall_s: float, cpu_s: float) -> float:
    """The time that a worker had to itself: its CPU time, or at least a part of the wall time."""
    return max(cpu_s, wall_s / BUSY)
