"""Counts made up for evidence that simulated runs seldom or never give."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from math import log
from operator import mul
from typing import Any

from supcr_bench.values.result import Result, Status
from tests.made_results import make_result

FALLING = (1e5, *(2**power for power in (2.2, 2.0, 2.3, 0.6, 0.9, 0.76)))
"""Bytes at 16 rows, and by how much more they are at twice as many, and so on."""
IN_BLOCKS = (8, 12, 16, 20, 24, 32, 40, 48, 64, 96, 128, 192, 256)


def counted(name: str, field: str, counts: Mapping[int, float], **fields: Any) -> list[Result]:
    """Results of a training step that have one count."""
    found = []
    for n, count in counts.items():
        figures: dict[str, Any] = {field: round(count), **fields}
        found.append(make_result(name, n=n, pass_="training", **figures))
    return found


def alternating(sizes: Sequence[int], by: float) -> dict[int, float]:
    """A factor for each size, in turn this much above and below 1."""
    return {n: 1 + (-by if i % 2 else by) for i, n in enumerate(sizes)}


def falling(doublings: int = 6) -> list[Result]:
    """Peaks whose power of N falls, so that no sum of laws is near them."""
    peaks = accumulate(FALLING[: doublings + 1], mul)
    return counted("loopy", "peak_bytes", {16 * 2**i: peak for i, peak in enumerate(peaks)})


def in_blocks() -> list[Result]:
    """Peaks of all pairs, and from 64 rows on of blocks of them; and memory that ran out."""
    peaks = {n: 40 * n * min(n, 64) + 300 * n + 20_000 * (n >= 64) for n in IN_BLOCKS}
    ended = make_result(
        "rowsort",
        n=512,
        pass_="training",
        status=Status.OUT_OF_MEMORY,
        memory_limit_bytes=2**30,
    )
    return [*counted("rowsort", "peak_bytes", peaks), ended]


def mispredicted() -> list[Result]:
    """Those blocks, where the last peak was predicted from sizes that have none."""
    *own, last, _ = in_blocks()
    n = last.case.batch_size
    peak = 40.0 * n * n + 300 * n
    predicted = replace(
        last,
        predicted_peak_bytes=peak,
        predicted_peak_low_bytes=0.99 * peak,
        predicted_peak_high_bytes=1.01 * peak,
        predicted_peak_from=48,
    )
    return [*own, predicted]


def in_other_blocks() -> list[Result]:
    """Peaks of all pairs, and from 128 rows on of blocks that take more at some sizes."""
    more = {128: 30_000, 256: 90_000}
    sizes = (16, 24, 32, 48, 64, 128, 256, 512)
    peaks = {n: 40 * n * min(n, 64) + 300 * n + more.get(n, 0) for n in sizes}
    return counted("broadcast", "peak_bytes", peaks)


def made_counts() -> dict[str, list[Result]]:
    """Runs by name."""
    close, far = (256, 288, 320, 352, 384), (16, 32, 64, 128, 256)
    few = (16, 18, 20, 22, 24)
    return {
        "a law that misses by little": counted(
            "rowsort",
            "elements_processed",
            {n: 1e3 * by * n**2 * log(n) for n, by in alternating(close, 0.005).items()},
        ),
        "a power that falls": falling(),
        "another path": in_blocks(),
        "another path without a law": in_other_blocks(),
        "a share that no size would show": counted(
            "broadcast",
            "elements_processed",
            {n: 1e3 * by * n**2 for n, by in alternating(far, 0.02).items()},
        ),
        "a share that some size would show": counted(
            "rowsort", "elements_processed", {n: 300 * n**2 + 5 * n for n in few}
        ),
    }
