"""Times versions of implementations: loads all in one process, then times them cell by cell.

A cell is a case and the versions of one implementation. In every round each version makes its calls
on the same tensors, in random order. :mod:`supcr_bench.measure.timing` goes on until each median is
precise; here only the ratio of two versions counts, and a process gives one value of it, so all
versions make the same few rounds.
"""

import gc
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from supcr_bench.measure.timing import frozen, garbage_collection_held
from supcr_bench.subjects import isolated
from supcr_bench.subjects.registry import Subject, load, require_own_imports
from supcr_bench.values.case import Case
from supcr_bench.values.errors import SubjectError
from supcr_bench.values.implementation import Implementation, Resolution

if TYPE_CHECKING:
    from supcr_bench.measure.device import Device, Elapsed
    from supcr_bench.measure.timed_loss import TimedLoss
    from supcr_bench.subjects.process_state import ProcessState

SAMPLING_S = 0.13
"""Seconds of timed calls of one version, in one cell (an implementation on a case) and process.
More seconds would not help: the remaining noise comes from differences between processes."""
FEWEST_ROUNDS = 10
"""With fewer rounds, work that only every tenth call does would not show in a process."""
MOST_ROUNDS = 60
SLOW_ROUNDS = 2
"""Fewest rounds when one version is so slow that ``FEWEST_ROUNDS`` would take too long."""
SLOW_FACTOR = 4
"""A version may take at most this many times the time planned for all versions together."""
MOST_REPETITIONS = 1000
SHORTEST_SAMPLE_S = 0.002
"""Calls are repeated until a sample is this long."""


@dataclass(frozen=True, slots=True)
class VersionedCell:
    """A case, and versions of one implementation: before, again (a second copy of it) and after.

    ``max_slowdown`` is the share by which it may become slower, if its grid sets one. In a process
    the calls of one version take about ``sampling_s``.
    """

    implementation: str
    case: Case
    versions: Mapping[str, Subject]
    max_slowdown: float | None = None
    sampling_s: float = SAMPLING_S


@dataclass(frozen=True, slots=True)
class VersionTimes:
    """Seconds per call of each version of a cell, paired by round.

    The times are empty if the version ``raised_by`` raised an exception, which ``reason``
    describes, or if sampling would take ``needed_s`` and was not begun. ``totals`` are the seconds
    of all timed calls of each version with the collection of the garbage that they left;
    ``spent_s`` is what the cell took in this process.
    """

    seconds: Mapping[str, tuple[float, ...]]
    raised_by: str | None = None
    reason: str | None = None
    totals: Mapping[str, float] = field(default_factory=dict)
    spent_s: float = 0.0
    needed_s: float | None = None


def time_versions(
    cells: Sequence[VersionedCell], seed: str, limit_s: float = math.inf
) -> list[VersionTimes]:
    """Time each version of each cell.

    A cell that would take longer than ``limit_s`` is not sampled. Versions are loaded, built and
    timed in a random order from ``seed``, because the order decides where in memory a version lies.

    Raises:
        SubjectError: a version cannot be loaded, or one version changes what another computes.
        Exception: a version raised while it was constructed.
    """
    from supcr_bench.inputs.tensors import make_batch
    from supcr_bench.measure.device import get_device
    from supcr_bench.measure.timed_loss import TimedLoss, batches_of
    from supcr_bench.subjects.adapter import Adapter
    from supcr_bench.subjects.process_state import ProcessState

    shuffle = random.Random(seed).shuffle  # noqa: S311 - not for cryptography
    to_load = list(dict.fromkeys(version for cell in cells for version in cell.versions.items()))
    shuffle(to_load)
    untouched = ProcessState(operators=True)
    loaded = {version: load(version[1]) for version in to_load}
    subjects = {subject: loaded[version, subject] for version, subject in to_load}
    require_no_interference(subjects, untouched)
    found: dict[int, VersionTimes] = {}
    order = list(range(len(cells)))
    shuffle(order)
    with frozen():  # what is loaded stays
        for index in order:
            cell, began = cells[index], perf_counter()
            versions = list(cell.versions.items())
            shuffle(versions)
            batches = batches_of(cell.case.workload, make_batch(cell.case.workload))
            losses: dict[str, TimedLoss] = {}
            for version in versions:
                _enter(version[1])
                subject = Adapter.of(loaded[version], version[1].resolution or Resolution())
                definition = subject.resolution.definition.at(cell.case.temperature)
                loss = subject.bind(definition, batches[0])
                losses[version[0]] = TimedLoss(subject, loss, cell.case.pass_, batches)
            call = partial(_call, get_device(cell.case.device), losses, cell.versions)
            times = sample_versions(
                list(losses),
                call,
                sampling_s=cell.sampling_s,
                seed=f"{seed} {index}",
                limit_s=limit_s,
            )
            found[index] = replace(times, spent_s=perf_counter() - began)
    require_no_interference(subjects, untouched)
    require_own_imports(subjects)
    return [found[index] for index in range(len(cells))]


def require_no_interference(
    subjects: Mapping[Subject, Implementation], before: "ProcessState"
) -> None:
    """Raise a SubjectError if a version has changed the process since ``before``.

    Each version has its own modules, but all share torch. If two register an operator of the same
    name, both call the one registered last; a default that one sets affects the other too.
    """
    roots = {Path(subject.root) for subject in subjects if subject.root is not None}
    changes = list(before.interference(roots)) if roots else []
    for subject, loaded in subjects.items():
        changes += loaded.process_changes if subject.root is not None else ()
    if changes:
        names = ", ".join(sorted({subject.name for subject in subjects}))
        raise SubjectError(
            f"{names}: {'; '.join(dict.fromkeys(changes))}, which affects the whole process, so "
            "two versions cannot be timed in one process"
        )


def _enter(subject: Subject) -> None:
    """Make a version's calls import modules from that version's folder."""
    if subject.root is not None:
        isolated.enter(Path(subject.root))


def _call(
    device: "Device",
    losses: "Mapping[str, TimedLoss]",
    subjects: Mapping[str, Subject],
    version: str,
    number: int,
) -> "Elapsed":
    """Release the last output, time a call; raise a BrokenCallError if its answer is wrong."""
    for loss in losses.values():
        loss.release()
    _enter(subjects[version])
    losses[version].prepare(number)
    elapsed = device.time(losses[version])
    losses[version].require_right()
    return elapsed


def sample_versions(
    versions: Sequence[str],
    call: Callable[[str, int], "Elapsed"],
    *,
    sampling_s: float,
    seed: object,
    limit_s: float = math.inf,
) -> VersionTimes:
    """Time versions in rounds: each round gives one mean time per version.

    ``call`` takes a version and the number of its inputs, makes one call, and returns its time; the
    numbers are the same for all versions. The calls of one version take about ``sampling_s``,
    within the limits on the number of rounds. After the calls of a version in a round its cyclic
    garbage is collected, and the time counts in its total: training pays for it, too.
    """
    shuffle = random.Random(str(seed)).shuffle  # noqa: S311 - not for cryptography
    running = ""

    def call_s(version: str, number: int) -> float:
        nonlocal running
        running = version
        return call(version, number).host_s

    order = list(versions)
    samples: dict[str, list[float]] = {version: [] for version in versions}
    totals = dict.fromkeys(versions, 0.0)
    with garbage_collection_held():
        try:
            shuffle(order)
            for version in order:
                call_s(version, 0)  # the first call of a module includes one-time work
            shuffle(order)
            once_s = [call_s(version, 1) for version in order]
            repetitions, rounds = _planned(once_s, sampling_s)
            needed_s = sum(once_s) * (2 + repetitions * rounds)
            if needed_s > limit_s:
                return VersionTimes({}, needed_s=needed_s)
            with frozen():  # the collector need not search older objects
                for start in range(2, 2 + rounds * repetitions, repetitions):
                    shuffle(order)
                    for version in order:
                        seconds = [call_s(version, start + i) for i in range(repetitions)]
                        samples[version].append(sum(seconds) / repetitions)
                        began = perf_counter()
                        gc.collect()
                        totals[version] += sum(seconds) + perf_counter() - began
        except Exception as error:  # noqa: BLE001 - implementations may raise anything
            return VersionTimes({}, running, f"{type(error).__name__}: {error}")
    return VersionTimes({v: tuple(own) for v, own in samples.items()}, totals=totals)


def _planned(once_s: Sequence[float], sampling_s: float) -> tuple[int, int]:
    """Repetitions and rounds, from one call of each version.

    The fastest version sets the numbers; but a much slower version takes at most a few times the
    time planned for all versions, since two rounds suffice to show such a difference.
    """
    fastest_s, all_s = max(min(once_s), 1e-9), max(sum(once_s), 1e-9)
    repetitions = min(max(math.ceil(SHORTEST_SAMPLE_S / fastest_s), 1), MOST_REPETITIONS)
    rounds = min(max(int(sampling_s / (repetitions * fastest_s)), FEWEST_ROUNDS), MOST_ROUNDS)
    meant_s = len(once_s) * max(sampling_s, FEWEST_ROUNDS * fastest_s)
    if rounds * repetitions * all_s > SLOW_FACTOR * meant_s:
        repetitions = min(max(int(SLOW_FACTOR * meant_s / (SLOW_ROUNDS * all_s)), 1), repetitions)
        rounds = max(int(SLOW_FACTOR * meant_s / (repetitions * all_s)), SLOW_ROUNDS)
    return repetitions, min(rounds, MOST_ROUNDS)
