"""A worker process: takes cells from standard input, gives results on standard output.

It outlives cells, so that torch is imported once, and it is replaced when it crashes, hangs or runs
out of memory. Both directions carry one JSON object a line; what an implementation prints goes to
standard error. When its parent is gone, so is it.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TextIO

from supcr_bench.inputs.label_file import read_label_file
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Arm, Budget, Cell
from supcr_bench.values.errors import SubjectError
from supcr_bench.values.result import Result
from supcr_bench.workers.activity import ActivityPage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from supcr_bench.measure.ranked import Share
    from supcr_bench.subjects.registry import Subject
    from supcr_bench.values.implementation import Implementation
    from supcr_bench.verification.local_session import LocalSession

Message = dict[str, Any]
GRACE_S = 1.0
"""How long an idle worker has to end by itself once its parent has let go of it."""


def _take_standard_output() -> TextIO:
    """Keep the pipe to the parent for messages alone; prints go to standard error."""
    pipe = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return pipe


def _listen(inbox: "SimpleQueue[Message | None]") -> None:
    """Pass on what the parent says; end this process, whatever it is doing, when it is gone."""
    for line in sys.stdin:
        inbox.put(json.loads(line))
    inbox.put(None)
    time.sleep(GRACE_S)
    os._exit(0)


class Worker:
    """Answers the parent's requests, one at a time.

    Args:
        say: sends one message to the parent.
        page: where the parent reads what is running.
    """

    def __init__(self, say: Callable[[Message], None], page: ActivityPage) -> None:
        self._say = say
        self._page = page
        self._loaded: tuple[Subject, Implementation] | None = None
        self._session: LocalSession | None = None

    def answer(self, request: Message) -> None:
        """Carry out one request."""
        if request["do"] == "check":
            self._check(request)
        elif request["do"] == "verify":
            self._verify(request)
        elif request["do"] == "make check":
            self._make_check(request)
        elif request["do"] == "diagnose":
            self._diagnose(request)
        elif request["do"] == "sides":
            self._time_sides(request)
        elif request["do"] == "join":
            self._join(request)
        elif request["do"] == "rank step":
            self._rank_step(request)
        elif request["do"] == "follow":
            self._follow(request)
        else:
            self._measure(request)

    def _check(self, request: Message) -> None:
        from supcr_bench.measure.call_check import broken_call
        from supcr_bench.subjects.process_wide import require_own_imports
        from supcr_bench.subjects.registry import Subject, load
        from supcr_bench.values.errors import UnavailableError

        like = Workload.from_mapping(request["workload"])
        checked: dict[str, Message] = {}
        for fields in request["subjects"]:
            subject = Subject(**fields)
            self._page.write("check", Arm(subject.name, "forward"))
            unavailable = False
            try:
                found = load(subject)
                finding, description = broken_call(found.factory, like), asdict(found.description)
                require_own_imports([subject])
            except SubjectError as error:
                finding, description = str(error), None
                unavailable = isinstance(error, UnavailableError)
            checked[subject.name] = {
                "finding": finding,
                "description": description,
                "unavailable": unavailable,
            }
        self._say({"checked": checked})

    def _verify(self, request: Message) -> None:
        from supcr_bench.subjects.registry import Subject, load
        from supcr_bench.values.definition import Definition
        from supcr_bench.verification.local_session import LocalSession
        from supcr_bench.verification.session import AUTO

        subject, definition = Subject(**request["subject"]), request["definition"]
        if isinstance(definition, dict):
            definition = Definition(**definition)
        elif definition is None and not subject.declares:
            definition = AUTO
        try:
            self._session = LocalSession(
                load(subject),
                definition,
                seed=request["seed"],
                only=request["only"],
                device=request["device"],
            )
            opened = self._session.open()
        except SubjectError as error:
            self._say({"refused": str(error)})
            return
        checks = [(check.name, check.group) for check in opened.checks]
        self._say(
            {"checks": checks, "definition": opened.definition, "recognised": opened.recognised}
        )

    def _make_check(self, request: Message) -> None:
        from supcr_bench.verification.session import CheckName

        assert self._session is not None
        outcome = self._session.make(CheckName(request["check"], request["group"]))
        self._say({"outcome": asdict(outcome)})

    def _diagnose(self, request: Message) -> None:
        from supcr_bench.verification.outcome import Outcome

        assert self._session is not None
        outcomes = [Outcome.from_mapping(values) for values in request["outcomes"]]
        diagnosis = self._session.diagnose(outcomes)
        self._say({"diagnosis": asdict(diagnosis) if diagnosis else None})

    def _join(self, request: Message) -> None:
        import supcr_bench.verification.ranks.step  # noqa: F401 - so that no question waits for it
        from supcr_bench.workers.rank import join

        join(request["rank"], request["ranks"], Path(request["store"]), request["limit_s"])
        self._say({"joined": request["rank"]})

    def _rank_step(self, request: Message) -> None:
        from supcr_bench.measure.outcome import describe_error
        from supcr_bench.subjects.registry import Subject, load
        from supcr_bench.verification.candidate import find_knobs
        from supcr_bench.verification.ranks.question import RankQuestion
        from supcr_bench.verification.ranks.step import take_steps

        subject = Subject(**request["subject"])
        try:
            if self._loaded is None or self._loaded[0] != subject:
                self._loaded = subject, load(subject)
        except SubjectError as error:
            self._say({"refused": str(error)})
            return
        found = self._loaded[1]
        if request["question"] is None:
            knobs = asdict(find_knobs(found.factory))
            self._say({"description": asdict(found.description), "knobs": knobs})
            return
        question = RankQuestion.from_mapping(request["question"])
        try:
            answers = take_steps(
                found.under(question.definition.name),
                question,
                request["rank"],
                lambda stage: self._page.write(stage, None),
            )
        except Exception as error:  # noqa: BLE001 - whatever an implementation raises
            self._say({"raised": describe_error(error)})
            return
        self._say({"answers": [asdict(answer) for answer in answers]})

    def _time_sides(self, request: Message) -> None:
        from supcr_bench.measure.paired_timing import SideRaisedError
        from supcr_bench.measure.sides import SidedCell, time_cells

        cells = [SidedCell.from_mapping(values) for values in request["cells"]]
        try:
            samples = time_cells(cells, sampling_s=request["sampling_s"], seed=request["seed"])
        except Exception as error:  # noqa: BLE001 - whatever an implementation raises
            self._say({"raised": f"{type(error).__name__}: {error}"})
            return
        self._say(
            {
                "samples": [
                    {"side": one.side, "raised": one.reason}
                    if isinstance(one, SideRaisedError)
                    else {"seconds": one}
                    for one in samples
                ]
            }
        )

    def _measure(self, request: Message) -> None:
        from supcr_bench.measure.cell import CellRun
        from supcr_bench.measure.device import get_device
        from supcr_bench.measure.meter import DeviceMeter, Meter
        from supcr_bench.measure.ranked import GroupBrokenError, Lead

        cell = Cell.from_mapping(request["cell"])
        found = _found(request)
        factories = {name: implementation.factory for name, implementation in found.items()}
        device = get_device(cell.workload.device)
        lead = Lead(_share(request)) if cell.workload.ranks > 1 else None
        meter: Meter = lead or DeviceMeter(device)
        run = CellRun(
            cell=cell,
            factories=lead.factories if lead else factories,
            device=device,
            meter=meter,
            budget=Budget(**request["budget"]),
            table=_table(request),
            announce=self._page.write,
        )

        def say(result: Result) -> None:
            if found[result.implementation].device_specific:
                result = replace(result, predicted_cuda_peak_bytes=None)
            self._say({"result": result.to_mapping()})

        broken = False
        try:
            for result in run.results():
                say(result)
            if lead:
                lead.dismiss()
        except GroupBrokenError as error:
            broken = True
            for result in run.end_with(error.arm, error.reason):
                say(result)
        self._say({"done": asdict(run.account), "broken": broken})

    def _follow(self, request: Message) -> None:
        from supcr_bench.measure.outcome import describe_error
        from supcr_bench.measure.ranked import follow

        try:
            follow(_share(request))
        except Exception as error:  # noqa: BLE001 - whatever an implementation raises
            self._say({"raised": describe_error(error)})


def _found(request: Message) -> "dict[str, Implementation]":
    """The implementations of a request for a cell, under the definition that it asks for."""
    from supcr_bench.subjects.registry import Subject, load

    cell = Cell.from_mapping(request["cell"])
    definitions = {arm.implementation: arm.definition.name for arm in cell.arms}
    return {
        s["name"]: load(Subject(**s)).under(definitions[s["name"]]) for s in request["subjects"]
    }


def _table(request: Message) -> "npt.NDArray[np.float64] | None":
    """A person's own labels, if the request names a file of them."""
    return read_label_file(request["labels"])[1] if request["labels"] else None


def _share(request: Message) -> "Share":
    """This rank's part of a cell."""
    from supcr_bench.measure.device import get_device
    from supcr_bench.measure.ranked import Share

    cell = Cell.from_mapping(request["cell"])
    return Share(
        cell,
        {name: implementation.factory for name, implementation in _found(request).items()},
        get_device(cell.workload.device),
        Budget(**request["budget"]).memory_limit_bytes,
        _table(request),
    )


def main() -> None:
    """Run until the parent closes the pipe."""
    pipe = _take_standard_output()
    inbox: SimpleQueue[Message | None] = SimpleQueue()
    threading.Thread(target=_listen, args=(inbox,), daemon=True).start()

    def say(message: Message) -> None:
        pipe.write(json.dumps(message) + "\n")
        pipe.flush()

    page_path, threads = sys.argv[1:]
    import torch

    from supcr_bench.measure.environment import collect_environment

    torch.set_num_threads(int(threads))
    say({"hello": collect_environment()})
    worker = Worker(say, ActivityPage(Path(page_path)))
    while (request := inbox.get()) is not None:
        worker.answer(request)


if __name__ == "__main__":
    main()
