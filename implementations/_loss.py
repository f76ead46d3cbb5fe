"""The losses for training: the fastest implementation here that the machine can run."""

import importlib
import json
import warnings
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

from ._scan import (
    Choices,
    Evaluated,
    OnceDifferentiable,
    ScanSupCR,
    explain,
    in_one,
    rank_n_contrast,
    value_of,
    working_dtype,
)

VIEWS = ("features", "z1", "z2", "perturbed", "perturbed_embeddings", "intact", "intact_embeddings")
"""The names that views may have in a call, in their order: those of losses that people replace."""
_fastest: dict[str, type[ScanSupCR]] = {}
"""The fastest implementation by type of device. This is not functools.cache, because torch.compile
warns of that."""


class SupCRLoss(ScanSupCR):
    """A loss of the SupCR family, right at any temperature and on any device, in N^2 log N.

    With numba (``pip install numba``), it runs the compiled loop of ``tiled`` on a CPU; without
    numba or on another device, it runs ``scan``. ``tiled`` and ``scan`` follow the definition
    within rounding, so the choice affects only the time. The choice does not depend on the batch
    size: on a CPU, ``scan`` was not faster at any size tried from 16 rows to 8,192.

    Under ``torch.compile`` and tracers it is one operator, so that a whole step compiles with
    ``fullgraph=True``; the per-dimension losses then carry no gradient. ``torch.func`` and second
    derivatives are not supported.

    The loss is that of the rows in its arguments. Where the batch lies on several ranks, under
    DistributedDataParallel, use ``DistributedSupCR`` of ``distributed``.

    Args:
        temperature: tau, which divides the similarities; by default the definition's. A parameter
            or tensor that requires grad gets its gradient.
        weights: one weight per label dimension, normalised to sum to one; equal ones by default.
        eps: of each denominator; by default the definition's.
        definition: ``torchcell``, ``no-self``, ``rank-n-contrast``, or a ``Definition``.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._choices_as_text = json.dumps(self.choices)

    def forward(self, *views: Tensor, labels: Tensor | None = None, **named: Tensor) -> Any:
        """As :meth:`._scan.ScanSupCR.forward`; views may have the names of ``VIEWS``, too."""
        if named:
            views = by_name(views, labels, named)
        if not (torch.compiler.is_compiling() or torch._C._is_tracing()):
            try:
                return super().forward(*views, labels=labels)
            except (AttributeError, IndexError, RuntimeError, TypeError):
                tracer = torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.PROXY)
                if tracer is None and FakeTensor not in map(type, views):  # they have no numbers
                    raise
        arguments = views if labels is None else (*views, labels)
        explain(arguments)
        *given, labels = arguments
        arranged, labels = self.arrange(given, labels.detach())
        stacked, tau = torch.stack(arranged), self.temperature
        tau = tau.reshape(()) if isinstance(tau, Tensor) else torch.tensor(tau, dtype=torch.float64)
        wanted = torch.is_grad_enabled() and (stacked.requires_grad or tau.requires_grad)
        loss, losses, _, _ = _operator(
            stacked, labels, self.weights, tau, self._choices_as_text, wanted
        )
        return loss if self.choices.joint else (loss, losses.detach())

    @staticmethod
    def evaluate(*arguments: Any, **options: Any) -> Evaluated:
        """As :func:`._scan.evaluate`."""
        return fastest(arguments[0][0].device.type).evaluate(*arguments, **options)

    @staticmethod
    def scale(gradient: Tensor, factor: Tensor) -> Tensor:
        """As :meth:`._scan.ScanSupCR.scale`."""
        return fastest(gradient.device.type).scale(gradient, factor)


class RnCLoss(SupCRLoss):
    """Rank-N-Contrast, called as its authors' ``RnCLoss``: (features [N, 2, d], labels).

    Labels are [N, D] or [N]. Two views (z1, z2, labels), features [2N, d] with labels of N rows,
    and a single view [N, d] are accepted too.

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


def by_name(
    views: tuple[Tensor, ...], labels: Tensor | None, named: dict[str, Tensor]
) -> tuple[Tensor, ...]:
    """Views, and after them those given by one of the names in ``VIEWS``."""
    if unknown := set(named).difference(VIEWS):
        raise TypeError(f"unknown argument {min(unknown)!r}; views may be named {', '.join(VIEWS)}")
    if named and labels is None:
        raise TypeError("where views are given by name, give the labels so too: labels=...")
    if "features" in named and (views or len(named) > 1):
        raise TypeError("features hold all views: give no other view beside them")
    return (*views, *(named[name] for name in VIEWS if name in named))


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


@torch.library.custom_op("supcr_bench::loss", mutates_args=())
def _operator(
    views: Tensor, labels: Tensor, weights: Tensor | None, tau: Tensor, choices: str, wanted: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The loss, the [C] losses, and the derivatives w.r.t. views and temperature."""
    chosen = Choices(*json.loads(choices))
    arguments = (views.unbind(), labels, weights, value_of(tau), chosen)
    loss, losses, gradient, slope = SupCRLoss.evaluate(*arguments, wanted=wanted)
    whole = loss.new_zeros(views.shape) if gradient is None else in_one(gradient).to(loss)
    slope = torch.zeros_like(tau) if slope is None else slope.to(tau)
    return loss, losses, whole.contiguous(), slope


@_operator.register_fake
def _shapes(
    views: Tensor, labels: Tensor, weights: Tensor | None, tau: Tensor, choices: str, wanted: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    del weights, wanted
    losses = 1 if Choices(*json.loads(choices)).joint else labels.shape[1]
    found = [views.new_empty(s, dtype=working_dtype(views)) for s in ((), (losses,), views.shape)]
    return found[0], found[1], found[2], torch.empty_like(tau)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.save_for_backward(*output[2:], inputs[0], inputs[3])


def _scale(ctx: Any, at_loss: Tensor, *_others: Any) -> tuple[Tensor | None, ...]:
    gradient, slope, views, tau = ctx.saved_tensors
    found = (gradient * at_loss).to(views), (slope * at_loss).to(tau)
    if torch.is_grad_enabled():
        found = tuple(OnceDifferentiable.apply(x, views, tau, at_loss) for x in found)  # type: ignore[no-untyped-call]
    return found[0], None, None, found[1], None, None


_operator.register_autograd(_scale, setup_context=_keep)
