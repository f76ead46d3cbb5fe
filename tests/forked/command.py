"""``supcr-bench`` in a forked process: its workers are forked too, where there is a server."""

import os
import runpy
from pathlib import Path

from supcr_bench.workers.worker_process import WorkerProcess
from tests.forked.start import SERVERS, Servers

if __name__ == "__main__":
    WorkerProcess.start = staticmethod(Servers(Path(os.environ[SERVERS])).start_worker)
    runpy.run_module("supcr_bench", run_name="__main__", alter_sys=True)
