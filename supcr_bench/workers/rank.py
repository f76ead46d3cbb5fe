"""A worker's part in a group of ranks: it joins, and meets the others on this machine alone."""

import os
import socket
from datetime import timedelta
from pathlib import Path

import psutil
from torch import distributed


def join(rank: int, ranks: int, store: Path, limit_s: float) -> None:
    """Take part in a gloo group; a group that this process was in before is left.

    The ranks meet in a file, and what they then listen on is the loopback interface alone, so that
    nothing of it can be reached from another machine.

    Args:
        rank: this one's number.
        ranks: how many there are.
        store: the file, in a folder that exists; every group needs one of its own.
        limit_s: after this a message that does not come is an error.
    """
    os.environ["GLOO_SOCKET_IFNAME"] = loopback()
    if distributed.is_initialized():
        distributed.destroy_process_group()
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{store}",
        rank=rank,
        world_size=ranks,
        timeout=timedelta(seconds=limit_s),
    )


def loopback() -> str:
    """The name of the interface that has the address 127.0.0.1: ``lo`` on Linux, ``lo0`` on a Mac.

    Raises:
        OSError: there is none.
    """
    for name, addresses in psutil.net_if_addrs().items():
        if any(a.family == socket.AF_INET and a.address == "127.0.0.1" for a in addresses):
            return name
    raise OSError("no interface has the address 127.0.0.1, which the ranks need to meet")
