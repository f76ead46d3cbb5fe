"""``make floor``: how far the implementations beyond the note are from the floor and the note.

The floor is what no implementation that forms all similarities can do without: for each view one
product that gives them, their exponentials, and one product that brings a gradient of that shape
back to the embeddings, tile by tile so that it stays in cache. Floor and implementations train on
the same tensors in one process, each once a round in random order; ratios are medians of paired
ratios, with an interval of 95 %. At the end stands the peak of memory at a size that only a loss
without N x N tensors reaches. It takes some minutes, and is no part of the test suite.
"""

import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import torch
from torch.nn import functional

from supcr_bench.analysis.statistics import interval_rank
from supcr_bench.inputs.tensors import Batch, make_batch
from supcr_bench.measure.allocator_events import peak_cpu_bytes
from supcr_bench.values.case import Case
from supcr_bench.values.units import format_bytes, format_duration_s
from tests.examples import build

FLOOR = "the floor"
TILE = 256
WEIGHED = ("scan", "tiled")
LARGE = 16384


@dataclass(frozen=True)
class Size:
    """What is timed at one batch size.

    Attributes:
        n: rows.
        beside: what the implementations are held against; what takes seconds and what takes
            milliseconds apart, so that the short ones get their rounds.
        rounds: how often.
    """

    n: int
    beside: tuple[str, ...]
    rounds: int


SIZES = (
    Size(64, ("broadcast",), 200),
    Size(1024, ("rowsort",), 15),
    Size(2048, ("rowsort",), 9),
    Size(1024, (FLOOR,), 60),
    Size(2048, (FLOOR,), 60),
    Size(8192, (FLOOR,), 11),
)


def floor_call(batch: Batch, temperature: float) -> Callable[[], object]:
    """Two products and the exponentials, of both views."""
    views = torch.stack((batch.perturbed.detach(), batch.intact.detach()))
    units = functional.normalize(views, dim=2)
    n = units.shape[1]
    logits = torch.empty(2, min(TILE, n), n)
    gradient = torch.empty_like(units)

    def call() -> object:
        for start in range(0, n, TILE):
            own = units[:, start : start + TILE]
            tile = logits[:, : own.shape[1]]
            torch.bmm(own / temperature, units.mT, out=tile)
            tile.exp_()
            torch.bmm(tile, units, out=gradient[:, start : start + TILE])
        return gradient

    return call


def training_call(name: str, batch: Batch, temperature: float) -> Callable[[], object]:
    """Forward and backward of an implementation."""
    module = build(name, temperature, batch.weights)

    def call() -> object:
        batch.clear_gradients()
        loss = module(batch.perturbed, batch.intact, batch.labels)[0]
        loss.backward()
        return loss

    return call


def times_of(size: Size) -> dict[str, list[float]]:
    """Seconds of every call, by name, round by round."""
    workload = Case(batch_size=size.n, dims=2, nan_density=0.2)
    batch = make_batch(workload)
    calls = {
        name: floor_call(batch, workload.temperature)
        if name == FLOOR
        else training_call(name, batch, workload.temperature)
        for name in (*size.beside, *WEIGHED)
    }
    for call in calls.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    shuffle = random.Random(size.n).shuffle
    for _ in range(size.rounds):
        names = list(calls)
        shuffle(names)
        for name in names:
            started = time.perf_counter()
            calls[name]()
            times[name].append(time.perf_counter() - started)
    return times


def lines_of(size: Size) -> Iterator[str]:
    """The size's times and ratios."""
    times = times_of(size)
    for name, own in times.items():
        yield f"N={size.n:<6} {name:<10} {format_duration_s(median(own))}"
    rank = interval_rank(size.rounds, 0.95)
    for other in size.beside:
        for name in WEIGHED:
            ratios = sorted(a / b for a, b in zip(times[other], times[name], strict=True))
            if other == FLOOR:
                ratios = sorted(1 / ratio for ratio in ratios)
            interval = "" if rank is None else f" ({ratios[rank - 1]:.2f} to {ratios[-rank]:.2f})"
            words = "times" if other == FLOOR else "times faster than"
            yield f"N={size.n:<6} {name} {median(ratios):.2f}{interval} {words} {other}"


def peak_line(n: int) -> str:
    """Memory that training with ``tiled`` takes above its inputs."""
    workload = Case(batch_size=n, dims=2, nan_density=0.2)
    batch = make_batch(workload)
    call = training_call("tiled", batch, workload.temperature)
    call()
    return f"N={n:<6} tiled {format_bytes(peak_cpu_bytes(call))} above the inputs\n"


def main(sizes: list[str]) -> None:
    """Write the lines of these sizes, of all by default."""
    threads = torch.get_num_threads()
    sys.stdout.write(f"torch {torch.__version__}, {threads} threads; training, D=2, d=64,\n")
    sys.stdout.write("20 % of the labels missing, float32\n")
    for size in SIZES:
        if not sizes or str(size.n) in sizes:
            sys.stdout.writelines(f"{line}\n" for line in lines_of(size))
            sys.stdout.flush()
    if not sizes or str(LARGE) in sizes:
        sys.stdout.write(peak_line(LARGE))


if __name__ == "__main__":
    main(sys.argv[1:])
