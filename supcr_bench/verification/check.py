"""A check: one test of a loss, in one process or on ranks (processes that share a batch)."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from supcr_bench.measure.outcome import describe_error
from supcr_bench.reference.trial import Trial, outright
from supcr_bench.verification.outcome import FindingError, Group, NotApplicableError, Outcome


def finding_of(error: Exception) -> str:
    """What an error that ends a trial says."""
    return str(error) if isinstance(error, FindingError) else f"raises {describe_error(error)}"


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        name: short name, shown in findings.
        group: which kind of failure it finds.
        run: makes the trials from a CheckContext, or on ranks a RankContext; raises
            NotApplicableError if the check does not apply. Its docstring says what it tries and
            why that matters.
        slow: whether it runs after the others of its group, so that failures show early.
    """

    name: str
    group: Group
    run: Callable[[Any], Iterator[Trial]]
    slow: bool = False

    def outcome(self, context: Any) -> tuple[Outcome, list[Trial]]:
        started, before = time.perf_counter(), context.left_out
        trials: list[Trial] = []
        try:
            trials.extend(self.run(context))
        except NotApplicableError as reason:
            return Outcome.not_applicable(self.name, self.group, str(reason)), []
        except Exception as error:  # noqa: BLE001 - any exception is a finding
            trials.append(outright("the check", finding_of(error)))
        left_out, seconds = context.left_out - before, time.perf_counter() - started
        outcome = Outcome.judged(self.name, self.group, trials, left_out, seconds)
        return outcome, [t for t in trials if t.failed]


def check(
    name: str, group: Group, *, slow: bool = False
) -> Callable[[Callable[[Any], Iterator[Trial]]], Check]:
    """Turn a function into a check; :class:`Check` describes the arguments."""
    return lambda run: Check(name, group, run, slow)
