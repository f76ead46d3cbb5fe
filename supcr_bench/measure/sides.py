"""Loads all versions of the implementations in one process, then times them cell by cell."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from supcr_bench.measure.paired_timing import SideRaisedError, sample_sides
from supcr_bench.subjects.registry import Subject, load
from supcr_bench.values.case import Case
from supcr_bench.values.cell import Arm
from supcr_bench.values.implementation import Resolution

if TYPE_CHECKING:
    from supcr_bench.subjects.adapter import BoundLoss


@dataclass(frozen=True, slots=True)
class SidedCell:
    """A case, and the versions of one implementation that are timed on it.

    Attributes:
        implementation: the name that all versions share.
        case: the case to time them on.
        sides: the versions by label: before, again (the same once more) and after.
    """

    implementation: str
    case: Case
    sides: Mapping[str, Subject]


def time_cells(
    cells: Sequence[SidedCell], *, sampling_s: float, seed: str
) -> list[dict[str, list[float]] | SideRaisedError]:
    """Time each side of each cell: seconds per call, in the order of the cells, or an exception.

    The order in which sides are loaded, built and timed is random: the order decides where in
    memory a side lies.

    Args:
        cells: what to time.
        sampling_s: about how long the calls of one side of one cell may take.
        seed: random seed for all orders.

    Raises:
        SubjectError: a side cannot be loaded, or sides change the process for each other.
        Exception: a side raised while it was constructed.
    """
    from supcr_bench.inputs.tensors import make_batch
    from supcr_bench.measure.cell import make_call
    from supcr_bench.measure.device import get_device
    from supcr_bench.measure.meter import DeviceMeter
    from supcr_bench.subjects.adapter import Adapter
    from supcr_bench.subjects.process_wide import (
        ProcessState,
        require_apart,
        require_own_imports,
    )

    shuffle = random.Random(seed).shuffle  # noqa: S311 - not for cryptography
    to_load = list(dict.fromkeys(side for cell in cells for side in cell.sides.items()))
    shuffle(to_load)
    subjects = [subject for _, subject in to_load]
    untouched = ProcessState.now()
    loaded = {side: load(side[1]) for side in to_load}
    require_apart(subjects, untouched)
    found: dict[int, dict[str, list[float]] | SideRaisedError] = {}
    order = list(range(len(cells)))
    shuffle(order)
    for index in order:
        cell = cells[index]
        batch = make_batch(cell.case.workload)
        meter = DeviceMeter(get_device(cell.case.device))
        sides = list(cell.sides.items())
        shuffle(sides)
        calls, losses = {}, []
        for side in sides:
            subject = Adapter.of(loaded[side], side[1].resolution or Resolution())
            definition = subject.resolution.definition.at(cell.case.temperature)
            losses.append(subject.bind(definition, batch))
            call = make_call(losses[-1], cell.case.pass_)
            arm = Arm(cell.implementation, cell.case.pass_)
            calls[side[0]] = partial(meter.time, arm, cell.case.workload, call)
        try:
            found[index] = sample_sides(
                calls,
                sampling_s=sampling_s,
                seed=f"{seed} {index}",
                between=partial(_clear_gradients, losses),
            )
        except SideRaisedError as error:
            found[index] = error
    require_apart(subjects, untouched)
    require_own_imports(subjects)
    return [found[index] for index in range(len(cells))]


def _clear_gradients(losses: "Sequence[BoundLoss]") -> None:
    for loss in losses:
        loss.clear_gradients()
