"""What ``torch.compile`` needs on this machine, and when torch or numba compiles."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def why_no_compiler(device: str) -> str | None:
    """Why ``torch.compile`` cannot compile for a device here; ``None`` if it can."""
    if device != "cpu":
        if importlib.util.find_spec("triton") is None:
            return f"torch.compile needs Triton to compile for {device}; `pip install triton`"
        return None
    if any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++", "cl"))):
        return None
    return "torch.compile needs a C++ compiler: install g++ or clang++, or set CXX"


COMPILATION = "compilation"
"""The stage of a worker in which torch or numba compiles; it counts as no call and no check."""
ORIGINAL = ("_orig_mod", "_torchdynamo_orig_callable")
"""The attributes under which torch keeps what it compiled."""


def original(loss: Any) -> Any:
    """What a loss was compiled from; ``None`` if it is not compiled."""
    kept = {**getattr(loss, "__dict__", {}), **getattr(loss, "_modules", {})}
    return next((kept[name] for name in ORIGINAL if name in kept), None)


@contextmanager
def numba_watched(start: Callable[[], None], end: Callable[[], None]) -> Iterator[None]:
    """Within the block, ``start`` and ``end`` are called around each compilation by numba.

    numba compiles a function together with those that it calls, in one compilation.
    """
    if "numba" not in sys.modules:
        yield
        return
    from numba.core.event import Listener, install_listener

    class Watch(Listener):  # type: ignore[misc, unused-ignore]  # without numba
        depth = 0

        def on_start(self, _event: object) -> None:
            self.depth += 1
            if self.depth == 1:
                start()

        def on_end(self, _event: object) -> None:
            self.depth -= 1
            if self.depth == 0:
                end()

    with install_listener("numba:compile", Watch()):
        yield


@contextmanager
def watched(start: Callable[[], None], end: Callable[[], None], needed: bool) -> Iterator[None]:
    """Within the block, ``start`` and ``end`` are called around each compilation by torch.

    Earlier compilations are discarded, since torch stops compiling after some number of shapes.
    The compiler, whose import is slow, is imported only if ``needed``.
    """
    if "torch._dynamo" not in sys.modules and not needed:
        yield
        return
    import torch._dynamo
    from torch._dynamo.callback import callback_handler

    torch._dynamo.reset()
    begins = callback_handler.register_start_callback(lambda args: start())  # noqa: ARG005
    ends = callback_handler.register_end_callback(lambda args: end())  # noqa: ARG005
    try:
        yield
    finally:
        callback_handler.remove_start_callback(begins)
        callback_handler.remove_end_callback(ends)
