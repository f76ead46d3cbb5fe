"""What is compiled is compiled once, though several processes run tests."""

import fcntl
from collections.abc import Iterator
from threading import RLock
from typing import Any

import pytest


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
