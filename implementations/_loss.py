"""The loss for training: the fastest implementation here that the machine can run."""

import importlib
import warnings

from ._scan import Evaluation, ScanSupCR

_fastest: dict[str, type[ScanSupCR]] = {}
"""The fastest implementation by type of device. Not functools.cache: torch.compile warns of it."""


class SupCRLoss(ScanSupCR):
    """SupCR, correct at any temperature and on any device, in time that grows as N^2.

    On a CPU it runs the compiled loop of ``tiled`` where numba is installed
    (``pip install 'supcr-bench[fast]'``), and ``scan`` otherwise and elsewhere. Both follow the
    definition within rounding, so the choice affects only the time. The choice does not depend on
    the batch size: on a CPU, ``scan`` was not faster at any size tried from 16 rows to 8,192.

    It computes the loss of the rows in its arguments. Where the batch lies on several ranks, under
    DistributedDataParallel, use ``DistributedSupCR`` of ``distributed``.

    Args:
        temperature: tau, which divides the cosine similarities.
        weights: one weight per label dimension, normalised to sum to one; equal ones by default.
        eps: floor of each denominator; 1e-7 for ``torchcell`` and none for ``no-self`` by default.
        definition: ``torchcell`` (the anchor is a candidate of partners whose label ties with its
            own) or ``no-self`` (never).
    """

    @staticmethod
    def add_losses(work: Evaluation) -> None:
        fastest(work.units.device.type).add_losses(work)


def fastest(device_type: str) -> type[ScanSupCR]:
    """The fastest implementation on a type of device."""
    if device_type not in _fastest:
        _fastest[device_type] = _tiled_or_scan() if device_type == "cpu" else ScanSupCR
    return _fastest[device_type]


def _tiled_or_scan() -> type[ScanSupCR]:
    try:
        tiled = importlib.import_module(".tiled", __package__)
    except ImportError:  # numba is an extra
        return ScanSupCR
    except Exception as error:  # noqa: BLE001 - numba is installed but broken
        warnings.warn(f"the compiled loop cannot be used: {error}", RuntimeWarning, stacklevel=2)
        return ScanSupCR
    found: type[ScanSupCR] = tiled.TiledSupCR
    return found
