"""A meter that computes its figures from formulas instead of measuring.

It makes no calls, so a cost of hours takes microseconds.
"""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from supcr_bench.inputs.tensors import Batch
from supcr_bench.measure.device import Elapsed, Meter, PeakMemory
from supcr_bench.measure.work import Work, in_blocks
from supcr_bench.values.case import Pass, Workload
from supcr_bench.values.cell import Arm
from supcr_bench.values.definition import Definition

FLOOR_S = 1e-7
Cost = Callable[[Arm, Workload], float]


def nothing(arm: Arm, workload: Workload) -> float:
    del arm, workload
    return 1e-6


@dataclass(slots=True)
class FakeMeter(Meter):
    """Computes figures by formula, with seeded noise.

    Attributes:
        seconds: formula for the host's time of a call, by implementation; ``nothing`` by default.
        device_seconds: formula for the device's time; by default there is none, as on the CPU.
        bytes: formula for the peak of a call, used for the allocator's and the dispatch count.
        elements: formula for the elements that a call processes, by implementation.
        workload: the workload of the cell that is measured, on which the formulas depend.
        noise: standard deviation of the logarithm of each time.
        seed: random seed for the noise.
    """

    seconds: Mapping[str, Cost] = field(default_factory=dict)
    device_seconds: Mapping[str, Cost] = field(default_factory=dict)
    bytes: Mapping[str, Cost] = field(default_factory=dict)
    elements: Mapping[str, Cost] = field(default_factory=dict)
    workload: Workload = field(default=Workload(batch_size=64))
    noise: float = 0.0
    seed: int = 0
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def time(self, arm: Arm, call: Callable[[], object]) -> Elapsed:
        del call
        noise = math.exp(self._random.gauss(0.0, self.noise))
        host_s = self.seconds.get(arm.implementation, nothing)(arm, self.workload)
        on_device = self.device_seconds.get(arm.implementation)
        device_s = on_device(arm, self.workload) * noise if on_device else None
        return Elapsed(host_s * noise, device_s)

    def peak_memory(self, arm: Arm, call: Callable[[], object]) -> PeakMemory:
        del call
        return PeakMemory(self._bytes(arm), None, "fake meter")

    def work(self, arm: Arm, call: Callable[[], object]) -> Work:
        del call
        elements = round(self.elements.get(arm.implementation, nothing)(arm, self.workload))
        peak = self._bytes(arm)
        return Work(
            dispatched_ops=1,
            elements_processed=elements,
            dispatch_peak_bytes=peak,
            predicted_cuda_peak_bytes=in_blocks(peak),
        )

    def interpreted(self, arm: Arm, call: Callable[[], object]) -> dict[str, int | None]:
        del arm, call
        return {}

    def floor_s(self, definition: Definition, pass_: Pass, batch: Batch) -> float:
        del definition, pass_, batch
        return FLOOR_S

    def _bytes(self, arm: Arm) -> int:
        return round(self.bytes.get(arm.implementation, nothing)(arm, self.workload))
