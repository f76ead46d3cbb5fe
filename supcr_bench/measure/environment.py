"""Collects facts about the machine and its software."""

import os
import platform
import re
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from supcr_bench.measure.device import available_devices, find_accelerator


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.lower().startswith(("model name", "cpu model")):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _accelerators() -> list[dict[str, Any]]:
    accelerator = find_accelerator()
    if accelerator is None:
        return []
    module = getattr(torch, accelerator.type)
    found = []
    for index in range(torch.accelerator.device_count()):
        get = getattr(module, "get_device_properties", None)
        properties = get(index) if get else None
        found.append(
            {
                "device": f"{accelerator.type}:{index}",
                "name": getattr(properties, "name", accelerator.type),
                "memory_bytes": getattr(properties, "total_memory", None),
            }
        )
    return found


def _driver() -> str | None:
    try:
        text = Path("/proc/driver/nvidia/version").read_text()
    except OSError:
        return None
    found = re.search(r"\s(\d+\.\d+[.\d]*)\s", text)
    return found[1] if found else None


def collect_environment() -> dict[str, Any]:
    """The facts about this machine and its software that may affect measurements."""
    affinity = getattr(os, "sched_getaffinity", None)
    blas = re.search(r"BLAS_INFO=(\w+)", torch.__config__.show())
    return {
        "cpu": _cpu_model(),
        "cpus_usable": len(affinity(0)) if affinity else os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "os": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "threads": torch.get_num_threads(),
        "blas": blas[1] if blas else None,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "devices": list(available_devices()),
        "accelerators": _accelerators(),
        "cuda": torch.version.cuda,
        "driver": _driver(),
    }
