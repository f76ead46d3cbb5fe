"""supcr-bench: is an implementation of the SupCR loss right, what does it cost, did it get worse?

From Python, ``supcr_bench.load("latest")`` gives a run, its environment, and a DataFrame with one
row a result, ``supcr_bench.verify(Loss)`` verifies a loss, and ``supcr_bench.SupCRLoss`` is a fast
loss to train with. Nothing heavy is imported before it is used.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supcr_bench.implementations._loss import SupCRLoss  # type: ignore[import-not-found]
    from supcr_bench.store.loaded_run import Run
    from supcr_bench.store.run import load_run as load
    from supcr_bench.verification.python_api import verify

__version__ = "0.1.0"
__all__ = ["Run", "SupCRLoss", "__version__", "load", "verify"]


def __getattr__(name: str) -> object:
    if name == "load":
        from supcr_bench.store.run import load_run

        return load_run
    if name == "Run":
        from supcr_bench.store.loaded_run import Run

        return Run
    if name == "verify":
        from supcr_bench.verification.python_api import verify

        return verify
    if name == "SupCRLoss":
        # By name: type checkers find the folder at the top of a checkout, not in this package.
        from importlib import import_module

        return import_module("supcr_bench.implementations._loss").SupCRLoss
    raise AttributeError(f"module 'supcr_bench' has no attribute {name!r}")
