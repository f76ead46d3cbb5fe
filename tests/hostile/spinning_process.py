"""Leaves a process that computes for ever."""

import subprocess
import sys

from supcr_bench.implementations.broadcast import IMPLEMENTATION

Loss = IMPLEMENTATION.factory

CHILD = subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])
