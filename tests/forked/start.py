"""Asks a :mod:`tests.forked.server` for processes, in the place of :class:`subprocess.Popen`."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import IO, cast

from supcr_bench.workers.worker_process import WorkerProcess, start_python, thread_settings
from tests.forked.server import LENGTH_BYTES
from tests.patience import HANGS_S

SERVERS = "SUPCR_BENCH_TEST_SERVERS"
"""Names the folder of the servers' sockets, to processes that tests start."""
CHARTS = "SUPCR_BENCH_TEST_CHARTS"
"""The most charts that a command draws; none by default, as one takes half a second."""


class ForkedProcess:
    """What is used of a :class:`subprocess.Popen`, of a process that a server has forked.

    Args:
        server: the path of its socket.
        arguments: the module to run as the main one, and those of its command line.
        environment: all of it.
        stderr: where it writes its errors.
        safe_path: whether the working directory is kept from ``sys.path``, as by ``-P``.
        folder: the working directory; that of this process by default.
    """

    def __init__(
        self,
        server: Path,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        stderr: int,
        *,
        safe_path: bool = True,
        folder: Path | None = None,
    ) -> None:
        request = {
            "arguments": list(arguments),
            "environment": dict(environment),
            "folder": str(folder or Path.cwd()),
            "safe_path": safe_path,
        }
        text = json.dumps(request).encode()
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(str(server))
        read_in, write_in = os.pipe()
        read_out, write_out = os.pipe()
        head = len(text).to_bytes(LENGTH_BYTES, "big")
        socket.send_fds(self._connection, [head], [read_in, write_out, stderr])
        self._connection.sendall(text)
        os.close(read_in)
        os.close(write_out)
        self.stdin: IO[bytes] = os.fdopen(write_in, "wb")
        self.stdout: IO[bytes] = os.fdopen(read_out, "rb")
        self._said = self._connection.makefile()
        self.pid = int(self._said.readline())
        self.returncode: int | None = None
        self._ended = Event()
        Thread(target=self._await_end, daemon=True).start()

    def _await_end(self) -> None:
        with self._connection, self._said:
            self.returncode = int(self._said.readline() or -signal.SIGKILL)
        self._ended.set()

    def poll(self) -> int | None:
        """Its exit status, negative for a signal; ``None`` while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired("a forked process", timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def kill(self) -> None:
        """End it at once; as with :class:`subprocess.Popen`, it may have ended just before."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


class Servers:
    """One server a number of threads, each started when it is first asked for.

    Args:
        folder: of their sockets.
        owned: whether they are started here; elsewhere those are used that there are.
        shared: of the socket of a server with one thread that several processes of tests use.
    """

    def __init__(self, folder: Path, *, owned: bool = False, shared: Path | None = None) -> None:
        self.folder, self._owned, self._shared = folder, owned, shared
        self._started = ExitStack()
        self._begun: set[int] = set()
        self._lock = Lock()

    def begin(self, threads: int) -> None:
        """Start a server, unless it has been started, and do not wait until it answers."""
        with self._lock:
            if threads not in self._begun:
                self._begun.add(threads)
                self._started.enter_context(_server(self.folder / str(threads), threads))

    def socket(self, threads: int) -> Path | None:
        """The server whose processes have so many threads of torch, if there is one."""
        shared = self._shared is not None and threads == 1
        path = (self._shared if shared and self._shared else self.folder) / str(threads)
        if self._owned and not shared:
            self.begin(threads)
        deadline = time.monotonic() + (HANGS_S if self._owned else 0)
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        return path if path.exists() else None

    def close(self) -> None:
        """End those that were started here."""
        self._started.close()

    def environment(self, threads: int = 1) -> dict[str, str]:
        """What :func:`use_servers` reads, once the server of so many threads is there."""
        found = self.socket(threads)
        return {SERVERS: str(found.parent if found else self.folder)}

    def start_worker(
        self, arguments: Sequence[str], environment: Mapping[str, str], stderr: IO[bytes]
    ) -> "subprocess.Popen[bytes]":
        """In the place of :func:`supcr_bench.workers.worker_process.start_python`."""
        server = self.socket(int(environment["OMP_NUM_THREADS"]))
        if server is None:
            return start_python(arguments, environment, stderr)
        forked = ForkedProcess(server, arguments, environment, stderr.fileno())
        return cast("subprocess.Popen[bytes]", forked)

    def start_command(
        self,
        arguments: Sequence[str],
        folder: Path,
        stderr: int | None = None,
        *,
        charts: int = 0,
    ) -> ForkedProcess:
        """Start ``supcr-bench`` in a folder, its workers forked too."""
        environment = self.environment() | {CHARTS: str(charts)}
        return self._start(["tests.forked.command", *arguments], folder, stderr, environment)

    def _start(
        self,
        arguments: Sequence[str],
        folder: Path,
        stderr: int | None,
        environment: Mapping[str, str],
    ) -> ForkedProcess:
        server = self.socket(1)
        assert server is not None
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123
            process = ForkedProcess(
                server,
                arguments,
                {**os.environ, **environment},
                nowhere.fileno() if stderr is None else stderr,
                safe_path=False,
                folder=folder,
            )
        process.stdin.close()
        return process

    def run_command(
        self, arguments: Sequence[str], folder: Path, *, charts: int = 0
    ) -> "subprocess.CompletedProcess[str]":
        """Run ``supcr-bench`` in a folder, its workers forked too."""
        with tempfile.TemporaryFile("w+") as stderr:
            process = self.start_command(arguments, folder, stderr.fileno(), charts=charts)
            return _ended(process, stderr)

    def run_code(self, code: str, folder: Path) -> "subprocess.CompletedProcess[str]":
        """Run a program in a folder, as ``python -c`` does."""
        with tempfile.TemporaryFile("w+") as stderr:
            return _ended(self._start(["-c", code], folder, stderr.fileno(), {}), stderr)


def _ended(process: ForkedProcess, stderr: IO[str]) -> "subprocess.CompletedProcess[str]":
    """Wait for the end of a process that writes its errors to that file."""
    stdout: list[str] = []
    reader = Thread(target=lambda: stdout.append(process.stdout.read().decode()))
    reader.start()
    try:
        status = process.wait(HANGS_S)
    finally:
        process.kill()
        reader.join()
        process.stdout.close()
    stderr.seek(0)
    return subprocess.CompletedProcess([], status, stdout[0], stderr.read())


def use_servers() -> None:
    """Have this process fork its workers, by the servers of the tests that started it."""
    WorkerProcess.start = staticmethod(Servers(Path(os.environ[SERVERS])).start_worker)


@contextmanager
def _server(path: Path, threads: int) -> Iterator[None]:
    environment = {**os.environ, **thread_settings(threads)}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "tests.forked.server", str(path)],
        stdin=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    ):
        yield
