"""A bound on what this process may allocate, enforced by the operating system.

An allocation beyond the bound raises an error at once in the call that requested it, before the
machine starts to swap or to kill processes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import resource
except ImportError:  # Windows has no resource limits; only the parent watches its resident memory
    resource = None  # type: ignore[assignment]

_STATUS = Path("/proc/self/status")


def _data_bytes() -> int | None:
    """Private writable memory of this process (VmData), which RLIMIT_DATA bounds on Linux."""
    try:
        text = _STATUS.read_text()
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return None


@contextmanager
def process_memory_limit(limit_bytes: int | None) -> Iterator[None]:
    """Within the block, this process may hold ``limit_bytes`` more than now; only on Linux."""
    held = _data_bytes()
    if limit_bytes is None or resource is None or held is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bound = held + limit_bytes
    if hard != resource.RLIM_INFINITY:
        bound = min(bound, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
