"""The process that others are forked from: ``python -P -m tests.forked.server SOCKET``.

It imports torch and what workers and commands need, but neither of their main modules, and calls
nothing of torch: no thread runs here, and no device is initialised. Each connection asks for one
process; the answers are its number and, later, how it ended.

It ends with its standard input, which the tests hold.
"""

import atexit
import gc
import importlib
import json
import os
import platform
import runpy
import selectors
import signal
import socket
import sys
import tempfile
import threading
import weakref
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from coverage import process_startup

PRELOADED = (
    # What commands need beside workers.
    "jinja2",
    "matplotlib.backends.backend_svg",
    "pandas",
    "rich.progress",
    "scipy.optimize",
    "scipy.stats",
    "typer",
    "supcr_bench.analysis.findings",
    "supcr_bench.commands.app",
    "supcr_bench.commands.report_page",
    "supcr_bench.commands.run_sweep",
    "supcr_bench.render.report",
    "supcr_bench.sweep.runner",
    # What workers need.
    "psutil",
    "pydantic",
    "torch._dynamo",
    "torch.distributed",
    "torch.profiler",
    "torch.utils.flop_counter",
    "torch.utils.serialization",
    "supcr_bench.measure.cell",
    "supcr_bench.measure.environment",
    "supcr_bench.measure.ranked",
    "supcr_bench.measure.version_times",
    "supcr_bench.subjects.source_files",
    "supcr_bench.sweep.local_executor",
    "supcr_bench.verification.bugs.catalogue",
    "supcr_bench.verification.ranks",
    "supcr_bench.verification.local_session",
)
LENGTH_BYTES = 4


def main(path: str) -> None:
    """Fork a process for each connection, until standard input ends."""
    process_startup()  # measures coverage where the environment asks for it
    for name in PRELOADED:
        importlib.import_module(name)
    from tests.patience import grant_patience

    grant_patience()
    prepare_commands()
    prepare_pages()
    prepare_recognition()
    prepare_start_and_end()
    end_coverage()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    gc.collect()
    gc.freeze()  # a forked process does not write to what it never frees
    wake, woken = socket.socketpair()
    for end in (wake, woken):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{path}.new")
    listener.listen(64)
    Path(f"{path}.new").rename(path)  # whoever finds it is answered
    running: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as selector:
        for source in (sys.stdin, wake, listener):
            selector.register(source, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if wake in ready:
                with suppress(BlockingIOError):
                    while wake.recv(4096):
                        pass
            report_ended(running)
            if listener in ready:
                connection, _ = listener.accept()
                request, files = receive(connection)
                pid = os.fork()
                if pid == 0:
                    selector.close()
                    for mine in (wake, woken, listener, connection, *running.values()):
                        mine.close()
                    become(request, files)
                for file in files:
                    os.close(file)
                running[pid] = connection
                connection.sendall(b"%d\n" % pid)
            if sys.stdin in ready:
                return


def prepare_commands() -> None:
    """Build all commands and the types of their options once, which each command would do."""
    from typer import main

    from supcr_bench.commands.app import app

    vars(main)["get_command"] = cache(main.get_command)
    main.get_command(app)


def prepare_pages() -> None:
    """Compile the templates once, which takes longer than to write most pages."""
    from supcr_bench.render.report import TEMPLATES

    for name in TEMPLATES.list_templates(extensions=["j2"]):
        TEMPLATES.get_template(name)


def prepare_recognition() -> None:
    """Recognise losses once: what members of the family give on the probes is kept in the process.

    Only where gradients start no threads, which a forked process would not have.
    """
    import torch

    from supcr_bench.values.definition import AUTO
    from supcr_bench.values.implementation import Implementation
    from supcr_bench.verification.resolve import resolve
    from tests.subjects_table import SOURCE

    if torch.version.cuda is not None:
        return
    losses: dict[str, Any] = {}
    exec(SOURCE, losses)
    for name in ("RnCLoss", "rnc_function", "TwoViews"):
        own = Implementation(name=name, title="", source="", definition=AUTO, factory=losses[name])
        resolve(own)


def prepare_start_and_end() -> None:
    """Do once what every process does when it starts, and leave out what torch tidies at its end.

    Python keeps the name of the platform, for which it starts a process; a worker imports the
    registered implementations before any other loss, and looks for the classes of this package.
    """
    import torch

    from supcr_bench.subjects.registry import _import_registered

    platform.platform()
    _import_registered()
    tidies = getattr(torch.library, "_del_library", None)
    for finalizer in [*weakref.finalize._registry]:  # type: ignore[attr-defined]
        if tidies is not None and (finalizer.peek() or ())[1:2] == (tidies,):
            finalizer.atexit = False


def report_ended(running: dict[int, socket.socket]) -> None:
    """Tell whoever asked for a process that it has ended, and how."""
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with running.pop(pid) as connection, suppress(OSError):
            connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """A request, and the three standard files of the process that it asks for."""
    head, files, _, _ = socket.recv_fds(connection, LENGTH_BYTES, 3)
    length = int.from_bytes(head, "big")
    text = b""
    while len(text) < length:
        text += connection.recv(length - len(text))
    return json.loads(text), files


def become(request: dict[str, Any], files: list[int]) -> NoReturn:
    """Run a module, or a program behind ``-c``, as a new Python process would, and end."""
    signal.set_wakeup_fd(-1)
    for name in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(name, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["environment"])
    encoding = os.environ.get("PYTHONIOENCODING")
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False, encoding=encoding)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False, errors="backslashreplace")  # noqa: SIM115
    tempfile.tempdir = None  # the environment names it
    os.chdir(request["folder"])
    sys.argv = request["arguments"]
    sys.path[:0] = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    if not request["safe_path"]:
        sys.path.insert(0, request["folder"])
    status = 1
    try:
        process_startup()
        if sys.argv[0] == "-c":
            exec(compile(sys.argv.pop(), "<string>", "exec"), {"__name__": "__main__"})
        else:
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as error:
        if isinstance(error.code, int | None):
            status = error.code or 0
        else:
            sys.stderr.write(f"{error.code}\n")
    except BaseException:  # noqa: BLE001 - as the interpreter does
        sys.excepthook(*sys.exc_info())
    finally:
        # What the interpreter does at its end, without taking every module apart.
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)


def end_coverage() -> None:
    """Store what was covered so far, if that is measured: each forked process begins anew."""
    measured = getattr(process_startup, "coverage", None)
    if measured is not None:
        measured.stop()
        measured.save()
        atexit.unregister(measured._atexit)
        del process_startup.coverage  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(sys.argv[1])
