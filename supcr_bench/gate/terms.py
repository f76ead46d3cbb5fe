"""On what terms two sides are held against each other, for every kind of evidence without noise."""

import shlex
from dataclasses import dataclass

from supcr_bench.values.case import Case
from supcr_bench.values.metrics import MEMORY

TORCH_ALLOWANCE = 0.02
"""Share by which counts may differ under another version of torch.

On the suite ``ci``, torch 2.6 launches up to 1.8 % more operations than 2.13, one to three of some
170, and 2.14 as many; element work and peak memory are the same in all three.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms.

    Attributes:
        suite: as the command line takes it.
        implementations: that were asked for; of others nothing is said.
        baseline: whether what was before is a file that can be recorded again.
        max_memory_growth: share by which the peak of memory may grow.
        torch_before, torch_now: versions of torch that the two sides were taken with; builds of
            one version count as the same.
    """

    suite: str
    implementations: tuple[str, ...]
    baseline: bool
    max_memory_growth: float = MEMORY.allowance
    torch_before: str | None = None
    torch_now: str | None = None

    @property
    def other_torch(self) -> bool:
        """Whether the two sides were taken with different versions of torch."""
        return _release(self.torch_before) != _release(self.torch_now)

    @property
    def then(self) -> str:
        """When something was already so, in a word."""
        return "recorded" if self.baseline else "before"

    @property
    def record_again(self) -> str:
        """What to do about something that got better, where there is something to do."""
        return "; record again" if self.baseline else ""

    def run_command(self, implementation: str, case: Case) -> str:
        """A command that shows a case again."""
        parts = ["supcr-bench", "run", self.suite, "-i", implementation, "--no-verify"]
        parts += ["--batch-size", str(case.batch_size), "--pass", case.pass_]
        if case.nan_density is not None:
            parts += ["--dims", str(case.dims), "--nan-density", f"{case.nan_density:g}"]
        if case.device != "cpu":
            parts += ["--device", case.device]
        if case.ranks > 1:
            parts += ["--ranks", str(case.ranks)]
        return shlex.join(parts)

    def verify_command(self, implementation: str, definition: str) -> str:
        """A command that shows a verification again."""
        return shlex.join(["supcr-bench", "verify", implementation, "--definition", definition])


def _release(version: str | None) -> str | None:
    """``2.13.0`` of ``2.13.0+cpu``."""
    return version.partition("+")[0] if version else None
