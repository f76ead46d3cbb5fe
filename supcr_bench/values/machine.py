"""The kind of machine that figures are of: what must be alike for figures to be alike."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

SAME_MACHINE = ("cpu", "cpus_usable", "torch", "threads", "accelerators")
"""Facts of an environment that time and memory hang on: where one differs, figures are apart."""
DIGITS = 6


def machine_of(environment: Mapping[str, Any]) -> str:
    """A short name for the kind of machine, the same for all that are alike.

    Args:
        environment: as ``supcr_bench.measure.environment`` collects it.
    """
    facts = {key: environment.get(key) for key in SAME_MACHINE}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:DIGITS]
