"""The losses for training: the fastest implementation here that the machine can run."""

import importlib
import warnings
from typing import Any

from torch import Tensor

from ._scan import Evaluated, ScanSupCR, rank_n_contrast

_fastest: dict[str, type[ScanSupCR]] = {}
"""The fastest implementation by type of device. Not functools.cache: torch.compile warns of it."""


class SupCRLoss(ScanSupCR):
    """A loss of the SupCR family, right at any temperature and on any device, in N^2 log N.

    On a CPU it runs the compiled loop of ``tiled`` where numba is installed
    (``pip install 'supcr-bench[fast]'``), and ``scan`` otherwise and elsewhere. Both follow the
    definition within rounding, so the choice affects only the time. The choice does not depend on
    the batch size: on a CPU, ``scan`` was not faster at any size tried from 16 rows to 8,192.

    It computes the loss of the rows in its arguments. Where the batch lies on several ranks, under
    DistributedDataParallel, use ``DistributedSupCR`` of ``distributed``.

    Args:
        temperature: tau, which divides the similarities; by default the definition's. A parameter
            or tensor that requires grad gets its gradient.
        weights: one weight per label dimension, normalised to sum to one; equal ones by default.
        eps: of each denominator; by default the definition's.
        definition: ``torchcell``, ``no-self``, ``rank-n-contrast``, or a ``Definition``.
    """

    @staticmethod
    def evaluate(*arguments: Any, **options: Any) -> Evaluated:
        """As :func:`._scan.evaluate`."""
        return fastest(arguments[0].device.type).evaluate(*arguments, **options)


class RnCLoss(SupCRLoss):
    """Rank-N-Contrast, called as its authors' ``RnCLoss``: (features [N, 2, d], labels).

    Labels are [N, D] or [N]. Two views (z1, z2, labels), features [2N, d] with labels of N rows,
    and a single view [N, d] will do too.

    Args:
        temperature: divides the similarities; a parameter or tensor that requires grad gets its
            gradient.
        label_diff: label distance: ``l1``, ``l2`` or ``max``.
        feature_sim: similarity: ``l2`` (negative distance), ``squared_l2``, ``cosine`` or ``dot``.
    """

    def __init__(
        self, temperature: float | Tensor = 2.0, label_diff: str = "l1", feature_sim: str = "l2"
    ) -> None:
        super().__init__(temperature, definition=rank_n_contrast(label_diff, feature_sim))


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
