"""The checks of a single process: one file each, which exports one constant, `CHECK`."""

import importlib
import pkgutil

from supcr_bench.verification.check import Check
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.outcome import GROUPS


def all_checks() -> list[Check[CheckContext]]:
    """Every check of this folder, by group, the slow ones last, and name."""
    found: list[Check[CheckContext]] = [
        importlib.import_module(f"{__name__}.{module.name}").CHECK
        for module in pkgutil.iter_modules(__path__)
    ]
    return sorted(found, key=lambda check: (GROUPS.index(check.group), check.slow, check.name))
