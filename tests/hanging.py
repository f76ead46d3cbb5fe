"""Calls that hang, without waiting until a limit is over."""

import time
from collections.abc import Collection
from dataclasses import replace
from types import SimpleNamespace

import pytest

from supcr_bench.workers import rank_group
from supcr_bench.workers.messages import Activity, Response
from supcr_bench.workers.rank_group import RankGroupWorker
from supcr_bench.workers.worker_process import WorkerProcess


def call_long_ago(
    patch: pytest.MonkeyPatch,
    kind: type[WorkerProcess] | type[RankGroupWorker],
    name: str,
    stage: str | None = None,
) -> None:
    """Every call of that implementation, or those of one stage, seem to have begun an hour ago.

    So a limit can be too long for any speed of this machine to matter, and no test waits for it.
    """
    true_activity = kind.activity

    def activity(self: WorkerProcess | RankGroupWorker) -> Activity | None:
        found = true_activity(self)  # type: ignore[arg-type]
        if found is None or found.arm is None or found.arm.implementation != name:
            return found
        if stage not in (None, found.stage):
            return found
        return replace(found, since_s=found.since_s - 3600)

    patch.setattr(kind, "activity", activity)


def end_ranks_in(patch: pytest.MonkeyPatch, stages: Collection[str]) -> None:
    """The limit of a group of ranks is over once all are in one of these stages, and not before."""
    true_answers = RankGroupWorker._answers

    def answers(self: RankGroupWorker, limit_s: float) -> list[Response]:
        starts = iter([True])  # the deadline is set by the first look, and cannot be over then

        def clock() -> float:
            if next(starts, False):
                return time.monotonic()
            found = {a.stage for w in self._workers if (a := w.activity())}
            return time.monotonic() + (limit_s if found and found <= set(stages) else 0)

        with pytest.MonkeyPatch.context() as jumping:
            jumping.setattr(rank_group, "time", SimpleNamespace(monotonic=clock))
            return true_answers(self, limit_s)

    patch.setattr(RankGroupWorker, "_answers", answers)
