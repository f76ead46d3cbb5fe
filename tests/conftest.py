"""For all tests."""

import pytest
import torch

pytest_plugins = "pytester"
"""Of tests of the pytest plug-in, which run tests of their own."""


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Small tensors gain nothing from threads, which on a busy machine wait for each other."""
    torch.set_num_threads(1)
