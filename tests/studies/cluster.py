"""``make cluster``: the suite `quick` on three simulated machines, held against this machine alone.

Three runs: here; on a cluster; on a cluster of which a machine is killed in mid-sweep. Cells and
deterministic figures have to be the same in all of them. The simulated machines share the cores of
this one, so their times say nothing. It takes some minutes, and is no part of the test suite.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.deterministic import differences, rows_in
from tests.simulated_cluster import simulated_cluster

MACHINES = 3
KILL_AFTER = 12
"""Results."""


def run(out: Path, *options: str) -> "subprocess.Popen[bytes]":
    """Begin `quick` in a folder."""
    command = [sys.executable, "-m", "supcr_bench", "run", "quick", "--out", str(out), *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def main() -> int:
    """Run all three, and say what differs."""
    say = sys.stdout.write
    with tempfile.TemporaryDirectory() as name:
        here, there, torn = (Path(name) / part for part in ("here", "there", "torn"))
        began = time.monotonic()
        status = run(here).wait()
        took_s = time.monotonic() - began
        say(f"Here: {len(rows_in(here))} results in {took_s:.0f} s, status {status}\n")
        with simulated_cluster(MACHINES) as cluster:
            began = time.monotonic()
            status = run(there, "--executor", f"ray:{cluster.address}").wait()
            took_s = time.monotonic() - began
            say(
                f"On {MACHINES}: {len(rows_in(there))} results in {took_s:.0f} s, status {status}\n"
            )
            began = time.monotonic()
            with run(torn, "--executor", f"ray:{cluster.address}") as process:
                while not list(torn.glob("*/measurements.jsonl")) or (
                    len(rows_in(torn)) < KILL_AFTER and process.poll() is None
                ):
                    time.sleep(0.05)
                before = len(rows_in(torn))
                cluster.kill_a_machine()
            took_s = time.monotonic() - began
            say(
                f"One of {MACHINES} killed after {before}: {len(rows_in(torn))} results in "
                f"{took_s:.0f} s, status {process.returncode}\n"
            )
        found = differences(rows_in(here), rows_in(there))
        found += differences(rows_in(here), rows_in(torn))
    say("\n".join(found) + "\n" if found else "Cells and deterministic figures are the same.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
