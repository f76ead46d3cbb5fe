"""Which executor a run gets, and what it may go on with."""

from pathlib import Path
from typing import Any

import pytest

from supcr_bench.commands.run_sweep import check_devices, with_environments
from supcr_bench.store.loaded_run import Run
from supcr_bench.sweep.cluster_executor import ClusterExecutor
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Cell
from supcr_bench.values.errors import StoreError, UsageError
from supcr_bench.values.machine import machine_of
from tests.made_machines import MadeBackend, made_slots
from tests.one_machine import OneMachine


class Here(OneMachine):
    """This machine, of some kind."""

    def __init__(self, cpu: str) -> None:
        self.environment = {"cpu": cpu}
        self.environments = {machine_of(self.environment): self.environment}

    preflight: Any = None
    run: Any = None
    close: Any = None


def cluster(*kinds: str) -> ClusterExecutor:
    return ClusterExecutor(made_slots(*kinds), MadeBackend())


def stored(*kinds: str) -> Run:
    found = {machine_of({"cpu": kind}): {"cpu": kind} for kind in kinds}
    info: dict[str, Any] = {"environment": {"cpu": kinds[0]}, "environments": found}
    return Run(Path("r"), info, ())


def test_a_device_that_no_machine_has_is_said_with_what_there_is() -> None:
    plan = [Cell(Workload(batch_size=8, device="cuda"), ())]
    with pytest.raises(UsageError, match="'cuda' on the 2 machines of the cluster; available: cpu"):
        check_devices(plan, cluster("x", "y"))
    with pytest.raises(UsageError, match="'cuda' on the cluster's machine"):
        check_devices(plan, cluster("x"))


def test_a_machine_goes_on_with_what_it_or_one_like_it_began() -> None:
    with_environments(stored("x").info, Here("x"))
    with_environments(stored("x", "y").info, Here("y"))
    with pytest.raises(StoreError, match="begun with cpu x, and this machine has z"):
        with_environments(stored("x").info, Here("z"))
    with pytest.raises(StoreError, match="2 kinds of machine, and this one is none of them"):
        with_environments(stored("x", "y").info, Here("z"))


def test_a_cluster_goes_on_with_any_run_and_its_kinds_are_added() -> None:
    run = stored("x")
    kinds = [e["cpu"] for e in with_environments(run.info, cluster("y", "z")).values()]
    assert sorted(kinds) == ["x", "y", "z"]


def test_a_run_from_before_kinds_were_recorded_keeps_its_own_as_one() -> None:
    info = {"environment": {"cpu": "x"}}
    assert with_environments(info, cluster("y")) == {
        machine_of({"cpu": kind}): {"cpu": kind} for kind in ("x", "y")
    }
