"""In processes of their own: a limit must not bind the tests."""

import sys
from pathlib import Path

import pytest

from tests.forked.start import Servers

LINUX_ONLY = pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces the limit")


def run(servers: Servers, code: str) -> str:
    done = servers.run_code(code, Path.cwd())
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


ALLOCATE = """
import torch
from supcr_bench.measure.outcome import is_out_of_memory
from supcr_bench.measure.device import Cpu

large = 2**29
def allocate():
    return torch.empty(large, dtype=torch.uint8)

with Cpu().memory_limit(2**28):
    torch.ones(2**20, dtype=torch.uint8)
    try:
        allocate()
        print("no error")
    except RuntimeError as error:
        print("refused", is_out_of_memory(error))
print("afterwards", allocate().numel() == large)
with Cpu().memory_limit(None):
    print("unlimited", allocate().numel() == large)
with Cpu().memory_limit(2**30):
    print("within", allocate().numel() == large)
"""


@LINUX_ONLY
def test_an_allocation_beyond_the_limit_fails_and_succeeds_after_the_block(
    servers: Servers,
) -> None:
    assert run(servers, ALLOCATE).splitlines() == [
        "refused True",
        "afterwards True",
        "unlimited True",
        "within True",
    ]


RESTORED = """
import resource
from supcr_bench.measure.device import Cpu

before = resource.getrlimit(resource.RLIMIT_DATA)
try:
    with Cpu().memory_limit(2**30):
        inside = resource.getrlimit(resource.RLIMIT_DATA)
        raise KeyError
except KeyError:
    pass
print(inside[0] != before[0], inside[1] == before[1])
print(resource.getrlimit(resource.RLIMIT_DATA) == before)

hard = 2**34
resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
with Cpu().memory_limit(2**50):
    print(resource.getrlimit(resource.RLIMIT_DATA)[0] == hard)
"""


@LINUX_ONLY
def test_the_limit_is_restored_after_an_error_and_never_above_the_systems(
    servers: Servers,
) -> None:
    assert run(servers, RESTORED).split() == ["True"] * 4


def test_where_there_is_nothing_to_enforce_it_the_block_just_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from supcr_bench.measure.device import Cpu

    monkeypatch.setattr("psutil.LINUX", False)
    with Cpu().memory_limit(1):
        assert bytearray(2**20)
