"""Keeps a pool of threads that wait for work."""

import threading
from concurrent.futures import ThreadPoolExecutor

from supcr_bench.implementations.broadcast import IMPLEMENTATION

Loss = IMPLEMENTATION.factory

POOL = ThreadPoolExecutor(2)
POOL.submit(threading.get_ident).result()
