"""Runs cells in a worker process on this machine, and starts a new worker if that one ends."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace

from supcr_bench.inputs.label_file import LabelFile
from supcr_bench.subjects.compiler import COMPILATION
from supcr_bench.subjects.registry import Subject
from supcr_bench.sweep.runner import Event, Executor
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Account, Arm, Budget, Cell, Took, new_session
from supcr_bench.values.definition import NO_SELF
from supcr_bench.values.machine import machine_of
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_duration_s, format_limit_bytes
from supcr_bench.workers import messages
from supcr_bench.workers.rank_group import RankGroupWorker
from supcr_bench.workers.worker_process import WorkerProcess

RECORDING_FACTOR = 10
"""The factor by which the time limit grows while a stage records the call."""
RECORDING = {"memory": "with its allocations recorded ", "work": "with its operations counted "}
"""What each stage records of a call, in words."""
HARNESS_LIMIT_S = 600.0
"""Time limit in seconds for making the inputs, and for the reference."""
CHECK_LIMIT_S = 60.0
RESIDENT_SLACK_BYTES = 2**30


class LocalExecutor(Executor):
    """Runs one worker at a time; ``labels`` are those of the user's file."""

    location = "on this machine"
    max_parallel_cells = 1  # cells that share a machine would slow each other down

    def __init__(self, threads: int = 1, labels: LabelFile | None = None) -> None:
        self._threads, self._labels = threads, labels
        self._worker: WorkerProcess | RankGroupWorker | None = WorkerProcess(threads)
        self._process = 1
        self.environment = self._worker.environment
        self._machine = machine_of(self.environment)
        self.environments = {self._machine: self.environment}
        self.devices = self.environment["devices"]

    def machine_for(self, workload: Workload, before: str | None) -> str:
        del workload, before
        return self._machine

    def close(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _live_worker(self, ranks: int = 1, process: int = 1) -> WorkerProcess | RankGroupWorker:
        if self._worker is not None and (self._worker.ranks, self._process) != (ranks, process):
            self.close()
        self._process = process
        if self._worker is None:
            alone = ranks == 1
            self._worker = (
                WorkerProcess(self._threads) if alone else RankGroupWorker(ranks, self._threads)
            )
        return self._worker

    def preflight(
        self, subjects: Sequence[Subject], device: str
    ) -> Mapping[str, Subject | messages.Failed]:
        """Load and call each implementation in the worker; hangs and crashes count as its error."""
        return {subject.name: self._preflight(subject, device) for subject in subjects}

    def _preflight(self, subject: Subject, device: str) -> Subject | messages.Failed:
        reused = self._worker is not None
        worker = self._live_worker()
        worker.send("preflight", subject, device)
        finding = ""
        for response in worker.responses():
            if isinstance(response, messages.Failed):
                return response
            if isinstance(response, messages.Returned):
                checked: Subject = response.value
                if checked.resolution and checked.resolution.own_process:
                    self.close()  # what it changed would hold for the next one, too
                return checked
            activity = worker.activity()
            compiles = activity is not None and activity.stage == COMPILATION
            if activity and not compiles and activity.elapsed_s > CHECK_LIMIT_S:
                finding = f"did not answer within {CHECK_LIMIT_S:.0f} s"
                worker.kill()
        finding = finding or worker.exit_description()
        activity = worker.activity()
        self.close()
        if activity and activity.stage == messages.SETUP and reused:
            return self._preflight(subject, device)  # the one before it had ended the worker
        if activity and activity.stage == messages.RECOGNITION:
            # Large batches may be the cause, which the sweep will show.
            found = self._preflight(replace(subject, definition=NO_SELF), device)
            if isinstance(found, messages.Failed):
                return found
            return replace(found, definition=subject.definition)
        return messages.Failed(f"{subject.name} {finding}")

    def run(self, cell: Cell, subjects: Sequence[Subject], budget: Budget) -> Iterator[Event]:
        """Run a cell; if an arm ends the worker, run the others in a new one.

        A worker that has loaded an implementation whose changes cannot be undone runs no other.
        """
        names = {arm.implementation for arm in cell.arms}
        apart = any(s.name in names and s.resolution and s.resolution.own_process for s in subjects)
        if apart:
            self.close()
        with closing(self) if apart else nullcontext():
            yield from self._run(cell, subjects, budget)

    def _run(self, cell: Cell, subjects: Sequence[Subject], budget: Budget) -> Iterator[Event]:
        done: set[Arm] = set()
        while len(done) < len(cell.arms):
            attempt = cell.without(done, cell.session if not done else new_session())
            worker = self._live_worker(cell.workload.ranks, cell.process)
            worker.send("measure", attempt, tuple(subjects), budget, self._labels)
            ran_out = broken = False
            verdict: tuple[Status, str] | None = None
            for response in worker.responses():
                match response:
                    case None:
                        activity = worker.activity()
                        if activity is not None:
                            yield activity
                            verdict = verdict or self._overdue(worker, activity, budget)
                        if verdict is not None:
                            worker.kill()
                    case Result():
                        result = replace(response, machine=self._machine)
                        ran_out |= result.status is Status.OUT_OF_MEMORY
                        done.add(Arm(result.implementation, result.case.pass_))
                        yield result
                    case messages.Failed():
                        broken = True
                    case Took():
                        yield response
                    case messages.Returned(account):
                        yield account
                        if ran_out or broken:
                            self.close()
                        if not broken:
                            return
                        break  # an arm broke the group of ranks, or lost the device
            else:
                activity = worker.activity()
                ended = Status.FAILED, f"the worker ended: {worker.exit_description()}"
                self.close()
                for result in self._ended(attempt, done, activity, verdict or ended, budget):
                    done.add(Arm(result.implementation, result.case.pass_))
                    yield replace(result, machine=self._machine)
                if activity is not None and activity.arm is not None:
                    yield Took(activity.arm, activity.elapsed_s)
                    yield Account(calls_s=activity.elapsed_s)

    def _overdue(
        self, worker: WorkerProcess | RankGroupWorker, activity: messages.Activity, budget: Budget
    ) -> tuple[Status, str] | None:
        if activity.arm is None:
            if activity.elapsed_s > HARNESS_LIMIT_S:
                return Status.FAILED, f"{activity.stage} took over {HARNESS_LIMIT_S:.0f} s"
            return None
        if activity.stage == COMPILATION:
            if activity.elapsed_s > budget.compile_limit_s:
                limit = format_duration_s(budget.compile_limit_s)
                return Status.TIMED_OUT, f"compiling it took over {limit}"
            return None
        limit_s = budget.time_limit_s
        what = RECORDING.get(activity.stage, "")
        if what:
            limit_s *= RECORDING_FACTOR
        if activity.elapsed_s > limit_s:
            return Status.TIMED_OUT, f"a call {what}took over {format_duration_s(limit_s)}"
        limit_bytes = budget.memory_limit_bytes
        if limit_bytes is not None:
            # On systems that cannot enforce the memory limit, it is checked here.
            held = (worker.resident_bytes() or 0) - worker.resident_at_start_bytes
            if held > limit_bytes + RESIDENT_SLACK_BYTES:
                limit = format_limit_bytes(limit_bytes)
                return Status.OUT_OF_MEMORY, f"resident memory exceeded the limit of {limit}"
        return None

    @staticmethod
    def _ended(
        cell: Cell,
        done: set[Arm],
        activity: messages.Activity | None,
        verdict: tuple[Status, str],
        budget: Budget,
    ) -> Iterator[Result]:
        """Results of arms that ended with the worker: the running one, its training, or all."""
        status, reason = verdict
        culprit = activity.arm if activity and activity.arm not in done else None
        stage = activity.stage if activity else None
        for arm in cell.arms:
            if arm in done:
                continue
            if culprit in (None, arm):
                yield cell.result(arm, budget, status, reason, stage=stage)
            elif culprit == Arm(arm.implementation, "forward"):
                yield cell.result(arm, budget, status, f"in forward: {reason}", stage=stage)
