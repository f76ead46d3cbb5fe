from collections.abc import Iterator

import pytest

from supcr_bench.gate import time_trial
from supcr_bench.gate.time_trial import process_sampler
from supcr_bench.values.errors import WorkerError
from supcr_bench.workers.messages import Returned


class Worker:
    """Answers at once, and tells what happens to it."""

    told: list[str] = []  # noqa: RUF012 - of all workers
    broken: tuple[int, ...] = ()

    def __init__(self, threads: int) -> None:
        self.number = sum(word.startswith("start") for word in self.told)
        self.told.append(f"start {self.number}")
        if self.number in self.broken:
            raise WorkerError("a worker did not start: no memory")

    def send(self, method: str, *arguments: object) -> None:
        pass

    def responses(self) -> Iterator[Returned]:
        self.told.append(f"time {self.number}")
        yield Returned([])

    def close(self) -> None:
        self.told.append(f"end {self.number}")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(time_trial, "WorkerProcess", Worker)
    monkeypatch.setattr(time_trial, "usable_cpus", lambda: 2)
    monkeypatch.setattr(Worker, "told", [])
    return Worker.told


def test_the_next_worker_starts_while_one_times_and_all_end(told: list[str]) -> None:
    with process_sampler(threads=1, seed=0) as sample:
        for process in range(3):
            sample([], process)
    assert sorted(told) == sorted(
        [f"{did} {n}" for did in ("start", "end") for n in range(4)]
        + ["time 0", "time 1", "time 2"]
    )
    assert told.index("start 1") < told.index("time 1") < told.index("end 1")


@pytest.mark.parametrize(("threads", "cores"), [(1, 1), (2, 2)])
def test_without_a_free_core_workers_start_one_after_the_other(
    threads: int, cores: int, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_trial, "usable_cpus", lambda: cores)
    with process_sampler(threads, seed=0) as sample:
        for process in range(2):
            sample([], process)
    assert told == [f"{did} {n}" for n in range(2) for did in ("start", "time", "end")]


def test_a_next_worker_that_does_not_start_is_an_error_only_if_it_is_needed(
    told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Worker, "broken", (1,))
    with process_sampler(threads=1, seed=0) as sample:
        assert sample([], 0) == ()
    with pytest.raises(WorkerError), process_sampler(threads=1, seed=0) as sample:
        told.clear()
        sample([], 0)
        sample([], 1)
