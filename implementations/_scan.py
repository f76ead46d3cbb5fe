"""SupCR by running sums along each anchor's row, with a gradient computed without autograd.

This file needs only torch and runs on any device: to use the loss elsewhere, copy this file.

Once the rows are sorted by label, the label distances of an anchor fall towards it and rise beyond
it. Merging these two sorted runs, with a binary search per row instead of a sort, orders all others
by distance. In that order, farthest first, every candidate set S(i,j) is a prefix, and

    Z(i,j) = sum over S(i,j) of exp s(i,k)                                      a running sum,
    dL/ds(i,k) = exp s(i,k) * sum over {j : delta(i,j) <= delta(i,k)} of 1/Z(i,j) - 1     another,

summed from the near end. Both sums add only positive terms, so no digits cancel. Members of a tie
share the sums at its end. Distances are compared as the labels' dtype rounds them; rounding is
monotone, so the merged runs are still sorted.

A cosine is at most 1, so exp((cosine - 1) / tau) does not overflow, and does not underflow while
2 / tau stays within the dtype's range: down to tau = 0.034 in float32, 0.0034 in float64. Below
0.034, float32 inputs are summed in float64; below 0.0034, or on a device without float64, sums are
kept as logarithms, which are slower and stay finite at any temperature.

Blocks of anchors are processed one by one, each adding its part of the gradient of the embeddings,
so no N x N tensor outlives its block.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

SMALLEST_NORM = 1e-12
"""Floor of an embedding's norm, as in ``torch.nn.functional.normalize``."""
RANGE = {torch.float32: 60.0, torch.float64: 590.0}
"""The largest 2 / tau at which the exponentials of a row, their sums and inverses stay in range."""
ANCHORS = 128
"""Rows of a block on a CPU, so that it fits in cache; the fewest on an accelerator."""
ELEMENTS = 2**24
"""Elements of a block on an accelerator, in both views together: enough to keep it busy."""


class Options(NamedTuple):
    """Temperature, floor of each denominator (0 for none), and the rule for ties."""

    temperature: float
    eps: float
    self_when_tied: bool

    @property
    def log_floor(self) -> float:
        """The logarithm of the floor of a sum of exp((cosine - 1) / tau)."""
        return math.log(self.eps) - 1 / self.temperature if self.eps > 0 else -math.inf


class SortedLabels(NamedTuple):
    """The labels of each of D dimensions in rising order; R rows have a label in any of them.

    Attributes:
        rows: [R] the rows of the batch that have any label.
        counts: [D] how many of them are labelled in each dimension.
        order: [D, R] those rows in the order of each dimension's labels, the unlabelled ones last.
        labels: [D, R] the labels in that order.
    """

    rows: Tensor
    counts: list[int]
    order: Tensor
    labels: Tensor


class Evaluation(NamedTuple):
    """One evaluation of the loss: its inputs, and the tensors that accumulate its results.

    Attributes:
        labels: the sorted labels of each dimension.
        units: [2, R, d] embeddings of length 1, of the rows that have a label.
        options: temperature, eps and the rule for ties.
        grad_output: [D] gradient at each loss, if the derivative is wanted.
        losses: [D] accumulates the losses of all dimensions.
        grad_units: [2, R, d] accumulates their derivative by ``units``, if it is wanted.
    """

    labels: SortedLabels
    units: Tensor
    options: Options
    grad_output: Tensor | None
    losses: Tensor
    grad_units: Tensor | None

    def add_loss(self, c: int, total: Tensor) -> None:
        """Add the sum over the pairs of a dimension."""
        m = self.labels.counts[c]
        self.losses[c] += total / (m * (m - 1))

    def factor(self, c: int, derivative: Tensor) -> Tensor:
        """The gradient divided by tau times the derivative of a dimension's sum."""
        assert self.grad_output is not None
        m = self.labels.counts[c]
        return (self.grad_output[c] / (m * (m - 1) * self.options.temperature)).to(derivative)


class DistanceOrder(NamedTuple):
    """The rows of B anchors in C dimensions of M labels, by label distance, farthest first.

    Attributes:
        order: [C, B, M] the row k at each place.
        ties_ending: [C, B, M] the number of partners in the tie that ends there; 0 if none does.
    """

    order: Tensor
    ties_ending: Tensor


AddLosses = Callable[[Evaluation], None]
"""As :meth:`ScanSupCR.add_losses`."""


class ScanSupCR(nn.Module):
    """SupCR by running sums: N^2 work, stable at low temperature, no graph of N x N tensors.

    Args:
        temperature: tau, which divides the cosine similarities.
        weights: one weight per label dimension, normalised to sum to one; equal ones by default.
        eps: floor of each denominator, whose gradient is 0 where the floor holds; 1e-7 for
            ``torchcell`` and none for ``no-self`` by default.
        definition: whether the anchor is a candidate of partners whose label ties with its own
            (``torchcell``) or never (``no-self``).

    Raises:
        ValueError: a temperature that is not positive and finite, or that requires grad (it gets
            no gradient here), weights that are not [D] or whose sum is 0 or not finite, an eps
            that is negative or infinite, an unknown definition.
    """

    weights: Tensor | None

    def __init__(
        self,
        temperature: float = 0.1,
        weights: Tensor | None = None,
        eps: float | None = None,
        definition: Literal["torchcell", "no-self"] = "torchcell",
    ) -> None:
        super().__init__()
        if isinstance(temperature, Tensor) and temperature.requires_grad:
            raise ValueError("temperature must be a number: no gradient flows to it here")
        if not 0 < temperature < math.inf:
            raise ValueError(f"temperature must be positive and finite, got {temperature}")
        if definition not in ("torchcell", "no-self"):
            raise ValueError(f"definition must be 'torchcell' or 'no-self', got {definition!r}")
        self.temperature = float(temperature)
        self.definition = definition
        self.eps = (1e-7 if definition == "torchcell" else 0.0) if eps is None else float(eps)
        if not 0 <= self.eps < math.inf:
            raise ValueError(f"eps must be 0 or more and finite, got {eps}")
        if weights is not None:
            weights = torch.as_tensor(weights).detach().clone()
            total = float(weights.sum())
            if weights.ndim != 1 or total == 0 or not math.isfinite(total):
                shape = tuple(weights.shape)
                raise ValueError(f"weights must be [D] with a sum to share, got {shape}, {total:g}")
        self.register_buffer("weights", weights)

    def extra_repr(self) -> str:
        return f"temperature={self.temperature}, eps={self.eps}, definition={self.definition!r}"

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """[N, d], [N, d] and [N, D] to the weighted loss and the [D] per-dimension losses.

        The results are float32, or float64 for float64 embeddings. Their gradient cannot be
        differentiated again, and transforms of torch.func are not supported.

        Raises:
            ValueError: shapes that do not fit, or a label that is infinite.
        """
        labels = labels.detach()
        weights = self.normalised_weights(perturbed, intact, labels)
        loss, losses = DirectGradient.apply(  # type: ignore[no-untyped-call]
            *(perturbed, intact, labels, weights, self.options, self.add_losses),
            torch.is_grad_enabled(),
        )
        return loss, losses

    @property
    def options(self) -> Options:
        return Options(self.temperature, self.eps, self.definition == "torchcell")

    def normalised_weights(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Tensor:
        """[D] weights that sum to one; a ValueError if the shapes of the inputs do not fit."""
        if perturbed.ndim != 2 or perturbed.shape != intact.shape:
            shapes = f"{tuple(perturbed.shape)} and {tuple(intact.shape)}"
            raise ValueError(f"both views must be [N, d], got {shapes}")
        if labels.ndim != 2 or len(labels) != len(perturbed):
            raise ValueError(f"labels must be [{len(perturbed)}, D], got {tuple(labels.shape)}")
        weights, dims = self.weights, labels.shape[1]
        if weights is None:
            weights = torch.ones(dims)
        if len(weights) != dims:
            raise ValueError(f"{len(weights)} weights for {dims} label dimensions")
        weights = weights.to(labels.device, sum_dtype(labels.device))
        return weights / weights.sum()

    @staticmethod
    def add_losses(work: Evaluation) -> None:
        """Add the losses of all dimensions, and their derivative by the unit embeddings."""
        sorted_labels, device = work.labels, work.units.device
        for m, dims in dimensions_by_count(sorted_labels.counts):
            # Dimensions with equally many labels share a block, as long as it does not grow.
            together = max(anchors_at_once(device, m) // m, 1)
            for at in range(0, len(dims), together):
                group = dims[at : at + together]
                order = sorted_labels.order[group, :m]
                total, grad = sum_of_group(order, sorted_labels.labels[group, :m], work)
                for c, number in enumerate(group):
                    work.add_loss(number, total[c])
                    if grad is not None and work.grad_units is not None:
                        factor = work.factor(number, grad)
                        work.grad_units.index_add_(1, order[c], grad[:, c] * factor)


class DirectGradient(torch.autograd.Function):
    """Computes the loss and, in its forward, the gradient of the embeddings."""

    @staticmethod
    def forward(
        ctx: Any,
        perturbed: Tensor,
        intact: Tensor,
        labels: Tensor,
        weights: Tensor,
        options: Options,
        add_losses: AddLosses,
        graph: bool,
    ) -> tuple[Tensor, Tensor]:
        """The weighted loss and the [D] losses; where a graph is wanted, the gradient is kept."""
        ctx.set_materialize_grads(False)
        ctx.settings = options, add_losses
        wanted = weights if graph and (perturbed.requires_grad or intact.requires_grad) else None
        losses, gradient = evaluate(perturbed, intact, labels, wanted, *ctx.settings)
        if gradient is not None:
            ctx.save_for_backward(perturbed, intact, labels, weights, gradient)
        dtype = working_dtype(perturbed, intact)
        return (losses * weights).sum().to(dtype), losses.to(dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor | None) -> tuple[Any, ...]:
        """Map the gradients at the loss and at the [D] losses to those of the two views."""
        gradients = OnceDifferentiable.apply(ctx.settings, *grad_outputs, *ctx.saved_tensors)  # type: ignore[no-untyped-call]
        return *gradients, *(None,) * 5


class OnceDifferentiable(torch.autograd.Function):
    """The gradient of both views, which refuses to be differentiated again."""

    @staticmethod
    def forward(
        ctx: Any,
        settings: tuple[Options, AddLosses],
        at_loss: Tensor | None,
        at_losses: Tensor | None,
        perturbed: Tensor,
        intact: Tensor,
        labels: Tensor,
        weights: Tensor,
        gradient: Tensor,
    ) -> tuple[Tensor | None, Tensor | None]:
        """The stored gradient, scaled; recomputed if the [D] losses have a gradient too."""
        del ctx
        if at_losses is not None:
            grad_output = at_each_loss(at_loss, at_losses, weights)
            views = evaluate(perturbed, intact, labels, grad_output, *settings)[1]
            assert views is not None
        elif at_loss is not None:
            views = gradient * at_loss
        else:
            return None, None
        return views[0].to(perturbed.dtype), views[1].to(intact.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        """Raise a RuntimeError: there is no second derivative."""
        del ctx, grad_outputs
        raise RuntimeError("this loss can be differentiated once: its gradient has no gradient")


def at_each_loss(at_loss: Tensor | None, at_losses: Tensor, weights: Tensor) -> Tensor:
    """[D] gradient at each dimension's loss, including that through the weighted sum."""
    grad_output = at_losses.to(weights)
    return grad_output if at_loss is None else grad_output + at_loss.to(weights) * weights


def evaluate(
    perturbed: Tensor,
    intact: Tensor,
    labels: Tensor,
    grad_output: Tensor | None,
    options: Options,
    add_losses: AddLosses,
) -> tuple[Tensor, Tensor | None]:
    """The [D] losses and, for a [D] gradient at them, the [2, N, d] gradient of both views."""
    kind, dtype = labels.device.type, working_dtype(perturbed, intact)
    lowered = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    with torch.autocast(kind, enabled=False) if lowered else nullcontext(), torch.no_grad():
        sorted_labels = sort_labels(labels)
        all_labelled = len(sorted_labels.rows) == len(labels)
        views = torch.stack((perturbed.detach().to(dtype), intact.detach().to(dtype)))
        if not all_labelled:
            views = views[:, sorted_labels.rows]
        norms = views.norm(dim=2, keepdim=True)
        lengths = norms.clamp(min=SMALLEST_NORM)
        units = views / lengths

        losses = torch.zeros(labels.shape[1], dtype=sum_dtype(labels.device), device=labels.device)
        grad_units = None if grad_output is None else torch.zeros_like(units)
        add_losses(Evaluation(sorted_labels, units, options, grad_output, losses, grad_units))
        if grad_units is None:
            return losses, None

        # A cosine does not depend on an embedding's length, unless that is below the floor.
        along = (grad_units * units).sum(dim=2, keepdim=True).masked_fill_(norms < SMALLEST_NORM, 0)
        grad_units -= along * units
        grad_units /= lengths
        if all_labelled:
            return losses, grad_units
        gradient = grad_units.new_zeros(2, *perturbed.shape)
        gradient[:, sorted_labels.rows] = grad_units
        return losses, gradient


def working_dtype(perturbed: Tensor, intact: Tensor) -> torch.dtype:
    """float64 if the embeddings of either view are float64, else float32."""
    double = torch.float64 in (perturbed.dtype, intact.dtype)
    return torch.float64 if double else torch.float32


def sum_dtype(device: torch.device) -> torch.dtype:
    """The dtype in which totals are summed."""
    return torch.float32 if device.type == "mps" else torch.float64


def anchors_at_once(device: torch.device, m: int) -> int:
    """The number of rows of M elements in a block."""
    return ANCHORS if device.type == "cpu" else max(ELEMENTS // (2 * m), ANCHORS)


def sort_labels(labels: Tensor) -> SortedLabels:
    """Sort the [N, D] labels of each dimension; a ValueError if one is infinite."""
    if not labels.is_floating_point():
        labels = labels.long()
        if sum_dtype(labels.device) == torch.float64 and bool((labels.abs() < 2**52).all()):
            labels = labels.double()  # exact below 2^52, and faster to sort
    present = ~torch.isnan(labels)
    labelled = present.any(dim=1)
    numbers = torch.cat((present.sum(dim=0), labelled.sum()[None], torch.isinf(labels).sum()[None]))
    *counts, some, infinite = numbers.tolist()
    if infinite:
        raise ValueError(f"{infinite} labels are infinite: their distances have no order")
    rows = torch.arange(len(labels), device=labels.device)
    if some < len(labels):
        rows = rows[labelled]
        labels = labels[rows]
    ordered, order = labels.t().sort(dim=1)
    return SortedLabels(rows, counts, order, ordered)


def dimensions_by_count(counts: list[int]) -> Iterator[tuple[int, list[int]]]:
    """Group the dimensions with at least two labels by their number of labels."""
    dims: dict[int, list[int]] = {}
    for c, m in enumerate(counts):
        dims.setdefault(m, []).append(c)
    return ((m, group) for m, group in dims.items() if m >= 2)


def sum_of_group(order: Tensor, labels: Tensor, work: Evaluation) -> tuple[Tensor, Tensor | None]:
    """The [C] sums over pairs, and tau times their derivative by the sorted units, [2, C, M, d].

    ``order`` and ``labels`` are [C, M]: C dimensions with M labels each.
    """
    (dims, m), tau, device = order.shape, work.options.temperature, work.units.device
    units = work.units[:, order].flatten(0, 1)  # [2 C, M, d]
    total = torch.zeros(dims, dtype=sum_dtype(device), device=device)
    grad_units = None if work.grad_units is None else torch.zeros_like(units)
    anchors = anchors_at_once(device, m)
    for start in range(0, m, anchors):
        block = units[:, start : start + anchors]
        logits = torch.bmm(block / tau, units.mT).sub_(1 / tau)
        places = merge(labels, start, min(start + anchors, m), units.dtype)
        logits = logits.view(2, dims, -1, m)
        block_total, weights = scan_block(
            logits, places, start, work.options, grad_units is not None
        )
        total += block_total
        if grad_units is not None and weights is not None:
            weights = weights.flatten(0, 1)
            grad_units[:, start : start + anchors].baddbmm_(weights, units)
            grad_units.baddbmm_(weights.mT, block)
    return total, None if grad_units is None else grad_units.view(2, dims, m, -1)


def merge(labels: Tensor, start: int, stop: int, dtype: torch.dtype) -> DistanceOrder:
    """Order the rows by their distance from each anchor of a block; labels are [C, M], rising."""
    m = labels.shape[1]
    signed = labels.unsqueeze(1) - labels[:, start:stop].unsqueeze(2)  # rounded, rising along k
    if signed.dtype in (torch.float16, torch.bfloat16):
        signed = signed.float()
    # The place of a row is the number of rows that are farther: those beyond it on its own side,
    # and those that a search counts on the other side. Rows of that side get the last place, m.
    k = torch.arange(m, device=labels.device)
    below = stop <= m - start
    if below:
        side = signed[..., :stop]
        places = torch.where(side < 0, k[:stop] + m - torch.searchsorted(signed, -side), m)
    else:
        side = signed[..., start:]
        beyond = m - 1 - k[start:]
        places = torch.where(side > 0, beyond + torch.searchsorted(signed, -side), m)
    taken = k.new_zeros(*signed.shape[:2], m + 1).scatter_(2, places, 1)[..., :m]
    # The other side's rows take the places that are left, in their own order.
    order = torch.addcmul(taken.cumsum(dim=2) + (m - 1 - k), taken, m - k, value=-1)
    if not below:
        order = m - 1 - order

    return DistanceOrder(order, ties_ending(signed.abs_().gather(2, order), k.to(dtype)))


def ties_ending(distance: Tensor, number: Tensor) -> Tensor:
    """The number of partners in the tie that ends at each place, 0 if no tie ends: [C, B, M]."""
    apart = distance[..., 1:] != distance[..., :-1]
    first = number.repeat(*distance.shape[:2], 1)  # the first place of each tie
    first[..., 1:] *= apart
    ending = number + 1 - first.cummax(dim=2).values
    ending[..., :-1] *= apart
    ending[..., -1] -= 1  # the anchor is not a partner
    return ending


def scan_block(
    logits: Tensor, places: DistanceOrder, start: int, options: Options, with_gradient: bool
) -> tuple[Tensor, Tensor | None]:
    """Sum of -log(exp s(i,j) / Z(i,j)) over j != i, and its derivative by s.

    Args:
        logits: [2, C, B, M] s of the block's anchors with all, less 1 / tau; overwritten.
        places: the order of each row by label distance.
        start: first anchor of the block.
        options: temperature, eps and the rule for ties.
        with_gradient: whether the derivative is wanted.

    Returns:
        [C] sums over both views, and [2, C, B, M] the derivative, with 0 at the anchor itself.
    """
    in_logarithms, dtype = summation(logits, options.temperature)
    order, ending = places.order.expand(logits.shape), places.ties_ending.to(dtype)
    numerators = logits.sum(dim=(0, 2, 3)) - logits.diagonal(start, 2, 3).sum(dim=(0, 2))
    terms = logits if in_logarithms else logits.to(dtype).exp_()
    if not options.self_when_tied:
        terms.diagonal(start, 2, 3).fill_(-math.inf if in_logarithms else 0)

    # Z at every place, farthest first.
    terms = terms.gather(3, order)
    contrast = running_sum(terms, in_logarithms)
    below = None
    if options.log_floor > -2.02 / options.temperature:  # else no sum is below the floor
        floor = options.log_floor if in_logarithms else math.exp(options.log_floor)
        below = contrast < floor
        contrast.clamp_(min=floor)
    else:
        # A sum can be 0 only where no tie ends, and there it is multiplied by 0.
        contrast.clamp_(min=-1e30 if in_logarithms else torch.finfo(dtype).tiny)
    logarithms = contrast if in_logarithms else contrast.log()
    total = ((logarithms * ending).sum(dim=(0, 2, 3)) - numerators).to(sum_dtype(logits.device))
    if not with_gradient:
        return total, None

    # At every place, the sum of 1/Z over the partners that are no farther from the anchor.
    # A tie is counted in full at its end, so all members of the tie share one sum.
    inverse = ending.log() - contrast if in_logarithms else ending / contrast
    if below is not None:
        inverse.masked_fill_(below, -math.inf if in_logarithms else 0)
    sums = running_sum(inverse.flip(3), in_logarithms).flip(3)
    derivative = sums.add_(terms).exp_() if in_logarithms else sums.mul_(terms)
    weights = logits.scatter_(3, order, derivative.sub_(1).to(logits.dtype))
    weights.diagonal(start, 2, 3).zero_()
    return total, weights


def summation(logits: Tensor, temperature: float) -> tuple[bool, torch.dtype]:
    """Whether to keep sums as logarithms, and the dtype of the sums."""
    dtypes = [logits.dtype] if logits.device.type == "mps" else [logits.dtype, torch.float64]
    fitting = [dtype for dtype in dtypes if 2 / temperature <= RANGE[dtype]]
    return not fitting, fitting[0] if fitting else logits.dtype


def running_sum(x: Tensor, in_logarithms: bool) -> Tensor:
    """Cumulative sum, or log-sum-exp, along the last dimension."""
    return x.logcumsumexp(dim=-1) if in_logarithms else x.cumsum(dim=-1)
