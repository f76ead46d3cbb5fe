"""``supcr-bench doctor``: what this machine has, what is missing, and what that means."""

import sys
import textwrap
from collections.abc import Iterator, Sequence

WIDTH = 79
PAIRS = 15
ROUNDS = 20
QUIET = 0.05
"""Noise up to this share is low; it is the gate's default limit on slow-downs."""
PACKAGES = {
    "numba": ("numba", "`tiled` is left out; the fast losses run `scan`"),
    "Ray": ("ray", "`run --executor ray` needs it"),
    "pyarrow": ("pyarrow", "Parquet files cannot be read or written"),
    "openpyxl": ("openpyxl", "Excel files of labels cannot be read"),
}
"""For each module: its distribution, and what is missing without it."""


def doctor() -> None:
    """Show what this machine has for supcr-bench, what is missing, and what that means.

    Measures for a second how much the times of identical calls differ now. Exits with 0.
    """
    from supcr_bench import __version__

    print(f"supcr-bench  {__version__}, Python {sys.version.split()[0]}")
    for name, said in _facts():
        line = f"{name:<11}  {said}"
        indent = 13 * " "
        print(textwrap.fill(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False))


def _facts() -> Iterator[tuple[str, str]]:
    import psutil

    from supcr_bench.measure.device import available_devices
    from supcr_bench.subjects.compiler import why_no_compiler
    from supcr_bench.values.machine import default_threads, usable_cpus
    from supcr_bench.values.units import format_bytes, plural

    yield "torch", _version("torch") or "missing"
    missing = why_no_compiler("cpu")
    yield "compiler", f"missing, so NAME@compile is left out: {missing}" if missing else "found"
    for name, (distribution, meaning) in PACKAGES.items():
        yield name, _version(distribution) or f"missing: {meaning}; pip install {distribution}"
    devices = available_devices()
    only = "" if len(devices) > 1 else ": no accelerator, so nothing is measured on a GPU"
    yield "devices", ", ".join(devices) + only
    cpus, load = usable_cpus(), psutil.getloadavg()[0]
    cores = f"{cpus}; {load:.2g} processes ran or waited for one in the last minute; "
    yield "cores", cores + f"measuring uses {plural(default_threads(cpus), 'thread')}"
    memory = psutil.virtual_memory()
    free = f"of which {format_bytes(memory.available)} are free"
    yield "memory", f"{format_bytes(memory.total)}, {free}"
    yield "noise", noise_line(measure_noise())


def _version(distribution: str) -> str | None:
    import importlib.metadata

    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def measure_noise() -> float:
    """By how much identical calls seem to differ: the 95th percentile of median ratios."""
    import random

    import torch

    from supcr_bench.measure.device import Cpu

    device, order = Cpu(), random.Random(0)  # noqa: S311 - no secret
    torch.set_num_threads(1)
    matrix = torch.ones(256, 256)

    def sampled() -> float:
        pair = [device.time(lambda: matrix @ matrix).host_s for _ in range(2)]
        order.shuffle(pair)
        return pair[0] / pair[1]

    sampled()  # the first call is slower
    return spread([[sampled() for _ in range(PAIRS)] for _ in range(ROUNDS)])


def spread(rounds: Sequence[Sequence[float]]) -> float:
    """The difference from 1 that 95 % of the rounds' medians do not exceed."""
    import numpy as np

    apart = np.abs(np.median(rounds, axis=1) - 1)
    return float(np.quantile(apart, 0.95, method="lower"))


def noise_line(noise: float) -> str:
    measured = f"identical calls seem to differ by up to {100 * noise:.2g} % now"
    if noise <= QUIET:
        return f"{measured}: quiet enough for slow-downs of 5 %"
    return f"{measured}: times stay undecided more often; end other programs. Counts have no noise"
