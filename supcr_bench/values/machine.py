"""The kind of machine: machines with the same name give comparable figures."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

SAME_MACHINE = ("cpu", "cpus_usable", "torch", "threads", "accelerators")
"""Facts of an environment that decide time and memory; machines of one kind agree in all."""
DIGITS = 6


def machine_of(environment: Mapping[str, Any]) -> str:
    """A short name for the kind of machine.

    Args:
        environment: as ``supcr_bench.measure.environment`` collects it.
    """
    facts = {key: environment.get(key) for key in SAME_MACHINE}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:DIGITS]
