"""The settings of a gate (regression test), and the commands that reproduce a change."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from supcr_bench.store.loaded_run import Run
from supcr_bench.values.axes import AXES
from supcr_bench.values.case import Case, Workload
from supcr_bench.values.definition import AUTO, DEPARTS
from supcr_bench.values.gate import MAX_SLOWDOWN, TIME_BUDGET_S
from supcr_bench.verification.verification import NO_DEFINITION

OPTIONS = ("batch_size", "pass", "dims", "nan_density", "device", "ranks")
"""The axes that have options of their own, in the order of a command; ``--set`` sets the others."""
TORCH_ALLOWANCE = 0.02
"""Share by which counts may differ between two versions of torch.

On the suite ``ci``, torch 2.6 and 2.14 dispatch up to 1.8 % more operations than 2.13, one to three
of some 170; element work and peak memory are the same in all three.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The settings of one gate, and the command-line arguments that repeat it.

    ``new`` names implementations whose file the revision does not have. ``given`` are the allowed
    shares that the command line sets, by name; it replaces ``allowed``, which the suite's grids
    set, by workload and name. ``gate_options`` are not for the command of one case, which sets its
    own axes.
    """

    suite: str
    implementations: tuple[str, ...]
    baseline: bool
    new: frozenset[str] = frozenset()
    named: bool = False
    given: Mapping[str, float] = field(default_factory=dict)
    time_budget_s: float = TIME_BUDGET_S
    allowed: Mapping[Workload, Mapping[str, float]] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    gate_options: tuple[str, ...] = ()

    def share(self, name: str, case: Case | None = None, usual: float = MAX_SLOWDOWN) -> float:
        of_grid = self.allowed.get(case.workload, {}) if case else {}
        return self.given.get(name, of_grid.get(name, usual))

    @property
    def then(self) -> str:
        return "in the baseline" if self.baseline else "before"

    @property
    def record_again(self) -> str:
        return "; record again" if self.baseline else ""

    def run_command(self, implementation: str, case: Case) -> str:
        parts = ["supcr-bench", "run", self.suite, "-i", implementation, "--no-verify"]
        of_file = case.nan_density is None
        asked = {part.removeprefix("--").partition("=")[0] for part in self.gate_options}
        for axis in sorted(AXES, key=lambda axis: [*OPTIONS, axis.name].index(axis.name)):
            value = axis.of(case if axis.name == "pass" else case.workload)
            usual = value in axis.usual and value in axis.default and axis.name not in asked
            if value is None or usual or (of_file and axis.from_labels):
                continue
            text = f"{value:.10g}" if isinstance(value, float) else str(value)
            has_option = axis.name in OPTIONS
            parts += [f"--{axis.id}", text] if has_option else ["--set", f"{axis.name}={text}"]
        return shlex.join([*parts, *self.options])

    def gate_command(self, revision: str) -> list[str]:
        """The command of this gate, without its implementations and the files that it writes."""
        command = ["supcr-bench", "gate", self.suite, "--against", revision]
        return [*command, *self.gate_options, *self.options]

    def verify_command(self, implementation: str, definition: str = NO_DEFINITION) -> str:
        """The command; a definition that no option can name is left to recognition."""
        named = definition not in (AUTO, NO_DEFINITION) and DEPARTS not in definition
        option = ["--definition", definition] if named else []
        return shlex.join(["supcr-bench", "verify", implementation, *option])


def other_torch(before: Run, after: Run) -> bool:
    """Whether two runs used different releases of torch; different builds do not count."""
    releases = {(run.environment.get("torch") or "").partition("+")[0] for run in (before, after)}
    return len(releases) > 1
