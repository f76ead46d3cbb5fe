"""Tests in several processes that are forked once all tests are collected: ``--processes 3``.

Each process of pytest-xdist imports torch and collects the tests anew, which takes as much time as
a twentieth of the tests.
"""

import os
import sys
import threading
import traceback
from collections import deque
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any, NoReturn

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--processes", type=int, default=1, help="Run tests in so many processes.")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run all tests, unless one process is to do it, as pytest does."""
    processes = session.config.getoption("--processes")
    if processes == 1 or session.config.option.collectonly or session.testsfailed:
        return None
    session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # of all of them
    assert threading.active_count() == 1, "a thread would be missing in a forked process"
    waiting = modules_of(session.items)
    started: dict[Connection, tuple[int, deque[int]]] = {}
    for _ in range(processes):
        here, there = Pipe()
        pid = os.fork()
        if pid == 0:
            here.close()
            run_tests(session, there)
        there.close()
        started[here] = pid, deque()
    running = dict(started)
    while running:
        for connection in wait(list(running)):
            assert isinstance(connection, Connection)
            pid, own = running[connection]
            try:
                said = connection.recv()
            except EOFError:
                del running[connection]
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                assert status == 0, f"a process that ran tests ended with status {status}"
                continue
            if said is None:
                stopped = session.shouldfail or session.shouldstop
                others = [other for _, other in started.values()]
                connection.send(None if stopped else next_test(own, waiting, others))
            else:
                report_to(session.config, said)
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)
    return True


def modules_of(items: list[pytest.Item]) -> deque[list[int]]:
    """The numbers of the tests of each module; those that hold a slow one first."""
    found: dict[Path, list[int]] = {}
    for number, item in enumerate(items):
        found.setdefault(item.path, []).append(number)

    def fast(numbers: list[int]) -> bool:
        return not any(items[number].get_closest_marker("slow") for number in numbers)

    return deque(sorted(found.values(), key=fast))


def next_test(own: deque[int], waiting: deque[list[int]], every: list[deque[int]]) -> int | None:
    """Take the next test of a module, whose fixtures are made once; at the end, share the rest."""
    if not own and waiting:
        own.extend(waiting.popleft())
    elif not own:
        most = max(every, key=len)
        own.extend(reversed([most.pop() for _ in range(-(-len(most) // 2))]))
    return own.popleft() if own else None


def report_to(config: pytest.Config, data: dict[str, Any]) -> None:
    """Have the plug-ins of the process that was started hear of a test."""
    report = config.hook.pytest_report_from_serializable(config=config, data=data)
    config.hook.pytest_runtest_logreport(report=report)
    if report.when == "teardown":
        config.hook.pytest_runtest_logfinish(nodeid=report.nodeid, location=report.location)


class Reporter:
    """Sends what becomes of a test to the process that was started."""

    def __init__(self, config: pytest.Config, connection: Connection) -> None:
        self._config, self._connection = config, connection

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        to_data = self._config.hook.pytest_report_to_serializable
        self._connection.send(to_data(config=self._config, report=report))


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
            following = ask()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            item = following
        save_coverage()
        status = 0
    except BaseException:  # noqa: BLE001 - whatever it is, this process ends here
        traceback.print_exc()
    finally:
        os._exit(status)


def save_coverage() -> None:
    """Store what was covered so far, if that is measured."""
    coverage = sys.modules.get("coverage")
    measured = coverage.Coverage.current() if coverage else None
    if measured is not None:
        measured.save()
