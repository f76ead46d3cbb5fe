"""Losses that would spoil or fool a careless harness: one trait a file, around a right loss.

Most are of the kinds that KernelBench, KernelArena and GPU MODE's leaderboards have met: replaced
clocks, work put off until nobody measures, answers from memory, work that shrinks while timed.
"""

from dataclasses import dataclass
from pathlib import Path

import psutil

FOLDER = Path(__file__).parent
BY_VALUE = "while it was timed, it gave"


@dataclass(frozen=True)
class Hostile:
    """What the harness must say of a file.

    Attributes:
        change: what it changes in the process, in words, if that can be undone.
        lasting: what it does to the process that cannot be undone.
        finding: why it is not right, if it is found out by its answers.
        check: the check of ``verify`` that catches it; ``None`` where none applies.
    """

    change: str | None = None
    lasting: str | None = None
    finding: str | None = None
    check: str | None = "process settings"


HOSTILE = {
    "default_dtype": Hostile("changes the default dtype"),
    "grad_off": Hostile("changes the grad mode"),
    "slow_exp": Hostile("replaces torch.exp"),
    "slow_method": Hostile("replaces torch.Tensor.sort"),
    "slows_another": Hostile("replaces supcr_bench.implementations.loopy.LoopySupCR.forward"),
    "copies_saved": Hostile("changes the hooks on saved tensors"),
    "slow_clock": Hostile("replaces time.perf_counter_ns"),
    "synchronize_gone": Hostile("replaces torch.cuda.synchronize"),
    "harness_clock": Hostile("replaces supcr_bench.measure.device.Cpu.time"),
    "all_close": Hostile("replaces math.isclose"),
    "bfloat16_products": Hostile("changes the float32 matmul precision"),
    "deterministic": Hostile("changes the use of deterministic algorithms"),
    "collector_off": Hostile("changes the garbage collection"),
    "autocast_on": Hostile("changes the autocast", finding="gradient"),  # its own backward is in it
    "anomaly_detection": Hostile("changes the detection of anomalies"),
    "two_threads": Hostile("changes the number of threads"),
    "switch_interval": Hostile("changes the switch interval of threads"),
    "ignores_interrupts": Hostile("changes the handlers of signals"),
    "spinning_thread": Hostile(lasting="keeps a core busy after its calls"),
    "spinning_process": Hostile(lasting="keeps a core busy after its calls"),
    "slow_operator": Hostile(lasting="overrides torch's operator"),
    "last_answer_by_shape": Hostile(finding="different batches", check="repeatability"),
    "last_answer_by_address": Hostile(finding=BY_VALUE, check="no cached outputs"),
    "tires": Hostile(finding=BY_VALUE, check=None),
    "less_when_timed": Hostile(finding=BY_VALUE, check=None),
    "fills_in_later": Hostile(finding="the loss", check="ties"),
    "changes_inputs": Hostile(finding="changed its inputs", check="inputs unmodified"),
}
REFUSED = ("lazy_tensor", "lazy_method")
"""Files whose answer is no plain tensor: every door says so, and measures nothing."""
REMEMBERING = ("last_answer_by_content", "every_answer_by_content")
"""Files that compute nothing for a batch that they have met."""
HONEST = (*REMEMBERING, "lazy_output", "sleeping_threads")
"""Files whose trait gains and spoils nothing, so that there is nothing to say."""


def end_processes() -> None:
    """End what ``spinning_process`` has started from this process."""
    for child in psutil.Process().children():
        if "while True: pass" in child.cmdline():
            child.kill()
            child.wait()
