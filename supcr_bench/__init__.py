"""supcr-bench: is an implementation of the SupCR loss right, what does it cost, did it get worse?

``supcr_bench.load("latest")`` gives a run, with a DataFrame that has a row for each result;
``supcr_bench.verify(Loss)`` verifies a loss; ``supcr_bench.SupCRLoss`` and ``supcr_bench.RnCLoss``
are fast losses to train with. Each is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supcr_bench.implementations._loss import RnCLoss, SupCRLoss  # type: ignore[import-not-found]
    from supcr_bench.store.loaded_run import Run
    from supcr_bench.store.run import load_run as load
    from supcr_bench.verification.local_session import verify

__version__ = "0.2.0"
__all__ = ["RnCLoss", "Run", "SupCRLoss", "__version__", "load", "verify"]


_PLACES = {
    "RnCLoss": ("implementations._loss", "RnCLoss"),
    "Run": ("store.loaded_run", "Run"),
    "SupCRLoss": ("implementations._loss", "SupCRLoss"),
    "load": ("store.run", "load_run"),
    "verify": ("verification.local_session", "verify"),
}


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module 'supcr_bench' has no attribute {name!r}")
    module, attribute = _PLACES[name]
    return getattr(import_module(f"supcr_bench.{module}"), attribute)
