"""Notices what a subject changes in the whole process, and undoes it.

All implementations of a cell share a process. If one changes a setting of torch, or replaces a
function, that would affect the other implementations and the time measurement.
"""

import builtins
import gc
import os
import re
import signal
import sys
import threading
import tracemalloc
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from functools import cache, lru_cache, partial
from itertools import chain
from operator import is_
from pathlib import Path
from pkgutil import resolve_name
from time import perf_counter, process_time, sleep
from time import time as clock_s
from types import ModuleType
from typing import Any

import psutil
import torch
from torch.nn.modules import module as nn_module

from supcr_bench.subjects import isolated

TORCH_FOLDER = Path(torch.__file__).parent
_REGISTERED_AT = re.compile(r"^debug: registered at (.+):\d+", re.MULTILINE)

Read = Callable[[], Any]
Write = Callable[[Any], object]
Setting = tuple[Read, Write, Any]
"""How to read a setting, how to write it, and a value that no loss sets, or ``KEEP``."""


def _stack(length: Read, pop: Callable[[], object]) -> Setting:
    """A stack of modes, which is cut back to a length."""

    def write(wanted: int) -> None:
        while length() > wanted:
            pop()

    return length, write, 0


def _attribute(owner: object, name: str, usual: object) -> Setting:
    return partial(getattr, owner, name), partial(setattr, owner, name), usual


def _write_hooks(kept: Mapping[str, Mapping[Any, Any]]) -> None:
    for name, hooks in kept.items():
        own = getattr(nn_module, name)
        own.clear()
        own.update(hooks)


_DENORMAL = 5e-324
_empty = torch.empty  # a call could replace it


def _write_collection(kept: tuple[bool, tuple[int, int, int]]) -> None:
    (gc.enable if kept[0] else gc.disable)()
    gc.set_threshold(*kept[1])


def _write_handlers(kept: Mapping[signal.Signals, Any]) -> None:
    with suppress(ValueError):  # only the main thread may
        for number, handler in kept.items():
            signal.signal(number, handler)


_AUTOGRAD = torch._C._autograd
# Newer than torch 2.6.
_top_hooks = partial(getattr(_AUTOGRAD, "_top_saved_tensors_default_hooks", lambda _: None), True)


def _cut_hooks(wanted: object) -> None:
    while _top_hooks() not in (None, wanted):
        _AUTOGRAD._pop_saved_tensors_default_hooks()


KEEP = object()
"""Marks a setting that is not changed before a watched call."""
_SIGNALS = [s for s in signal.Signals if s.name in ("SIGINT", "SIGTERM", "SIGALRM")]
_HOOKS = [n for n, found in vars(nn_module).items() if n.startswith("_global_") and found == {}]

SETTINGS: dict[str, Setting] = {
    "default dtype": (torch.get_default_dtype, torch.set_default_dtype, torch.float32),
    "default device": (  # get_default_device takes four times as long
        lambda: _empty(0).device,
        torch.set_default_device,
        torch.device("cpu"),
    ),
    "number of threads": (torch.get_num_threads, torch.set_num_threads, 7),
    "grad mode": (torch.is_grad_enabled, torch.set_grad_enabled, True),
    "float32 matmul precision": (
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
        "highest",
    ),
    "use of deterministic algorithms": (
        torch.get_deterministic_debug_mode,
        torch.set_deterministic_debug_mode,
        0,
    ),
    "cudnn.deterministic": _attribute(torch.backends.cudnn, "deterministic", False),
    "cudnn.benchmark": _attribute(torch.backends.cudnn, "benchmark", False),
    "detection of anomalies": (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly, False),
    "flushing of denormal numbers": (lambda: _DENORMAL * 1.0 == 0, torch.set_flush_denormal, False),
    "modes of dispatch": _stack(
        torch._C._len_torch_dispatch_stack, torch.utils._python_dispatch._pop_mode
    ),
    "modes of torch functions": _stack(
        torch._C._len_torch_function_stack, torch.overrides._pop_mode
    ),
    "use of oneDNN": (torch._C._get_mkldnn_enabled, torch._C._set_mkldnn_enabled, True),
    "hooks on all modules": (
        lambda: {name: dict(getattr(nn_module, name)) for name in _HOOKS},
        _write_hooks,
        {name: {} for name in _HOOKS},
    ),
    "hooks on saved tensors": (_top_hooks, _cut_hooks, KEEP),
    "tracing of memory": (
        tracemalloc.is_tracing,
        lambda on: (tracemalloc.start if on else tracemalloc.stop)(),
        False,
    ),
    "profiling function": (sys.getprofile, sys.setprofile, None),
    "tracing function": (sys.gettrace, sys.settrace, KEEP),
    "garbage collection": (
        lambda: (gc.isenabled(), gc.get_threshold()),
        _write_collection,
        (True, (701, 11, 11)),
    ),
    "switch interval of threads": (sys.getswitchinterval, sys.setswitchinterval, 0.006),
    "handlers of signals": (
        lambda: {number: signal.getsignal(number) for number in _SIGNALS},
        _write_handlers,
        KEEP,
    ),
    "autocast": (
        lambda: [(d, torch.is_autocast_enabled(d)) for d in ("cpu", "cuda")],
        lambda kept: [torch.set_autocast_enabled(d, on) for d, on in kept],
        [("cpu", False), ("cuda", False)],
    ),
}
if hasattr(os, "setpriority"):  # on Unix
    _process = os.PRIO_PROCESS, 0

    def _write_priority(wanted: int) -> None:
        with suppress(PermissionError):  # to raise it again needs a privilege
            os.setpriority(*_process, wanted)

    SETTINGS["priority of the process"] = partial(os.getpriority, *_process), _write_priority, KEEP
if hasattr(os, "sched_setaffinity"):  # on Linux
    _read_cores = partial(os.sched_getaffinity, 0)
    SETTINGS["choice of cores"] = _read_cores, partial(os.sched_setaffinity, 0), _read_cores()

_OWNERS: dict[str, Any] = {
    name: resolve_name(name)
    for name in (
        *("time", "math", "gc", "random", "builtins", "numpy", "torch", "torch.Tensor"),
        *("torch.autograd", "torch.autograd.Function", "torch.autograd.graph", "torch.linalg"),
        *("torch.accelerator", "torch.cuda", "torch.nn.Module", "torch.nn.functional"),
    )
}
"""Modules and classes whose functions the harness and other subjects call."""
_HARNESS = "supcr_bench."
_GENERATED = r"__\w*(?<!__)$"
"""Names in our modules that torch.compile gives to what it generated; it removes them later."""


@lru_cache(maxsize=1)
def _owners(_imported: tuple[int, ...]) -> dict[str, Any]:
    """The ``_OWNERS``, and supcr-bench's own modules and classes; searched again after imports."""
    found = dict(_OWNERS)
    for name, module in list(sys.modules.items()):
        if name.startswith(_HARNESS):
            found |= _with_classes(name, module)
    return found


@cache
def _with_classes(name: str, module: ModuleType) -> dict[str, Any]:
    """A module and the classes that it defines."""
    classes = [own for own in vars(module).values() if isinstance(own, type)]
    return {name: module} | {
        f"{name}.{own.__name__}": own for own in classes if own.__module__ == name
    }


@contextmanager
def pinned_threads(number: int) -> Iterator[None]:
    """Within the block, torch uses that many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class ProcessState:
    """The settings and functions of the process at one moment, to compare with and to restore.

    Args:
        operators: whether to list the operators of torch too, which takes 5 ms.
    """

    def __init__(self, *, operators: bool = False) -> None:
        self._settings = {name: read() for name, (read, _, _) in SETTINGS.items()}
        self._owners = _owners(tuple(map(id, [*sys.modules.values()])))
        self._attributes = {name: vars(owner).copy() for name, owner in self._owners.items()}
        self._values = [vars(owner).values() for owner in self._owners.values()]
        self._seen = [*chain.from_iterable(self._values)]
        self._began_s = clock_s() - 1.0  # the system reports a process's start roughly
        self._threads = set(threading.enumerate())
        self._not_undone: list[str] = []
        self._implemented = _implemented_operators()
        self.operators = registered_operators() if operators else frozenset()

    def changes(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """Each change since this object was made, in words, with a function that undoes it."""
        for name, (read, write, _) in SETTINGS.items():
            if read() != self._settings[name]:
                yield f"changes the {name}", partial(write, self._settings[name])
        # The caches were flushed: fetched in one short loop first, the values come sooner.
        values = [*chain.from_iterable(self._values)]
        if len(values) == len(self._seen) and all(map(is_, values, self._seen)):
            return
        self._seen = values
        for name, owner in self._owners.items():
            known, now = self._attributes[name], vars(owner)
            if [*now] == [*known] and all(map(is_, now.values(), known.values())):
                continue
            if new := now.keys() - known.keys():
                new &= _hideable(name, owner)
            for attribute in (*known, *new):
                found, function = now.get(attribute), known.get(attribute)
                hidden = found if attribute in new else function
                if found is function or not callable(hidden) or _is_torchs(found):
                    continue
                if name.startswith(_HARNESS) and re.match(_GENERATED, attribute):
                    continue
                self._seen = []  # until it is undone
                undo = partial(setattr, owner, attribute, function)
                if attribute in new:
                    undo = partial(delattr, owner, attribute)
                yield f"replaces {name}.{attribute}", undo

    def undo(self) -> list[str]:
        """Undo all changes since this object was made, and describe them."""
        found = list(self.changes())
        for _, write in found:
            write()
        if found:
            settings = ((f"changes the {n}", n, read) for n, (read, *_) in SETTINGS.items())
            self._not_undone = [said for said, n, read in settings if read() != self._settings[n]]
        return [said for said, _ in found]

    def lasting_changes(self) -> list[str]:
        """Changes since this object was made that :meth:`undo` could not undo, in words."""
        new_names = sorted(_implemented_operators() - self._implemented)
        own = [name.split("/")[1] for name in new_names if name.startswith("aten/")]
        found = [f"overrides torch's operator {name}" for name in own]
        found += self._not_undone
        new = [t for t in threading.enumerate() if t not in self._threads and t.is_alive()]
        started = psutil.Process().children()
        children = [child for child in started if child.create_time() >= self._began_s]
        if _is_busy(children, thoroughly=bool(new or children)):
            found.append("keeps a core busy after its calls")
        return found

    def interference(self, roots: Collection[Path]) -> Iterator[str]:
        """Changes since this object was made that two versions of a loss share, in words.

        ``roots`` are the folders of the versions. Other packages register operators when they are
        first imported, which says nothing about a version.
        """
        namespaces = {name.partition("::")[0] for name in self.operators}
        for name in sorted(registered_operators() - self.operators):
            if name.partition("::")[0] not in namespaces:
                file = _registered_in(name)
                if file is None or any(isolated.lies_in(file, root) for root in roots):
                    yield f"registers the operator {name} with torch"
        yield from (change for change, _ in self.changes())
        yield from self.lasting_changes()


def registered_operators() -> frozenset[str]:
    """The names of the operators, if this torch lists them."""
    return frozenset(getattr(torch._C, "_dispatch_get_all_op_names", lambda: ())())


def _registered_in(operator: str) -> str | None:
    """The file that registered an operator; ``None`` if that is not known."""
    try:
        from torch._library.custom_ops import OPDEFS

        if (definition := OPDEFS.get(operator)) is not None:
            file = Path(definition._init_fn.__code__.co_filename)
        elif match := _REGISTERED_AT.search(torch._C._dispatch_dump(operator)):
            file = Path(match[1])
        else:
            return None
    except (AttributeError, ImportError, RuntimeError):  # a torch without this
        return None
    by_torch = file == TORCH_FOLDER / "library.py" or file.is_relative_to(TORCH_FOLDER / "_library")
    return None if by_torch else str(file)


def _implemented_operators() -> set[str]:
    """Namespace/operator/key of each operator that Python has implemented, torch's own included.

    The first call of ``torch.vmap`` adds torch's rules for batches, which no call without it uses.
    """
    names = getattr(torch.library, "_impls", ())
    return {name for name in names if not name.endswith("/FuncTorchBatched")}


IDLE_WINDOW_S = 0.02
IDLE_WINDOWS = 6
IDLE_SHARE = 0.1
"""Threads of OpenMP spin for some milliseconds after a call: a busy first window says nothing."""


def _demanded_s(children: Sequence[psutil.Process]) -> float:
    """The seconds that other threads of this process, and its children, ran or waited for a core.

    On a busy machine, a thread that wants to compute mostly waits. If the system does not count
    waiting, these are the seconds of CPU time of this process.
    """
    total_ns, own = 0, str(threading.get_native_id())
    for pid in (os.getpid(), *(child.pid for child in children)):
        for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with suppress(OSError):  # it has ended
                computed_ns, waited_ns, _ = file.read_text().split()
                total_ns += (int(computed_ns) + int(waited_ns)) * (file.parent.name != own)
    return total_ns / 1e9 if total_ns else process_time()


def _is_busy(children: Sequence[psutil.Process], *, thoroughly: bool) -> bool:
    """Whether this process computes while it sleeps; one idle window shows that it does not.

    ``thoroughly`` is set if threads or processes may compute now and then.
    """
    shares = []
    for _ in range(IDLE_WINDOWS):
        before, started = _demanded_s(children), perf_counter()
        sleep(IDLE_WINDOW_S)
        shares.append((_demanded_s(children) - before) / (perf_counter() - started))
        if shares[-1] < IDLE_SHARE and not thoroughly:
            return False
    return sum(shares[1:]) > IDLE_SHARE * len(shares[1:])


def _hideable(name: str, owner: object) -> Set[str]:
    """The names of what a new attribute hides: what a class inherits, or builtins from our code."""
    if isinstance(owner, type):
        return {name for base in owner.__mro__[1:] for name in vars(base)}
    return vars(builtins).keys() if name.startswith(_HARNESS) else set()


def _is_torchs(found: object) -> bool:
    """Whether a function or class belongs to torch, which replaces some of its own functions."""
    if isinstance(found, type):
        return found.__module__.partition(".")[0] == "torch"
    code = getattr(found, "__code__", None)
    return code is not None and Path(code.co_filename).is_relative_to(TORCH_FOLDER)


def changes_by(call: Callable[[], object]) -> list[str]:
    """What a call changes in the process, in words; the changes are undone.

    Before the call, settings get values that no loss sets, so that a change shows even if an
    earlier call made the same one.
    """
    before = ProcessState()
    try:
        for read, write, usual in SETTINGS.values():
            if usual is not KEEP and read() != usual:
                write(usual)
        met = ProcessState()
        call()
        return met.undo()
    finally:
        before.undo()
