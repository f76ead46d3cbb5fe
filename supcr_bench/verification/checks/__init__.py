"""The checks of a single process, one file each."""

import importlib
import pkgutil

from supcr_bench.verification.check import Check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import GROUPS


def all_checks() -> list[Check[CheckContext]]:
    """The function `run` of every file, by group, the slow ones last, and name."""
    found: list[Check[CheckContext]] = [
        importlib.import_module(f"{__name__}.{module.name}").run
        for module in pkgutil.iter_modules(__path__)
    ]
    return sorted(found, key=lambda c: (GROUPS.index(c.group), c.slow, c.name))
