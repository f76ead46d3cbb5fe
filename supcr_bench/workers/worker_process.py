"""The parent's side of a worker: start it, talk to it, watch it, end it."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO, Any

import psutil

from supcr_bench.values.errors import WorkerError
from supcr_bench.workers import messages

START_LIMIT_S = 120.0
"""Time limit to start; importing torch from a cold, busy disk can take tens of seconds."""
POLL_S = 0.25
CLOSE_LIMIT_S = 5.0


def start_python(
    arguments: Sequence[str], environment: Mapping[str, str], stderr: IO[bytes]
) -> "subprocess.Popen[bytes]":
    """Start a Python process; ``arguments`` are a module and its command-line arguments."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=environment,
    )


def thread_settings(threads: int) -> dict[str, str]:
    """Environment variables that limit every library of a process to this many threads."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return dict.fromkeys(names, str(threads))


class WorkerProcess:
    """One worker, whose torch uses ``threads`` threads.

    A thread calls ``deliver`` with each response, and with ``None`` once the worker has ended; by
    default :meth:`responses` yields the responses. ``scratch`` is a folder that the worker removes
    if its parent is killed.
    """

    start = staticmethod(start_python)  # tests replace it by a faster one
    ranks = 1

    def __init__(
        self,
        threads: int = 1,
        deliver: Callable[[messages.Response | None], None] | None = None,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="supcr-bench-")
        self.scratch = folder = Path(self._folder.name)
        self._errors = folder / "stderr"
        self._page = messages.ActivityPage(folder / "activity")
        self._page.write(messages.SETUP, None)
        self._sent_s = 0.0
        environment = {**os.environ, **thread_settings(threads)}
        environment["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
        with self._errors.open("wb") as stderr:
            self._process = type(self).start(
                ["supcr_bench.workers.worker", str(folder / "activity"), str(threads)],
                environment,
                stderr,
            )
            self.pid = self._process.pid
        self._inbox: SimpleQueue[messages.Response | None] = SimpleQueue()
        self._deliver = deliver or self._inbox.put
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()
        self.environment = self._await_start()
        self.resident_at_start_bytes = self.resident_bytes() or 0

    def _read(self) -> None:
        assert self._process.stdout is not None
        # Where what says that it has started goes.
        put: Callable[[messages.Response | None], None] = self._inbox.put
        while (response := messages.read_message(self._process.stdout)) is not None:
            put(response)
            put = self._deliver
        self._process.wait()
        put(None)

    def _await_start(self) -> Mapping[str, Any]:
        finding, began = "", time.monotonic()
        for ready in self.responses():
            if isinstance(ready, messages.Returned):
                return dict(ready.value)
            if time.monotonic() - began > START_LIMIT_S:
                finding = f"no answer within {START_LIMIT_S:.0f} s"
                self.kill()
                break
        finding = finding or self.exit_description()
        self.close()
        raise WorkerError(f"a worker did not start: {finding}")

    def send(self, method: str, *arguments: Any) -> None:
        """Send a request. If the worker has died, :meth:`responses` reports that."""
        assert self._process.stdin is not None
        self._sent_s = time.monotonic()
        with contextlib.suppress(BrokenPipeError):
            messages.write_message(messages.Request(method, arguments), self._process.stdin)

    def responses(self) -> Iterator[messages.Response | None]:
        """Yield responses, and ``None`` several times a second, until the worker ends."""
        while True:
            try:
                response = self._inbox.get(timeout=POLL_S)
            except Empty:
                yield None
                continue
            if response is None:
                return
            yield response

    def activity(self) -> messages.Activity | None:
        """What the worker does for the last request; ``None`` in the middle of a write."""
        found = self._page.read()
        if found and found.since_s < self._sent_s:
            return messages.Activity(messages.SETUP, None, self._sent_s)
        return found

    def resident_bytes(self) -> int | None:
        with contextlib.suppress(psutil.Error):
            return int(psutil.Process(self.pid).memory_info().rss)
        return None

    def cpu_s(self) -> float:
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(self.pid).cpu_times()
            return float(times.user + times.system)
        return 0.0

    def exit_description(self) -> str:
        """Say how the worker ended: signal or exit status, and last line of standard error."""
        status = self._process.poll()
        if status is None:
            how = "still running"
        elif status < 0:
            how = f"killed by {signal.Signals(-status).name}"
            if -status == signal.SIGKILL:
                how += ", as the system does when memory runs out"
        else:
            how = f"exited with status {status}"
        said = self._errors.read_text(errors="replace").strip().splitlines()
        lines = [line for line in said if not line.startswith("USDT:")]
        return f"{how}: {lines[-1][:300]}" if lines else how

    def kill(self) -> None:
        started = self._started_processes()
        self._process.kill()
        self._process.wait()
        self._end(started)

    def _started_processes(self) -> list[psutil.Process]:
        """The processes that the worker has started, which would outlive it."""
        with contextlib.suppress(psutil.Error):
            return psutil.Process(self.pid).children(recursive=True)
        return []

    def close(self) -> None:
        assert self._process.stdin is not None
        started = self._started_processes()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=CLOSE_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._end(started)
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._page.close()
        self._folder.cleanup()

    def _end(self, processes: Sequence[psutil.Process]) -> None:
        """Kill these processes, and on POSIX the rest of the worker's process group."""
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
