"""Notices what a subject changes in the whole process, and undoes it.

All implementations of a cell share a process. A setting of torch that one changes, or a function
that one replaces, would hold for the others and for the clock.
"""

import builtins
import gc
import os
import random
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from time import process_time, sleep
from typing import Any

import torch
from torch.nn.modules import module as nn_module

_TORCH = Path(torch.__file__).parent

Read = Callable[[], Any]
Write = Callable[[Any], object]


def _pops(length: Read, pop: Callable[[], object]) -> Write:
    """How to bring a stack of modes back to a length."""

    def write(wanted: int) -> None:
        while length() > wanted:
            pop()

    return write


def _write_hooks(kept: Mapping[str, Mapping[Any, Any]]) -> None:
    for name, hooks in kept.items():
        own = getattr(nn_module, name)
        own.clear()
        own.update(hooks)


def _denormals_flushed() -> bool:
    return float(torch.tensor(1e-40) * 1) == 0


_HOOKS = [n for n, found in vars(nn_module).items() if n.startswith("_global_") and found == {}]
_dispatch_modes: Read = torch._C._len_torch_dispatch_stack
_function_modes: Read = torch._C._len_torch_function_stack

SETTINGS: dict[str, tuple[Read, Write, Any]] = {
    "default dtype": (torch.get_default_dtype, torch.set_default_dtype, torch.float32),
    "default device": (torch.get_default_device, torch.set_default_device, torch.device("cpu")),
    "number of threads": (torch.get_num_threads, torch.set_num_threads, 7),
    "grad mode": (torch.is_grad_enabled, torch.set_grad_enabled, True),
    "float32 matmul precision": (
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
        "highest",
    ),
    "use of deterministic algorithms": (
        lambda: (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        lambda pair: torch.use_deterministic_algorithms(pair[0], warn_only=pair[1]),
        (False, False),
    ),
    "cudnn.deterministic": (
        lambda: torch.backends.cudnn.deterministic,
        partial(setattr, torch.backends.cudnn, "deterministic"),
        False,
    ),
    "cudnn.benchmark": (
        lambda: torch.backends.cudnn.benchmark,
        partial(setattr, torch.backends.cudnn, "benchmark"),
        False,
    ),
    "detection of anomalies": (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly, False),
    "flushing of denormal numbers": (_denormals_flushed, torch.set_flush_denormal, False),
    "modes of dispatch": (
        _dispatch_modes,
        _pops(_dispatch_modes, torch.utils._python_dispatch._pop_mode),
        0,
    ),
    "modes of torch functions": (
        _function_modes,
        _pops(_function_modes, torch.overrides._pop_mode),
        0,
    ),
    "hooks on all modules": (
        lambda: {name: dict(getattr(nn_module, name)) for name in _HOOKS},
        _write_hooks,
        {name: {} for name in _HOOKS},
    ),
    "tracing of memory": (
        tracemalloc.is_tracing,
        lambda on: (tracemalloc.start if on else tracemalloc.stop)(),
        False,
    ),
    "profiling function": (sys.getprofile, sys.setprofile, None),
}
"""How to read and to write each setting, and a value that no loss sets."""
if hasattr(os, "sched_setaffinity"):  # on Linux
    _cores = os.sched_getaffinity(0)
    SETTINGS["choice of cores"] = (
        partial(os.sched_getaffinity, 0),
        partial(os.sched_setaffinity, 0),
        _cores,
    )

_OWNERS: dict[str, Any] = {
    "time": time,
    "gc": gc,
    "random": random,
    "builtins": builtins,
    "torch": torch,
    "torch.Tensor": torch.Tensor,
    "torch.autograd": torch.autograd,
    "torch.accelerator": torch.accelerator,
    "torch.cuda": torch.cuda,
    "torch.nn.Module": torch.nn.Module,
    "torch.nn.functional": torch.nn.functional,
}
"""Modules and classes whose functions the harness and other subjects call."""


class ProcessState:
    """The settings and functions of the process at one moment, to compare with and go back to."""

    def __init__(self) -> None:
        self._settings = {name: read() for name, (read, _, _) in SETTINGS.items()}
        self._functions = {
            name: {n: f for n, f in vars(owner).items() if callable(f)}
            for name, owner in _OWNERS.items()
        }
        self._threads = set(threading.enumerate())
        self._overridden = _overridden_operators()

    def changes(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """What has changed since, each in words, with a function that undoes it."""
        for name, (read, write, _) in SETTINGS.items():
            if read() != self._settings[name]:
                yield f"changes the {name}", partial(write, self._settings[name])
        for owner, functions in self._functions.items():
            now = vars(_OWNERS[owner])
            for name, function in functions.items():
                if now.get(name) is not function and not _is_torchs(now.get(name)):
                    undo = partial(setattr, _OWNERS[owner], name, function)
                    yield f"replaces {owner}.{name}", undo

    def undo(self) -> list[str]:
        """Undo what has changed since, and say what it was."""
        found = list(self.changes())
        for _, write in found:
            write()
        return [said for said, _ in found]

    def lasting_changes(self) -> list[str]:
        """What has changed since and cannot be undone, in words."""
        operators = sorted(_overridden_operators() - self._overridden)
        found = [f"overrides torch's operator {name.split('/')[1]}" for name in operators]
        threads = [t for t in threading.enumerate() if t not in self._threads and t.is_alive()]
        if threads:
            found.append(f"leaves {len(threads)} thread{'s'[: len(threads) > 1]} running")
        elif _is_busy():
            found.append("keeps a core busy after its calls")
        return found


def _overridden_operators() -> set[str]:
    return {name for name in getattr(torch.library, "_impls", ()) if name.startswith("aten/")}


IDLE_WINDOW_S = 0.02
IDLE_WINDOWS = 5
"""Threads of OpenMP spin for some milliseconds after a call, so one idle window is enough."""


def _is_busy() -> bool:
    """Whether threads of this process compute while this one sleeps, in each of some windows."""
    for _ in range(IDLE_WINDOWS):
        before = process_time()
        sleep(IDLE_WINDOW_S)
        if process_time() - before < IDLE_WINDOW_S / 4:
            return False
    return True


def _is_torchs(found: object) -> bool:
    """Whether a function or class is torch's own, which it puts in the place of another."""
    if isinstance(found, type):
        return found.__module__.partition(".")[0] == "torch"
    code = getattr(found, "__code__", None)
    return code is not None and Path(code.co_filename).is_relative_to(_TORCH)


def changes_by(call: Callable[[], object]) -> list[str]:
    """What a call changes in the process, in words; all is as before afterwards.

    The call meets values that no loss sets, so that one that another call has changed before is
    found as well.
    """
    before = ProcessState()
    try:
        for read, write, usual in SETTINGS.values():
            if read() != usual:
                write(usual)
        met = ProcessState()
        call()
        return met.undo()
    finally:
        before.undo()
