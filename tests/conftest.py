"""For all tests."""

import fcntl
import gc
import sys
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import RLock
from typing import Any

import pytest

from supcr_bench.workers.worker_process import WorkerProcess
from tests.forked.start import Servers
from tests.patience import grant_patience

SHARED = pytest.StashKey[Path]()
"""The folder of the server that all processes of tests use."""
pytest_plugins = ("pytester", "tests.forked.side_by_side")
"""Of tests of the pytest plug-in, which run tests of their own; and several processes of tests."""


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Small tensors gain nothing from threads, which on a busy machine wait for each other."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """No verification runs out of time, however busy the machine; tests of hangs set limits."""
    grant_patience(monkeypatch.setattr)


@pytest.fixture(autouse=True)
def frozen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is imported is frozen again where a test thaws it or imports more.

    Each cell collects garbage, which would take a second.
    """
    thaw, imported = gc.unfreeze, len(sys.modules)
    thawed: list[bool] = []

    def unfreeze() -> None:
        thawed.append(True)
        thaw()

    monkeypatch.setattr(gc, "unfreeze", unfreeze)
    yield
    if thawed or len(sys.modules) > imported:
        gc.freeze()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected is no garbage: collections, also later ones, pass it by."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Where there are several processes of tests, have a server import torch meanwhile."""
    if session.config.getoption("--processes") > 1:
        folder = TemporaryDirectory(prefix="supcr-bench-")  # a socket's path has to be short
        made = Servers(Path(folder.name), owned=True)
        made.begin(1)
        session.config.stash[SHARED] = made.folder
        session.config.add_cleanup(folder.cleanup)
        session.config.add_cleanup(made.close)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """What each of several processes would compute is computed before they are forked."""
    if session.config.getoption("--processes") > 1 and not session.config.option.collectonly:
        import torch

        from tests.forked.server import prepare_pages, prepare_recognition

        torch.set_num_threads(1)
        prepare_pages()
        prepare_recognition()


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Iterator[Servers]:
    """Start Python processes with torch imported."""
    with TemporaryDirectory(prefix="supcr-bench-") as folder:
        made = Servers(Path(folder), owned=True, shared=pytestconfig.stash.get(SHARED, None))
        yield made
        made.close()


@pytest.fixture(scope="session", autouse=True)
def forked_workers(servers: Servers) -> Iterator[None]:
    """Workers are forked, since most of their start is the import of torch.

    How they are really started is tested in ``tests/workers/test_worker_process.py``.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorkerProcess, "start", servers.start_worker)
        yield


@pytest.fixture(scope="session", autouse=True)
def commands_built_once() -> Iterator[None]:
    """Typer would build all commands and the types of their options anew for each that is run."""
    from typer import main, testing

    built = cache(main.get_command)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(main, "get_command", built)
        patch.setattr(testing, "_get_command", built)
        yield


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One process compiles at a time: the next then finds on disk what it waited for."""
    try:
        from numba.core.dispatcher import Dispatcher
    except ImportError:
        yield
        return
    place = tmp_path_factory.getbasetemp() / "compiling"  # the same in all processes
    compile_now, within = Dispatcher.compile, RLock()
    callers: list[Any] = []

    def compile_alone(dispatcher: Any, signature: Any) -> Any:
        with within, place.open("w") as lock:
            if not callers:  # what it calls is compiled within
                fcntl.flock(lock, fcntl.LOCK_EX)
            callers.append(dispatcher)
            try:
                return compile_now(dispatcher, signature)
            finally:
                callers.pop()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Dispatcher, "compile", compile_alone)
        yield
