"""A Ray cluster of simulated machines, all on this one and reachable from nowhere else.

    python -m tests.simulated_cluster 3

prints the address for ``supcr-bench run --executor ray:ADDRESS``. The line ``kill`` on standard
input takes a machine away without warning; the end of the input (Ctrl-D) takes the cluster away.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

LOOPBACK = "127.0.0.1"
OBJECT_STORE_BYTES = 80 * 2**20
HEALTH = {"health_check_period_ms": 1000, "health_check_failure_threshold": 4}
"""A machine that is gone is missed after four seconds and not after fifteen."""


class SimulatedCluster:
    """The parent's side of a cluster that has a process of its own.

    Args:
        process: this module's.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.address = self._said()

    def _said(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, "the cluster did not start"
        return line

    def _order(self, what: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        assert self._said() == f"{what}: done"

    def kill_a_machine(self) -> None:
        """Take one away; when this returns, its processes are gone."""
        self._order("kill")


@contextmanager
def simulated_cluster(
    machines: int, environment: Mapping[str, str] | None = None
) -> Iterator[SimulatedCluster]:
    """A cluster for as long as the block lasts, whose machines have some environment variables."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.simulated_cluster", str(machines)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **(environment or {})},
        text=True,
    ) as process:
        yield SimulatedCluster(process)  # leaving closes its standard input, and waits


def main(machines: int) -> None:
    """Run a cluster until standard input ends."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Only so does Ray bind to 127.0.0.1 (supcr_bench/sweep/ray_executor.py); read on import.
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    # A machine starts the workers that it needs.
    os.environ["RAY_prestart_worker_first_driver"] = "0"  # noqa: SIM112 - Ray's name for it
    from ray.cluster_utils import Cluster

    node: dict[str, Any] = {
        "node_ip_address": LOOPBACK,
        "num_cpus": 1,
        "object_store_memory": OBJECT_STORE_BYTES,
        "include_dashboard": False,
        "include_log_monitor": False,  # nobody reads what tasks print
        "no_monitor": True,  # nothing scales the cluster
    }
    cluster: Any = Cluster(initialize_head=True, head_node_args={**node, "_system_config": HEALTH})
    try:
        others = [cluster.add_node(wait=False, **node) for _ in range(machines - 1)]
        cluster.wait_for_nodes()
        sys.stdout.write(f"{cluster.address}\n")
        sys.stdout.flush()
        for line in sys.stdin:
            order = line.strip()
            if order == "kill":
                cluster.remove_node(others.pop(), allow_graceful=False)
            sys.stdout.write(f"{order}: done\n")
            sys.stdout.flush()
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]))
