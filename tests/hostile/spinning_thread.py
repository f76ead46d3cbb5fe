"""Leaves a thread that computes for ever."""

import threading

from supcr_bench.implementations.broadcast import IMPLEMENTATION

Loss = IMPLEMENTATION.factory


def _spin():
    while True:
        sum(range(1000))


threading.Thread(target=_spin, daemon=True).start()
