"""torch.compile for implementations of the registry, where the machine has a C++ compiler."""

import os
import shutil
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

if not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++", "cl"))):
    raise ImportError("torch.compile needs a C++ compiler: install g++ or clang++, or set CXX")


def compiled(module: type[nn.Module]) -> Callable[..., Any]:
    """A factory of that module, compiled for each shape anew, as without ``dynamic=True``."""

    def build(temperature: float = 2.0) -> Any:
        return torch.compile(module(temperature), dynamic=False)

    return build
