"""Collects facts about the machine and its software."""

import platform
import re
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from supcr_bench.measure.device import available_devices, find_accelerator
from supcr_bench.values.machine import usable_cpus


def _found_in(file: str, pattern: str) -> str | None:
    """The text that a pattern's group matches in a system file, if that file exists."""
    try:
        text = Path(file).read_text()
    except OSError:
        return None
    found = re.search(pattern, text, re.MULTILINE | re.IGNORECASE)
    return found[1] if found else None


def _accelerators() -> list[dict[str, Any]]:
    accelerator = find_accelerator()
    if accelerator is None:
        return []
    module = getattr(torch, accelerator.type)
    get = getattr(module, "get_device_properties", lambda _: None)
    return [
        {
            "device": f"{accelerator.type}:{index}",
            "name": getattr(get(index), "name", accelerator.type),
            "memory_bytes": getattr(get(index), "total_memory", None),
        }
        for index in range(torch.accelerator.device_count())
    ]


def collect_environment() -> dict[str, Any]:
    """The facts about this machine and its software that may affect measurements."""
    blas = re.search(r"BLAS_INFO=(\w+)", torch.__config__.show())
    return {
        "cpu": _found_in("/proc/cpuinfo", r"^(?:model name|cpu model)[^:]*:[ \t]*(.*?)\s*$")
        or platform.processor()
        or platform.machine(),
        "cpus_usable": usable_cpus(),
        "memory_bytes": psutil.virtual_memory().total,
        "os": platform.platform(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # a TorchVersion would have its reader import torch
        "numpy": np.__version__,
        "threads": torch.get_num_threads(),
        "blas": blas[1] if blas else None,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "devices": list(available_devices()),
        "accelerators": _accelerators(),
        "cuda": torch.version.cuda,
        "driver": _found_in("/proc/driver/nvidia/version", r"\s(\d+\.\d+[.\d]*)\s"),
    }
