"""What Ray raises, as this package says it: a made-up Ray raises it at once."""

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from supcr_bench.sweep.cluster_executor import Slot, SlotLostError
from supcr_bench.sweep.ray_executor import RayBackend, make_ray_executor
from supcr_bench.sweep.suite import Suite
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Arm, Budget, Cell
from supcr_bench.values.errors import UsageError, WorkerError
from supcr_bench.workers.messages import Activity

SLOT = Slot(node="n", name="m7", cpus=1, environment={}, budget=Budget())
CELL = Cell(Workload(batch_size=4), (Arm("one", "forward"),), "session")
SUITE = Suite.model_validate(
    {"name": "x", "purpose": "To see.", "implementations": ["a"], "axes": {"batch_size": 8}}
)


class RayError(Exception):
    pass


class GetTimeoutError(RayError):
    pass


class RayTaskError(RayError):
    def __init__(self, cause: Exception) -> None:
        super().__init__(f"the task raised {cause}")
        self.cause = cause


class TaskUnschedulableError(RayError):
    pass


class NodeDiedError(RayError):
    pass


class MadeRay:
    """Gives what it is told to, or raises it, and keeps what was cancelled."""

    def __init__(self, *gives: object) -> None:
        kinds = (RayError, GetTimeoutError, RayTaskError, TaskUnschedulableError, NodeDiedError)
        self.exceptions = SimpleNamespace(**{kind.__name__: kind for kind in kinds})
        self.gives, self.cancelled, self.shut = iter(gives), 0, False

    def get(self, task: object, timeout: float | None = None) -> object:
        if isinstance(task, Exception):
            raise task
        return task

    def wait(self, streams: list[object], timeout: float) -> tuple[list[object], list[object]]:
        return (streams, []) if self.ready() else ([], streams)

    def ready(self) -> bool:
        return True

    def cancel(self, task: object, *, force: bool) -> None:
        self.cancelled += 1

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"GPU": 1}}, {"Alive": False, "Resources": {"CPU": 4}}]

    def shutdown(self) -> None:
        self.shut = True


def backend(ray: MadeRay) -> RayBackend:
    made = RayBackend.__new__(RayBackend)
    made._ray, made._labels = ray, None
    remote = SimpleNamespace(remote=lambda *given: ray.gives)
    made._task = lambda *given, **options: remote  # type: ignore[method-assign]
    return made


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (GetTimeoutError(), "m7 did not answer within 5 s: other work may hold its cores"),
        (RayTaskError(ValueError("no disk\nat all")), "m7 cannot take part: no disk$"),
        (RayTaskError(ImportError("No module named 'x'")), "m7 has no supcr-bench that a task can"),
        (RayError("gone"), "m7 cannot take part: gone"),
    ],
)
def test_a_machine_that_does_not_answer_is_a_usage_error_that_names_it(
    error: RayError, words: str
) -> None:
    ray = MadeRay()
    with pytest.raises(UsageError, match=words):
        backend(ray)._answer(error, "m7", 5.0)
    assert ray.cancelled == isinstance(error, GetTimeoutError)


def measured(ray: MadeRay) -> Iterator[object]:
    return backend(ray).measure(SLOT, CELL, ())


def test_an_activity_is_told_with_its_duration_since_clocks_differ() -> None:
    ray = MadeRay((Activity("time", CELL.arms[0], since_s=-1e9), 7.0))
    (event,) = measured(ray)
    assert isinstance(event, Activity)
    assert 7 <= time.monotonic() - event.since_s < 1e6
    assert not ray.cancelled


def test_while_nothing_comes_what_was_last_heard_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = MadeRay()
    monkeypatch.setattr(ray, "ready", lambda: False)
    events = measured(ray)
    first, second = next(events), next(events)
    assert isinstance(first, Activity)
    assert first == second
    assert first.stage == "waiting for a machine"
    events.close()  # type: ignore[attr-defined]
    assert ray.cancelled


def test_what_a_task_raises_is_an_error_of_its_machine() -> None:
    ray = MadeRay(RayTaskError(ValueError("a mistake\nof mine")))
    with pytest.raises(WorkerError, match=r"m7: a mistake$"):
        list(measured(ray))
    assert ray.cancelled


@pytest.mark.parametrize(
    ("error", "words", "node_lost", "started"),
    [
        (TaskUnschedulableError("no such node"), "no such node", True, False),
        (NodeDiedError("long text"), "the machine was lost", True, True),
        (RayError("the process died\nof it"), "the process died$", False, True),
    ],
)
def test_a_machine_or_a_process_that_is_lost_is_told_apart(
    error: RayError, words: str, node_lost: bool, started: bool
) -> None:
    ray = MadeRay(error)
    with pytest.raises(SlotLostError, match=words) as lost:
        list(measured(ray))
    assert (lost.value.node_lost, lost.value.started) == (node_lost, started)
    assert ray.cancelled


def test_a_cluster_without_cores_is_a_usage_error_and_left_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ray = MadeRay()

    def start(self: RayBackend, address: str | None, labels: object) -> None:
        self._ray = ray

    monkeypatch.setattr(RayBackend, "__init__", start)
    with pytest.raises(UsageError, match="no machine of the Ray cluster offers a CPU"):
        make_ray_executor(None, SUITE, [], None)
    assert ray.shut
