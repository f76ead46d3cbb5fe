"""Tests in several processes that are forked once all tests are collected: ``--processes 3``.

Each process of pytest-xdist imports torch and collects the tests anew, which takes as much time as
a twentieth of the tests. A test whose process dies fails, and another process runs what is left.
"""

import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any, NoReturn

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--processes", type=int, default=1, help="Run tests in so many processes.")


@dataclass
class Process:
    """A forked process, and tests by their place among all.

    Attributes:
        pid: the number of the process.
        given: the tests that it has been given, but for those that have ended.
        own: the tests that it is given next.
    """

    pid: int
    given: deque[int] = field(default_factory=deque)
    own: deque[int] = field(default_factory=deque)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run all tests, unless one process is to do it, as pytest does."""
    count = session.config.getoption("--processes")
    if count == 1 or session.config.option.collectonly or session.testsfailed:
        return None
    session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # of all of them
    waiting = modules_of(session.items)
    running: dict[Connection, Process] = {}
    try:
        for _ in range(count):
            start_process(session, running)
        while running and not (session.shouldfail or session.shouldstop):
            for connection in wait(list(running)):
                assert isinstance(connection, Connection)
                process = running[connection]
                try:
                    said = connection.recv()
                    if said is None:
                        connection.send(next_test(process, waiting, list(running.values())))
                    else:
                        report_to(session.config, process, said)
                except (EOFError, ConnectionError):
                    del running[connection]
                    if left := tests_left(session, process):
                        waiting.appendleft(left)
                        start_process(session, running)
    finally:
        for connection, process in running.items():
            connection.close()
            os.kill(process.pid, signal.SIGINT)
        for process in running.values():
            os.waitpid(process.pid, 0)
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)
    return True


def modules_of(items: list[pytest.Item]) -> deque[list[int]]:
    """The numbers of the tests of each module; those first that compile, then those with slow ones.

    What one compiles at the beginning, others find on disk, and do not wait for it.
    """
    found: dict[Path, list[int]] = {}
    for number, item in enumerate(items):
        found.setdefault(item.path, []).append(number)

    def later(numbers: list[int]) -> list[bool]:
        marks = {mark.name for number in numbers for mark in items[number].iter_markers()}
        return [mark not in marks for mark in ("compiles", "slow")]

    return deque(sorted(found.values(), key=later))


def start_process(session: pytest.Session, running: dict[Connection, Process]) -> None:
    """Fork a process that runs tests; it does not keep what leads to the others."""
    assert threading.active_count() == 1, "a thread would be missing in a forked process"
    here, there = Pipe()
    pid = os.fork()
    if pid == 0:
        for connection in (here, *running):
            connection.close()
        run_tests(session, there)
    there.close()
    running[here] = Process(pid)


def next_test(process: Process, waiting: deque[list[int]], running: list[Process]) -> int | None:
    """Take the next test of a module, whose fixtures are made once; at the end, share the rest."""
    own = process.own
    if not own and waiting:
        own.extend(waiting.popleft())
    elif not own:
        most = max((other.own for other in running), key=len)
        own.extend(reversed([most.pop() for _ in range(-(-len(most) // 2))]))
    if not own:
        return None
    process.given.append(own[0])
    return own.popleft()


def report_to(config: pytest.Config, process: Process, data: dict[str, Any]) -> None:
    """Have the plug-ins of the process that was started hear of a test."""
    report = config.hook.pytest_report_from_serializable(config=config, data=data)
    config.hook.pytest_runtest_logreport(report=report)
    if report.when == "teardown":
        process.given.popleft()
        config.hook.pytest_runtest_logfinish(nodeid=report.nodeid, location=report.location)


def tests_left(session: pytest.Session, process: Process) -> list[int]:
    """The tests that a process has left when it ends; the one in which it died fails."""
    status = os.waitstatus_to_exitcode(os.waitpid(process.pid, 0)[1])
    if status == 0:
        return []
    cause = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    if not process.given:
        session.shouldfail = f"a process that ran tests ended after them: {cause}"
        return []
    died, *left = process.given
    report = pytest.TestReport(
        nodeid=session.items[died].nodeid,
        location=session.items[died].location,
        keywords={},
        outcome="failed",
        longrepr=f"The process that ran this test ended: {cause}",
        when="call",
    )
    session.config.hook.pytest_runtest_logreport(report=report)
    return [*left, *process.own]


class Reporter:
    """Sends what becomes of a test to the process that was started."""

    def __init__(self, config: pytest.Config, connection: Connection) -> None:
        self._config, self._connection = config, connection

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        to_data = self._config.hook.pytest_report_to_serializable
        self._connection.send(to_data(config=self._config, report=report))


class Following:
    """The next test, asked for when fixtures end, so that it does not wait behind a long one."""

    def __init__(self, ask: Callable[[], pytest.Item | None]) -> None:
        self._ask = ask

    @cached_property
    def item(self) -> pytest.Item | None:
        return self._ask()

    def listchain(self) -> list[Any]:
        """What pytest asks of it: whose fixtures are needed again."""
        return self.item.listchain() if self.item else []


def run_tests(session: pytest.Session, connection: Connection) -> NoReturn:
    """In a forked process: run tests for as long as there are any, and end."""

    def ask() -> pytest.Item | None:
        connection.send(None)
        number = connection.recv()
        return None if number is None else session.items[number]

    status = 1
    try:
        plugins = session.config.pluginmanager
        plugins.unregister(name="terminalreporter")
        capture: Any = plugins.getplugin("capturemanager")
        capture.stop_global_capturing()  # of files that are shared
        capture.start_global_capturing()
        capture.suspend_global_capture()
        plugins.register(Reporter(session.config, connection))
        item = ask()
        while item is not None:
            following = Following(ask)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            item = following.item
        status = 0
    except (KeyboardInterrupt, EOFError, ConnectionError):  # the process that was started ends
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        session._setupstate.teardown_exact(None)
        status = 0
    except BaseException:  # noqa: BLE001 - whatever it is, this process ends here
        traceback.print_exc()
    finally:
        os._exit(status)
