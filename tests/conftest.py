"""For all tests. It imports no torch: the process that hands out tests to others needs none."""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from supcr_bench.workers.worker_process import WorkerProcess
from tests.forked.start import Servers
from tests.patience import grant_patience

SHARED = pytest.StashKey[Servers]()
pytest_plugins = "pytester"
"""Of tests of the pytest plug-in, which run tests of their own."""


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """Store what was covered, if that is measured: who hands out the tests may end this process."""
    coverage = sys.modules.get("coverage")
    measured = coverage.Coverage.current() if coverage else None
    if measured is not None:
        measured.save()


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Small tensors gain nothing from threads, which on a busy machine wait for each other."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def frozen() -> None:
    """What has been imported is no garbage: collections, with which sampling begins, pass it by."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """No verification runs out of time, however busy the machine; tests of hangs set limits."""
    grant_patience(monkeypatch.setattr)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Have all processes that run tests share one server, which the one that asks them starts."""
    if SHARED not in node.config.stash:
        folder = TemporaryDirectory(prefix="supcr-bench-")  # a socket's path has to be short
        made = node.config.stash[SHARED] = Servers(Path(folder.name), owned=True)
        made.begin(1)
        node.config.add_cleanup(folder.cleanup)
        node.config.add_cleanup(made.close)
    node.workerinput["servers"] = str(node.config.stash[SHARED].folder)


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    """Start Python processes with torch imported."""
    shared = getattr(request.config, "workerinput", {}).get("servers")
    with TemporaryDirectory(prefix="supcr-bench-") as folder:
        made = Servers(Path(folder), owned=True, shared=Path(shared) if shared else None)
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
