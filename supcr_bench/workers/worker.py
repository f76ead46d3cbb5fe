"""A worker process: reads requests from standard input, writes responses to standard output.

A worker serves many requests, so that torch is imported once, and its parent replaces it when it
crashes, hangs or runs out of memory. An implementation's prints go to standard error. The worker
ends when its parent ends.
"""

import gc
import os
import shutil
import socket
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache, partial
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

import psutil
import torch
from torch import distributed

from supcr_bench.inputs.label_file import LabelFile
from supcr_bench.measure.cell import CellRun
from supcr_bench.measure.device import Meter, get_device
from supcr_bench.measure.environment import collect_environment
from supcr_bench.measure.outcome import describe_error
from supcr_bench.measure.ranked import Coordinator, GroupBrokenError, RankShard, serve
from supcr_bench.measure.version_times import time_versions
from supcr_bench.subjects import isolated
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.compiler import COMPILATION, numba_watched
from supcr_bench.subjects.find_call import call_by_default, find_call
from supcr_bench.subjects.process_state import ProcessState
from supcr_bench.subjects.registry import Subject, load, require_own_imports
from supcr_bench.subjects.source_files import changes, source_files
from supcr_bench.values.cell import Account, Arm, Budget, Cell, Took
from supcr_bench.values.definition import AUTO, Definition, get_definition
from supcr_bench.values.errors import SubjectError
from supcr_bench.values.result import Status
from supcr_bench.verification.local_session import LocalSession
from supcr_bench.verification.outcome import CheckEndedError
from supcr_bench.verification.ranks import RankQuestion, answer_on_rank
from supcr_bench.verification.resolve import resolved
from supcr_bench.workers import messages

GRACE_S = 1.0
"""Seconds for an idle worker to end by itself once its parent has closed the pipe."""


def _take_standard_output() -> IO[bytes]:
    """Reserve the pipe to the parent for responses, and send prints to standard error."""
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return pipe


def _listen(inbox: "SimpleQueue[messages.Request | None]") -> None:
    """Put requests into the inbox; once the parent has ended, end this process, even in a call."""
    while (request := messages.read_message(sys.stdin.buffer)) is not None:
        inbox.put(request)
    inbox.put(None)
    time.sleep(GRACE_S)
    _clean_up()
    os._exit(0)


def _clean_up() -> None:
    """Remove the parent's folder and end subjects' processes, in case the parent was killed."""
    shutil.rmtree(Path(sys.argv[1]).parent, ignore_errors=True)
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.kill()


class Worker:
    """Carries out requests one at a time, and writes to the page what is running."""

    time_versions = staticmethod(time_versions)

    def __init__(
        self, respond: Callable[[messages.Response], None], page: messages.ActivityPage
    ) -> None:
        self._respond, self._page = respond, page
        self._rank = 0
        self._modules: dict[int | None, Any] = {}
        self._session: LocalSession | None = None
        self._unchanged: set[str] = set()
        self._measures = False

    def answer(self, request: messages.Request) -> None:
        """Call the method that a request names; respond with its result, or why it failed.

        An unexpected error in a request of an executor ends the worker: its parent tells how.
        """
        measures = request.method == "measure" and self._rank == 0
        ends = measures or request.method in ("preflight", "join_ranks")
        try:
            value = getattr(self, request.method)(*request.arguments)
        except CheckEndedError as end:
            if measures:
                raise
            self._respond(messages.Failed(end.finding))
        except SubjectError as error:
            if measures:
                raise
            self._respond(messages.Failed(str(error), error))
        except Exception as error:
            if ends:
                raise
            self._respond(messages.Failed(describe_error(error)))
        else:
            self._respond(messages.Returned(value))

    def preflight(self, subject: Subject, device: str) -> Subject:
        """Load a subject (implementation) and call it; returns the subject as called."""
        arm = Arm(subject.name, "forward")
        self._page.write("preflight", arm)
        declared = load(subject).definition
        recognised = (subject.definition or declared) == AUTO
        stage = messages.RECOGNITION if recognised else "preflight"
        self._page.write(stage, arm)
        with self._compilation_told(stage, arm):
            found, adapter = resolved(subject, device)
        require_own_imports([subject])
        return replace(
            subject,
            resolution=adapter.resolution,
            description=replace(found.description, definition=adapter.resolution.definition.name),
            files=source_files(subject),
            default_call=call_by_default(adapter) if subject.root is not None else None,
        )

    def verify(self, subject: Subject, seed: int, only: Collection[str] | None, device: str) -> Any:
        """Load a subject and open its session; ``only`` names the checks, without a diagnosis.

        Returns the checks to make, the definition's name, and what was recognised.
        """
        found, definition = load(subject), subject.definition
        self._session = LocalSession(found, definition, seed=seed, only=only, device=device)
        return self.ask_session("open")

    def ask_session(self, method: str, *arguments: Any) -> Any:
        """Call a method of the session of the subject that is being verified."""
        with self._compilation_told():
            return getattr(self._session, method)(*arguments)

    def _compilation_told(
        self, stage: str = "verification", arm: Arm | None = None
    ) -> AbstractContextManager[None]:
        """Within the block, the page shows when numba compiles, which counts towards no limit."""
        write = self._page.write
        return numba_watched(lambda: write(COMPILATION, arm), lambda: write(stage, arm))

    def join_ranks(self, rank: int, ranks: int, store: str, limit_s: float) -> None:
        """Become one rank (process) of a gloo group on the loopback interface; leave the previous.

        ``store`` is a rendezvous file, a new one for each group, in a folder that exists. In a
        collective, a rank waits ``limit_s`` for the others.
        """
        os.environ["GLOO_SOCKET_IFNAME"] = _loopback()
        if distributed.is_initialized():
            distributed.destroy_process_group()
        distributed.init_process_group(
            "gloo",
            init_method=f"file://{store}",
            rank=rank,
            world_size=ranks,
            timeout=timedelta(seconds=limit_s),
        )
        self._rank = rank

    def answer_on_rank(self, subject: Subject, question: RankQuestion | None) -> Any:
        """Put a question to a subject on this rank; returns an Answer.

        Without a question, only load the subject; returns its resolution, which is ``None`` if the
        definition is unknown.
        """
        found, known = _load_once(subject), subject.resolution
        if question is not None:
            assert known is not None
            adapter, announce = Adapter.of(found, known), partial(self._page.write, arm=None)
            return answer_on_rank(adapter, question, self._rank, self._modules, announce)
        if known is not None:
            self._page.write(messages.RECOGNITION, None)
            return find_call(found, known.definition)
        definition = subject.definition or found.definition
        if definition == AUTO:
            return None
        if not isinstance(definition, Definition):
            definition = get_definition(definition)
        return Adapter.usual(found.under(definition).factory, definition).resolution

    def measure(
        self, cell: Cell, subjects: Sequence[Subject], budget: Budget, labels: LabelFile | None
    ) -> Account | None:
        """Measure a cell (the arms of one workload); responds with Results, and what each took.

        Returns the account; None on ranks but the first.

        If an arm breaks the group of ranks, or the device, Failed comes before. ``labels`` are
        those of the user's file, if the workload has them.
        """
        if not self._measures:  # collections, one or more a cell, need not search what is imported
            gc.collect()
            gc.freeze()
            self._measures = True
        definitions = {arm.implementation: arm.definition for arm in cell.arms}
        process = ProcessState()
        wanted = [subject for subject in subjects if subject.name in definitions]
        adapters = {s.name: _adapter(s, definitions[s.name]) for s in wanted}
        for subject in wanted:
            if subject.name not in self._unchanged:
                for change in changes(subject.files, source_files(subject)):
                    raise SubjectError(f"{change} since the run began")
            self._unchanged.add(subject.name)
        device = get_device(cell.workload.device)
        table = labels.table if labels else None
        coordinator = None
        if cell.workload.ranks > 1:
            shard = RankShard(cell, adapters, device, budget.memory_limit_bytes, table)
            if self._rank > 0:
                serve(shard)
                return None
            coordinator = Coordinator(shard)
        roots = {s.name: Path(s.root) for s in wanted if s.root is not None}

        took_s: dict[Arm | None, float] = defaultdict(float)
        running, since_s = None, time.monotonic()

        def announce(stage: str, arm: Arm | None) -> None:
            nonlocal running, since_s
            before_s, since_s = since_s, time.monotonic()
            took_s[running] += since_s - before_s
            running = arm
            if arm is not None:  # its call may import a module of its own version
                isolated.enter(roots.get(arm.implementation))
            self._page.write(stage, arm)

        run = CellRun(
            cell=cell,
            subjects=coordinator.subjects if coordinator else adapters,
            device=device,
            meter=coordinator or Meter(device),
            budget=budget,
            table=table,
            announce=announce,
            process=process,
        )
        try:
            for result in run.results():
                self._respond(result)
                if result.status is Status.FAILED and (lost := device.error()):
                    self._respond(messages.Failed(lost))
                    break
            if coordinator:
                coordinator.release()
        except GroupBrokenError as error:
            for result in run.end_with(error.arm, error.reason):
                self._respond(result)
            self._respond(messages.Failed(str(error)))
        announce("end", None)
        for arm in cell.arms:
            self._respond(Took(arm, took_s[arm]))
        return run.account


_load_once = lru_cache(maxsize=1)(load)
"""A rank gets many requests for one subject, and loads it only once."""


def _adapter(subject: Subject, definition: Definition) -> Adapter:
    """Use the call that a preflight (a test call) found, or else the definition's usual call.

    No calls are tried: a hang or crash here would look like the harness's own, and ranks would wait
    for each other.
    """
    found = load(subject)
    usual = Adapter.usual(found.under(definition).factory, definition)
    return Adapter.of(found, subject.resolution or usual.resolution)


def _loopback() -> str:
    """Return the interface with the address 127.0.0.1: ``lo`` on Linux, ``lo0`` on a Mac."""
    for name, addresses in psutil.net_if_addrs().items():
        if any(a.family == socket.AF_INET and a.address == "127.0.0.1" for a in addresses):
            return name
    raise OSError("no network interface has the address 127.0.0.1, which the ranks need")


def main() -> None:
    pipe = _take_standard_output()
    inbox: SimpleQueue[messages.Request | None] = SimpleQueue()
    threading.Thread(target=_listen, args=(inbox,), daemon=True).start()

    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)  # so that the parent finds what a subject starts, after a crash too
    page_path, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    respond = partial(messages.write_message, pipe=pipe)
    respond(messages.Returned(collect_environment()))
    worker = Worker(respond, messages.ActivityPage(Path(page_path)))
    with suppress(BrokenPipeError):  # the parent was killed
        while (request := inbox.get()) is not None:
            worker.answer(request)
    _clean_up()


if __name__ == "__main__":
    main()
    os._exit(0)  # torch takes 0.4 s to come down, in which the parent would wait
