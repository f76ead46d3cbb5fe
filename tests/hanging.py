"""Calls that hang, without waiting until a limit is over."""

from dataclasses import replace

import pytest

from supcr_bench.workers.activity import Activity
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
