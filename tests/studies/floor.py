"""``make floor``: how far the fast losses are from the floor, and from what people use.

``supcr_bench/measure/floor.py`` says what the floor is. Each size has a process of its own, so that
none meets memory as another left it. In it all train on the same tensors with one thread of torch,
each once a round in random order; times are CPU time, ratios are
medians of paired ratios with an interval of 95 %. At the end stands the peak of memory at a size
that only a loss without N x N tensors reaches. It takes some minutes, and is no part of the test
suite.
"""

import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import median
from typing import Any

import torch

from supcr_bench.analysis.statistics import interval_rank
from supcr_bench.inputs.tensors import Batch, make_batch
from supcr_bench.measure.allocator_events import peak_allocated_bytes
from supcr_bench.measure.floor import floor_call
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.registry import load, locate
from supcr_bench.values.case import Case
from supcr_bench.values.definition import DEFINITIONS, RANK_N_CONTRAST, TORCHCELL
from supcr_bench.values.units import format_bytes, format_duration_s

FLOOR = "the floor"
LEAST = "z * z"
"""The least that a training call takes: the forward and backward of a native operation."""
WEIGHED = ("scan", "tiled")
LARGE = 16384


@dataclass(frozen=True)
class Size:
    """What is timed at one batch size.

    Attributes:
        n: rows.
        definition: of the losses; ``torchcell`` with D=2 and 20 % of the labels missing, others
            with complete labels.
        dims: label dimensions.
        beside: what the fast losses are held against; what takes seconds and what takes
            milliseconds apart, so that the short ones get their rounds.
        rounds: how often.
    """

    n: int
    definition: str
    dims: int
    beside: tuple[str, ...]
    rounds: int

    def __str__(self) -> str:
        return f"{self.definition} D={self.dims} N={self.n:<5}"

    @property
    def workload(self) -> Case:
        missing = 0.2 if self.definition == TORCHCELL.name else 0.0
        return Case(batch_size=self.n, dims=self.dims, nan_density=missing)


NOTE, RNC = TORCHCELL.name, RANK_N_CONTRAST.name
SIZES = (
    Size(64, NOTE, 2, ("broadcast",), 200),
    Size(1024, NOTE, 2, ("rowsort",), 7),
    *(Size(n, NOTE, 2, (FLOOR,), 200) for n in (32, 64, 128, 256)),
    *(Size(n, NOTE, 2, (FLOOR,), 30) for n in (512, 1024, 2048)),
    Size(8192, NOTE, 2, (FLOOR,), 5),
    *(Size(n, RNC, dims, ("rnc-loop",), 7) for dims in (1, 3) for n in (64, 256)),
    Size(512, RNC, 1, ("rnc-loop",), 3),
    *(Size(n, RNC, 1, (FLOOR,), 50) for n in (64, 256, 1024)),
)


def training_call(name: str, size: Size, batch: Batch) -> Callable[[], object]:
    """Forward and backward of an implementation, built once and called as a training step does."""
    definition = DEFINITIONS[size.definition]
    factory = load(locate(name)).under(size.definition).factory
    bound = Adapter.usual(factory, definition).bind(definition, batch)
    module, arguments = bound.module, tuple(bound.arguments.values())
    leaves = [tensor for tensor in arguments if tensor.requires_grad]

    def call() -> object:
        for leaf in leaves:
            leaf.grad = None
        output: Any = module(*arguments)
        return (output[0] if isinstance(output, tuple) else output).backward()

    return call


def least_call(batch: Batch) -> Callable[[], object]:
    """Training of the sum of all squares."""
    rows = batch.first.detach().clone().requires_grad_()

    def call() -> object:
        rows.grad = None
        return (rows * rows).sum().backward()  # type: ignore[no-untyped-call]

    return call


def times_of(size: Size) -> dict[str, list[float]]:
    """Seconds of CPU time of every call, by name, round by round."""
    batch = make_batch(size.workload)
    definition = DEFINITIONS[size.definition]
    calls = {
        name: floor_call(definition, "training", batch)
        if name == FLOOR
        else training_call(name, size, batch)
        for name in (*size.beside, *WEIGHED)
    }
    if FLOOR in size.beside:
        calls[LEAST] = least_call(batch)
    for call in calls.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    shuffle = random.Random(size.n).shuffle
    for _ in range(size.rounds):
        names = list(calls)
        shuffle(names)
        for name in names:
            started = time.process_time()
            calls[name]()
            times[name].append(time.process_time() - started)
    return times


def lines_of(size: Size) -> list[str]:
    """The size's times and ratios."""
    torch.set_num_threads(1)
    times = times_of(size)
    lines = [f"{size} {name:<10} {format_duration_s(median(own))}" for name, own in times.items()]
    rank = interval_rank(size.rounds)
    for other in size.beside:
        for name in (*WEIGHED, *(n for n in (LEAST,) if other == FLOOR)):
            ratios = sorted(a / b for a, b in zip(times[other], times[name], strict=True))
            if other == FLOOR:
                ratios = sorted(1 / ratio for ratio in ratios)
            interval = "" if not rank else f" ({ratios[rank - 1]:.2f} to {ratios[-rank]:.2f})"
            words = "times" if other == FLOOR else "times faster than"
            lines.append(f"{size} {name} {median(ratios):.2f}{interval} {words} {other}")
    return lines


def peak_line(size: Size) -> str:
    """Memory that training with ``tiled`` takes above its inputs."""
    call = training_call("tiled", size, make_batch(size.workload))
    call()
    return f"{size} tiled {format_bytes(peak_allocated_bytes(call))} above the inputs\n"


def main(sizes: list[str]) -> None:
    """Write the lines of these sizes, of all by default."""
    torch.set_num_threads(1)
    sys.stdout.write(f"torch {torch.__version__}, 1 thread; training, d=64, float32\n")
    wanted = [size for size in SIZES if not sizes or str(size.n) in sizes]
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as alone:
        for lines in alone.map(lines_of, wanted):
            sys.stdout.writelines(f"{line}\n" for line in lines)
            sys.stdout.flush()
    if not sizes or str(LARGE) in sizes:
        for definition, dims in ((NOTE, 2), (RNC, 1)):
            sys.stdout.write(peak_line(Size(LARGE, definition, dims, (), 0)))


if __name__ == "__main__":
    main(sys.argv[1:])
