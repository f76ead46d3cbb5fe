"""Losses of the SupCR family by running sums along each anchor's row, with their own gradient.

This file needs only torch and runs on any device: to use the loss elsewhere, copy this file.

Let s be the similarity over tau. Once the rows are sorted by their label distance from anchor i,
farthest first, every candidate set S(i,j) is a prefix, and two running sums give

    Z(i,j) = sum over S(i,j) of exp s(i,k),
    dL/ds(i,k) = exp s(i,k) * sum over {j : delta(i,j) <= delta(i,k)} of 1/Z(i,j) - 1,

the second one from the nearest row. Both sums add only positive terms, so no digits cancel. Tied
rows share the sums at the end of their tie. Distances are compared as the labels' dtype rounds
them.

Where both views are one batch of 2N rows, the two rows of a sample have one label, so that they lie
at the same place of every sorted row: N places hold the sum of two exponentials each.

Exponentials stay in range as long as s, which lies around or below 0, varies by less than the
exponent range of the dtype. A cosine over tau varies by up to 2 / tau, which is within that range
down to tau = 0.034 in float32 and 0.0034 in float64.
Beyond that range, float32 inputs are summed in float64; where float64 is not enough or the device
lacks it, sums are kept as logarithms, which are slower and stay finite at any temperature.

Blocks of anchors are processed one by one, each adding its part of the gradient of the embeddings,
so no N x N tensor outlives its block.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, is_grad_enabled, nn
from torch.compiler import is_dynamo_compiling

SMALLEST_NORM = 1e-12
"""Floor of an embedding's norm, as in ``torch.nn.functional.normalize``."""
RANGE = {torch.float32: 60.0, torch.float64: 590.0}
"""The widest range of logits for which exponentials, their sums and inverses stay in range."""
NEAR = 0.01
"""Squared distances below this share of the rows' squared norms are computed from coordinate
differences."""
WHOLE_NUMBERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Integer dtypes by size in bytes: non-negative floats sort faster as integers."""
ANCHORS = (32, 256)
"""The fewest and the most rows of a block on a CPU, where a smaller block stays in cache."""
FEW = 4
"""The most rows of a block whose ties are counted one by one."""
ELEMENTS = 2**23
"""Elements of a block on an accelerator, in each view: enough to keep it busy."""
keeps_graph: Callable[[], bool] = getattr(
    torch._C._autograd, "_get_current_graph_task_keep_graph", lambda: True
)
"""Whether a later backward may need the graph of the one that runs; True where torch is too old to
say."""
is_transformed: Callable[[], bool] = getattr(
    torch._C, "_are_functorch_transforms_active", lambda: True
)
"""Whether a transform of torch.func is active; True where torch is too old to say."""


class Choices(NamedTuple):
    """The choices in which losses of the family differ.

    Attributes:
        similarity: ``cosine``, ``dot``, ``negative_euclidean``, ``negative_squared_euclidean``, or
            one of the last two with ``_normalised``, for rows of length 1.
        views: the losses of two views are added (``sum``) or averaged (``mean``), or their rows
            joined (``concatenate``); or there is one view (``single``).
        self_candidate: whether the anchor is a candidate of partners at distance 0 (``when_tied``)
            or ``never``.
        label_distance: a loss ``per_dimension``, or one with an ``l1``, ``l2`` or ``max`` distance.
        nan_labels: ``drop_row`` drops a row that lacks any label from all dimensions, as is done
            under one distance over all; otherwise it is dropped where its label is missing.
        empty_dimension: a dimension without a pair keeps its weight, or weights ``renormalise``
            over the others.
        eps: the least value of each denominator, or what is added to it; none if it is 0 or None.
        temperature: the default tau.
        eps_rule: ``floor`` or ``added``.
    """

    similarity: str = "cosine"
    views: str = "sum"
    self_candidate: str = "when_tied"
    label_distance: str = "per_dimension"
    nan_labels: str = "drop_row_per_dimension"
    empty_dimension: str = "keeps_weight"
    eps: float | None = 1e-7
    temperature: float = 0.1
    eps_rule: str = "floor"

    @property
    def joins_views(self) -> bool:
        return self.views == "concatenate"

    @property
    def joint(self) -> bool:
        """Whether there is one label distance over all dimensions."""
        return self.label_distance != "per_dimension"

    @property
    def normalised(self) -> bool:
        return self.similarity == "cosine" or self.similarity.endswith("_normalised")

    @property
    def power(self) -> int:
        """The power of the distance that the similarity takes; 0 for a product."""
        if self.similarity in ("cosine", "dot"):
            return 0
        return 2 if "squared" in self.similarity else 1


DISTANCES = ("negative_euclidean", "negative_squared_euclidean")
VALUES = {
    "similarity": ("cosine", "dot", *DISTANCES, *(f"{name}_normalised" for name in DISTANCES)),
    "views": ("sum", "mean", "concatenate", "single"),
    "self_candidate": ("when_tied", "never"),
    "label_distance": ("per_dimension", "l1", "l2", "max"),
    "nan_labels": ("drop_row_per_dimension", "drop_row", "unsupported"),
    "empty_dimension": ("keeps_weight", "renormalise"),
    "eps_rule": ("floor", "added"),
}
"""The values that choices may have."""
DEFINITIONS = {
    "torchcell": Choices(),
    "no-self": Choices(self_candidate="never", eps=None),
    "rank-n-contrast": Choices(
        *("negative_euclidean", "concatenate", "never", "l1"), eps=None, temperature=2.0
    ),
}

FEATURE_SIMILARITIES = {
    "l2": "negative_euclidean",
    "cosine": "cosine",
    "dot": "dot",
    "squared_l2": "negative_squared_euclidean",
}


def rank_n_contrast(label_diff: str, feature_sim: str) -> Choices:
    """The paper's loss with this label distance and similarity, as its official code names them.

    Raises:
        ValueError: a name is unknown.
    """
    if label_diff not in ("l1", "l2", "max"):
        raise ValueError(f"label_diff must be l1, l2 or max, got {label_diff!r}")
    if feature_sim not in FEATURE_SIMILARITIES:
        known = ", ".join(FEATURE_SIMILARITIES)
        raise ValueError(f"feature_sim must be one of {known}, got {feature_sim!r}")
    similarity = FEATURE_SIMILARITIES[feature_sim]
    return DEFINITIONS["rank-n-contrast"]._replace(similarity=similarity, label_distance=label_diff)


class Evaluated(NamedTuple):
    """The weighted loss, the [C] losses, and derivatives of the weighted one, if wanted.

    C is D, or 1 under one label distance over all dimensions.
    """

    loss: Tensor  # scalar
    losses: Tensor  # [C]
    gradient: tuple[Tensor, ...] | None  # w.r.t. the embeddings, [V, N, d] or V of [N, d]
    slope: Tensor | None  # scalar, w.r.t. the temperature


class Group(NamedTuple):
    """C losses of M rows each, which are computed together."""

    numbers: list[int]  # the losses
    rows: Tensor  # [C, M] the rows of each
    labels: Tensor  # [C, M, D] one label a row, or all under one distance over several
    anchors: tuple[int, int]  # the first row that is an anchor, and the one after the last


class ScanSupCR(nn.Module):
    """A loss of the family by running sums: stable at low temperature, no N x N tensors.

    Args:
        temperature: tau, which divides the similarities; by default the definition's. A parameter
            or tensor that requires grad gets its gradient.
        weights: one weight per label dimension, normalised to sum to one; equal ones by default.
            None under one label distance over all dimensions.
        eps: of each denominator; by default the definition's. A denominator that it replaces has
            gradient 0.
        definition: ``torchcell``, ``no-self``, ``rank-n-contrast``, or an object with the
            attributes of :class:`Choices`.

    Raises:
        ValueError: a temperature that is not positive and finite, weights that are not [D], whose
            sum is 0 or not finite or that have no meaning, an eps that is negative or infinite, an
            unknown definition, or a choice that this loss does not compute.
    """

    weights: Tensor | None

    def __init__(
        self,
        temperature: float | Tensor | None = None,
        weights: Tensor | None = None,
        eps: float | None = None,
        definition: Any = "torchcell",
    ) -> None:
        super().__init__()
        if isinstance(definition, str):
            if definition not in DEFINITIONS:
                known = ", ".join(DEFINITIONS)
                raise ValueError(f"definition must be one of {known}; got {definition!r}")
            chosen = DEFINITIONS[definition]
        else:
            chosen = Choices(*(getattr(definition, field) for field in Choices._fields))
        tau = chosen.temperature if temperature is None else temperature
        value_of(tau)
        eps = (chosen.eps or 0.0) if eps is None else float(eps)
        if not 0 <= eps < math.inf:
            raise ValueError(f"eps must be 0 or more and finite, got {eps}")
        for field, values in VALUES.items():
            value = getattr(chosen, field)
            if value not in values and (field != "eps_rule" or eps):
                known = ", ".join(values)
                raise ValueError(f"{field} must be one of {known}; got {value!r}")
        if weights is not None and chosen.joint:
            raise ValueError("weights have no meaning under one distance over all label dimensions")
        if weights is not None:
            weights = torch.as_tensor(weights).detach().clone()
            total = float(weights.sum())
            if weights.ndim != 1 or total == 0 or not math.isfinite(total):
                shape = tuple(weights.shape)
                raise ValueError(
                    f"weights must be [D], their sum finite and not 0; got {shape}, sum {total:g}"
                )
        self.temperature = tau if isinstance(tau, Tensor) else float(tau)
        self.choices = chosen._replace(eps=eps)
        self.definition = definition if isinstance(definition, str) else "own"
        self.register_buffer("weights", weights)

    def extra_repr(self) -> str:
        tau, eps = value_of(self.temperature), self.choices.eps
        return f"temperature={tau}, eps={eps}, definition={self.definition!r}"

    def forward(self, *views: Tensor, labels: Tensor | None = None) -> Any:
        """Return the weighted loss and the [D] per-dimension losses of embeddings and labels.

        Args:
            views: two views [N, d] each, or both in one tensor [N, 2, d] or [2N, d], or one view
                [N, d] alone; and then the labels, unless they are given by name.
            labels: [N, D], or [N] for D = 1.

        Returns:
            (loss, losses [D]); under one label distance over all dimensions, the loss alone. Losses
            are float32, or float64 for float64 embeddings. A gradient cannot be differentiated
            again, and transforms of torch.func are not supported.

        Raises:
            TypeError: labels or embeddings are missing, or one of them is no tensor.
            ValueError: shapes that do not fit, a label that is infinite, or complex numbers.
        """
        try:
            if labels is None:
                views, labels = views[:-1], views[-1]
            call = self, self.evaluate, labels, is_grad_enabled()
            apply = apply_directly
            if is_dynamo_compiling() or is_transformed():
                apply = DirectGradient.apply
            found: tuple[Tensor, Tensor] = apply(call, self.temperature, *views)
        except (AttributeError, IndexError, RuntimeError):
            explain((*views, labels) if views or labels is not None else ())
            raise
        return found if self.choices.label_distance == "per_dimension" else found[0]

    def arrange(
        self, embeddings: Sequence[Tensor], labels: Tensor
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """Embeddings and labels, in any of the calls, to one or two views [N, d] and [N, D].

        Raises:
            ValueError: shapes that do not fit together, or not to the definition or the weights.
        """
        views, shape, of_labels = tuple(embeddings), embeddings[0].shape, labels.shape
        if len(of_labels) == 1:
            labels = labels[:, None]
            of_labels = labels.shape
        n, count = of_labels[0] if of_labels else 0, len(views)
        if count == 1 and len(shape) == 3 and shape[1] in (1, 2):
            views = views[0].unbind(1)
        elif count == 1 and len(shape) == 2 and shape[0] == 2 * n > 0:
            views = views[0].view(2, n, shape[1]).unbind()
            shape = views[0].shape
        elif len(shape) != 2 or count > 2 or shape != views[-1].shape:
            shapes = " and ".join(str(tuple(view.shape)) for view in views)
            rule = "both views must be [N, d]"
            if count != 2:
                rule = "embeddings must be [N, 2, d], [N, d] or two of [N, d]"
            raise ValueError(f"{rule}, got {shapes}")
        if len(of_labels) != 2 or n != shape[0]:
            rows = f"[{shape[0]}"
            raise ValueError(
                f"labels must be {rows}, D] or {rows}] for these embeddings, "
                f"got {tuple(labels.shape)}"
            )
        weights = self._buffers["weights"]  # in a third of the time of an attribute
        if self.choices.views == "single" and len(views) > 1:
            raise ValueError("this definition takes one view [N, d], got two")
        if weights is not None and weights.shape[0] != of_labels[1]:
            raise ValueError(f"{len(weights)} weights for {of_labels[1]} label dimensions")
        return views, labels

    @staticmethod
    def evaluate(*arguments: Any, **options: Any) -> Evaluated:
        """Call :func:`evaluate`; faster losses override this."""
        return evaluate(*arguments, **options)

    @staticmethod
    def scale(gradient: Tensor, factor: Tensor) -> Tensor:
        """A gradient times a scalar."""
        return gradient * factor


def explain(given: tuple[Any, ...]) -> None:
    """Raise an error that says why a call cannot work, if its arguments or torch.func are why.

    ``given`` are the views, and then the labels.
    """
    if len(given) < 2 or not all(isinstance(x, Tensor) for x in given):
        rule = "(features, labels) or (first view, second view, labels), all tensors"
        kinds = ", ".join(type(x).__name__ for x in given)
        raise TypeError(f"the arguments must be {rule}; got ({kinds})") from None
    if is_transformed():
        rule = "use loss.backward() or torch.autograd.grad, and a loop in place of vmap"
        raise RuntimeError(f"this loss does not support transforms of torch.func: {rule}") from None


class DirectGradient(torch.autograd.Function):
    """Computes the loss and, in its forward, the derivatives w.r.t. embeddings and temperature."""

    @staticmethod
    def forward(
        ctx: Any,
        call: tuple[ScanSupCR, Callable[..., Evaluated], Tensor, bool],
        temperature: float | Tensor,
        *embeddings: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The weighted loss and the [C] losses; where a graph is wanted, the gradient is kept."""
        ctx.set_materialize_grads(False)
        module, own_evaluate, labels, graph = call
        views, labels = module.arrange(embeddings, labels)
        needed = ctx.needs_input_grad
        wanted = graph and True in needed
        weights = module._buffers["weights"]
        tau, choices = value_of(temperature), module.choices
        loss, losses, gradient, slope = own_evaluate(
            views, labels, weights, tau, choices, wanted=wanted, learned=needed[1]
        )
        if gradient is not None:
            changes = None if labels.is_inference() else labels._version
            ctx.again = module, own_evaluate, changes, temperature, (labels, weights, tau, choices)
            ctx.save_for_backward(slope, *embeddings, *gradient)
        return loss, losses

    @staticmethod
    def backward(ctx: Any, at_loss: Tensor | None, at_losses: Tensor | None) -> tuple[Any, ...]:
        """Scale the stored derivatives; recompute them if several losses have gradients."""
        slope, *saved = ctx.saved_tensors
        module, own_evaluate, changes, temperature, arguments = ctx.again
        needed, labels = ctx.needs_input_grad, arguments[0]
        count = len(needed) - 2
        embeddings, found = saved[:count], saved[count:]
        if at_losses is not None and len(at_losses) == 1:
            at_loss = at_losses[0] if at_loss is None else at_loss + at_losses[0]
        elif at_losses is not None:
            if changes is not None and labels._version != changes:
                raise RuntimeError(
                    "labels changed in place since the forward, and this backward needs them"
                )
            at_loss = at_losses.new_zeros(()) if at_loss is None else at_loss
            arriving = torch.cat((at_loss[None], at_losses)).detach()
            with torch.no_grad():
                views, _ = module.arrange(embeddings, labels)
                _, _, found, slope = own_evaluate(
                    views, *arguments, wanted=True, grad_output=arriving
                )
            at_loss = torch.ones_like(at_loss)
        if at_loss is None:
            return (None,) * (2 + count)
        first = embeddings[0]
        if not is_given_away(at_loss):
            found = [module.scale(x, at_loss) for x in found]
        if found[0].dtype != first.dtype:
            found = [x.to(first.dtype) for x in found]
        if count == 1:
            rows = in_one(found)
            found = [(rows if first.ndim == 2 else rows.transpose(0, 1)).reshape(first.shape)]
        elif len(found) == 1:
            found = found[0].unbind()
        by_tau = (slope * at_loss.to(slope)).view_as(temperature) if needed[1] else None
        if is_grad_enabled():
            of_tau = [temperature] if needed[1] else []
            sources = (*embeddings, at_loss, *of_tau)
            found = tuple(OnceDifferentiable.apply(x, *sources) for x in found)  # type: ignore[no-untyped-call]
            if by_tau is not None:
                by_tau = OnceDifferentiable.apply(by_tau, *sources)  # type: ignore[no-untyped-call]
        return None, by_tau, *found


# What torch sets there looks for a backward or a vjp at each call before it calls this one.
DirectGradient._backward_cls.apply = DirectGradient.backward  # type: ignore[attr-defined]
apply_directly: Any = super(torch.autograd.Function, DirectGradient).apply
"""What ``DirectGradient.apply`` calls outside of compilation and torch.func, but that it unwraps
tensors of a torch.func transform that ended."""


class OnceDifferentiable(torch.autograd.Function):
    """A gradient that depends on tensors; backward through it raises an error."""

    @staticmethod
    def forward(_ctx: Any, gradient: Tensor, *_sources: Tensor) -> Tensor:
        return gradient.clone()

    @staticmethod
    def backward(_ctx: Any, *_grad_outputs: Tensor) -> Any:
        """Raise a RuntimeError: there is no second derivative."""
        raise RuntimeError("this loss can be differentiated only once: it has no second derivative")


def in_one(gradient: Sequence[Tensor]) -> Tensor:
    """The gradient of an :class:`Evaluated` as one tensor [V, N, d]."""
    return gradient[0] if gradient[0].ndim == 3 else torch.stack(tuple(gradient))


def value_of(temperature: float | Tensor) -> float:
    """The temperature as a number; raises a ValueError if it is not positive and finite."""
    tau = temperature
    if type(tau) is not float:
        tau = float(tau.detach() if isinstance(tau, Tensor) else tau)
    if not 0 < tau < math.inf:
        raise ValueError(f"temperature must be positive and finite, got {tau}")
    return tau


def is_given_away(factor: Tensor) -> bool:
    """Whether a gradient times this factor is the gradient itself, needed by no later backward."""
    if keeps_graph() or not factor.is_cpu:
        return False
    try:
        return bool(factor.item() == 1)
    except RuntimeError:  # a batch of factors, under vmap, has no value
        return False


def working_dtype(embeddings: Tensor) -> torch.dtype:
    """The dtype of sums; raises a ValueError if the embeddings are complex."""
    dtype = embeddings.dtype
    if dtype != torch.float32 and dtype.is_complex:
        raise ValueError("embeddings must be real numbers, got complex ones")
    return dtype if dtype == torch.float64 else torch.float32


def sum_dtype(device: torch.device) -> torch.dtype:
    """The dtype in which totals are summed."""
    return torch.float32 if device.type == "mps" else torch.float64


def evaluate(
    views: Sequence[Tensor],
    labels: Tensor,
    weights: Tensor | None,
    tau: float,
    choices: Choices,
    *,
    wanted: bool,
    learned: bool = True,
    grad_output: Tensor | None = None,
    anchors: tuple[int, int] | None = None,
) -> Evaluated:
    """The losses of V views [N, d] and labels [N, D], and derivatives of their weighted sum.

    Args:
        views: the embeddings.
        labels: their labels, NaN where missing.
        weights: [D], or None for equal ones.
        tau: the temperature.
        choices: which loss.
        wanted: whether to compute derivatives.
        learned: whether to include the derivative w.r.t. the temperature.
        grad_output: [1 + C] gradient at the weighted sum and at each loss; by default 1 at the sum.
        anchors: the rows (first, one after the last) whose terms are summed; all by default.
    """
    device, kind, dtype = labels.device, labels.device.type, working_dtype(views[0])
    lowered = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    with torch.autocast(kind, enabled=False) if lowered else nullcontext():
        labels, present, counts = read_labels(labels, choices)
        shares, factors = share_out(weights, counts, choices, len(views))
        arriving = shares
        if grad_output is not None:
            at_sum, *at_each = grad_output.tolist()
            arriving = [at + at_sum * share for at, share in zip(at_each, shares, strict=True)]
        views = [view if view.dtype == dtype else view.to(dtype) for view in views]
        v, (n, d) = len(views), views[0].shape
        # Few rows are normalised once for several losses, many for each: that takes less memory.
        once = len(counts) > 1 and 0 < n * len(counts) <= anchors_at_once(device, n)
        early, late = choices.normalised and once, choices.normalised and not once
        if early:
            units = torch.stack(views)
            lengths = normalise(units, all_taken=n in counts and n > 1)
        gradient = slope = None
        if wanted and learned:  # w.r.t. the temperature
            slope = torch.zeros((), dtype=sum_dtype(device), device=device)
        sums: list[tuple[list[int], tuple[Tensor, ...]]] = []
        for group in groups_of(labels, present, counts, factors, choices, anchors):
            (c, m), rows = group.rows.shape, group.rows.flatten()
            if early:
                points = units.index_select(1, rows).view(v, c, m, d)
            else:
                points = torch.stack([x.index_select(0, rows) for x in views]).view(v, c, m, d)
            if late:
                units, lengths = points, normalise(points)
            if choices.power:  # distances do not depend on where the rows' centre is
                centre = points.nan_to_num(0, 0, 0).mean(dim=2, keepdim=True)
                centre = centre.mean(dim=0, keepdim=True) if choices.joins_views else centre
                points = points - centre
            found, grad = terms_of(choices, tau, points).sum_of_group(points, group, wanted)
            sums += [(group.numbers, of_block) for of_block in found]
            if grad is None:
                continue
            scales = [factors[number] * arriving[number] / tau for number in group.numbers]
            if slope is not None:
                along_points = (grad * points).sum(dim=(0, 2, 3), dtype=slope.dtype)
                along_points /= -tau * (choices.power or 2)
                slope += along_points.dot(along_points.new_tensor(scales))
            if late:
                normalise_backward(grad, units, *lengths)
            del points
            gradient = views[0].new_zeros(v, n, d) if gradient is None else gradient
            if grad.is_cpu and len(set(scales)) == 1:
                gradient.index_add_(1, rows, grad.view(v, -1, d), alpha=scales[0])
                continue
            for i, scale in enumerate(scales):  # in this order, which a GPU would not keep
                gradient.index_add_(1, group.rows[i], grad[:, i], alpha=scale)
        grad = None  # needed no more
        if wanted and gradient is None:
            gradient = views[0].new_zeros(v, n, d)
        if gradient is not None and early:
            normalise_backward(gradient, units, *lengths)
        losses = [0.0] * len(counts)
        for numbers, parts in sums:
            of_each = zip(numbers, *(part.tolist() for part in parts), strict=True)
            for number, contrasts, numerators, own in of_each:
                losses[number] += factors[number] * (contrasts - numerators + own)
        loss = sum(share * x for share, x in zip(shares, losses, strict=True))
        whole = torch.scalar_tensor(loss, dtype=dtype, device=device)
        each = torch.tensor(losses, dtype=dtype, device=device)
        return Evaluated(whole, each, None if gradient is None else (gradient,), slope)


def normalise(rows: Tensor, *, all_taken: bool = True) -> tuple[Tensor, Tensor]:
    """Divide rows [.., d] by their lengths, in place.

    Returns:
        the norms [.., 1], and the lengths; both are one tensor unless a row is too short or not
        finite. An infinite row is only looked for unless ``all_taken``: it then may be in no loss.
    """
    norms = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    usual = rows.numel() == 0 or float(norms.amin()) >= SMALLEST_NORM  # not if it is NaN
    if rows.numel() and not all_taken:
        usual &= float(norms.amax()) < math.inf
    lengths = norms if usual else norms.clamp(min=SMALLEST_NORM)
    rows.div_(lengths)
    return norms, lengths


def normalise_backward(gradient: Tensor, units: Tensor, norms: Tensor, lengths: Tensor) -> None:
    """From the gradient w.r.t. normalised rows, that w.r.t. the rows, in place.

    A direction depends on no length above the floor, and a row that no loss takes has gradient 0.
    """
    if lengths is not norms:
        unused = gradient.eq(0).all(dim=-1, keepdim=True)
        units = units.masked_fill(unused | (norms < SMALLEST_NORM), 0)
        lengths = lengths.masked_fill(unused, 1)
    along = (gradient * units).sum(dim=-1, keepdim=True)
    gradient.addcmul_(along, units, value=-1).div_(lengths)


def read_labels(labels: Tensor, choices: Choices) -> tuple[Tensor, Tensor, list[int]]:
    """Labels in a dtype of exact distances, and which and how many rows have labels.

    Returns:
        labels, [N, C] whether a loss has a row, rows of each loss. Where rows that lack any label
        are dropped from all dimensions, the labels of such rows are NaN.

    Raises:
        ValueError: labels are complex, or one is infinite.
    """
    if labels.is_complex():
        raise ValueError("labels must be real numbers, got complex ones")
    if not labels.is_floating_point():
        labels = labels.long()
        if sum_dtype(labels.device) == torch.float64 and bool((labels.abs() < 2**52).all()):
            labels = labels.double()  # exact below 2^52, and faster to sort
    # NaN differs from itself. A sum that skips it is finite unless a label is infinite, or nearly.
    present = labels.eq(labels)
    if not math.isfinite(labels.nansum()) and (infinite := int(labels.isinf().sum())):
        raise ValueError(f"{infinite} labels are infinite: their distances have no order")
    if choices.joint:
        present = present.all(dim=1, keepdim=True)
    elif choices.nan_labels == "drop_row" and labels.is_floating_point():
        present = present.all(dim=1, keepdim=True).expand_as(labels)
        labels = labels.masked_fill(present.logical_not(), math.nan)
    return labels, present, present.sum(dim=0).tolist()


def share_out(
    weights: Tensor | None, counts: list[int], choices: Choices, views: int
) -> tuple[list[float], list[float]]:
    """The C shares of the losses in the total, and the factor of each loss's sum over pairs."""
    rows = [n * (views if choices.joins_views else 1) for n in counts]
    each = views if choices.views == "mean" else 1
    factors = [1 / (m * (m - 1) * each) if m > 1 else 0.0 for m in rows]
    shares = [1.0] * len(counts) if weights is None else weights.double().tolist()
    if choices.empty_dimension == "renormalise":
        shares = [w if factor else 0.0 for w, factor in zip(shares, factors, strict=True)]
    total = sum(shares) or 1.0
    return [w / total for w in shares], factors


def places_in(rows: Tensor, anchors: tuple[int, int]) -> tuple[int, int]:
    """The start and stop of a range of values within ascending ``rows``."""
    first, stop = torch.searchsorted(rows, torch.tensor(anchors).to(rows)).tolist()
    return first, stop


def groups_of(
    labels: Tensor,
    present: Tensor,
    counts: list[int],
    factors: list[float],
    choices: Choices,
    anchors: tuple[int, int] | None,
) -> Iterator[Group]:
    """Group the losses that have a pair, and so a factor, of [N, D] labels.

    If all rows are anchors, losses with equally many rows form a group, and rows are in label
    order: distances then fall and rise again along a row, which sorts fast.
    """
    if anchors is None and (not choices.joint or labels.shape[1] == 1):
        ordered, order = labels.mT.contiguous().sort(dim=1)  # what is missing comes last
        ordered = ordered.unsqueeze(2)
        sizes: dict[int, list[int]] = {}
        for c, (m, factor) in enumerate(zip(counts, factors, strict=True)):
            if factor:
                sizes.setdefault(m, []).append(c)
        for m, numbers in sizes.items():
            # Losses of one size share a block, as long as it does not grow.
            most = 1 if choices.joins_views else anchors_at_once(labels.device, m)
            together = max(most // m, 1)
            for at in range(0, len(numbers), together):
                some = numbers[at : at + together]
                adjacent = some[-1] - some[0] < len(some)
                at_once = slice(some[0], some[-1] + 1) if adjacent else some
                yield Group(some, order[at_once, :m], ordered[at_once, :m], (0, m))
        return
    for c, (m, factor) in enumerate(zip(counts, factors, strict=True)):
        if factor:
            rows = present[:, c].nonzero()[:, 0]
            own = labels[rows] if choices.joint else labels[rows, c : c + 1]
            among = (0, m) if anchors is None else places_in(rows, anchors)
            yield Group([c], rows[None], own[None], among)


def anchors_at_once(device: torch.device, m: int) -> int:
    """The number of rows of M elements in a block."""
    fewest, most = ANCHORS
    return min(max(2**16 // m, fewest), most) if device.type == "cpu" else max(ELEMENTS // m, most)


class Terms(NamedTuple):
    """The terms of C losses."""

    choices: Choices
    tau: float
    in_logarithms: bool  # whether sums are kept as logarithms
    dtype: torch.dtype  # of the sums
    log_eps: float | None  # None where each contrast is larger

    def sum_of_group(
        self, points: Tensor, group: Group, wanted: bool
    ) -> tuple[list[tuple[Tensor, ...]], Tensor | None]:
        """The sums over pairs by block, and tau times their derivative w.r.t. the points.

        Points and derivative are [V, C, M, d], the rows as the similarity takes them.
        """
        sums, grad = [], None
        (v, c, m, d), power = points.shape, self.choices.power
        # Views that are joined make one matrix of rows, others one each.
        matrices, joined = (1, (v,)) if self.choices.joins_views else (v * c, ())
        others = points.view(matrices, -1, d)
        first, last = group.anchors
        blocks = max(math.ceil((last - first) / anchors_at_once(points.device, m)), 1)
        size = math.ceil((last - first) / blocks)  # as even as can be: a small block takes longer
        for start in range(first, last, max(size, 1)):
            stop = min(start + size, last)
            alone = stop - start == m
            block = others if alone else points[:, :, start:stop].reshape(matrices, -1, d)
            if power:
                distance = squared_distances(block, others)
                distance = distance.sqrt_() if power == 1 else distance
                logits = distance * (-1 / self.tau)
            else:
                logits = torch.baddbmm(
                    block.new_empty(1), block, others.mT, beta=0, alpha=1 / self.tau
                )
            logits = logits.view(v, c, stop - start, *joined, m)
            order, ending = order_by_distance(group, self.choices, start, stop, logits)
            found, weights = self.scan_block(logits, order, ending, start, wanted)
            sums.append(found)
            if weights is None:
                continue
            weights = weights.view(matrices, block.shape[1], -1)
            if power == 1:  # the derivative of a distance of 0 is 0, as that of torch's norm
                weights = (weights / distance).masked_fill_(distance == 0, 0)
            elif power == 2:
                weights = 2 * weights
            grad = (
                torch.bmm(weights.mT, block) if grad is None else grad.baddbmm_(weights.mT, block)
            )
            if alone and not power:
                grad.baddbmm_(weights, others)
                continue
            to_block = torch.bmm(weights, others)
            if power:
                grad -= weights.sum(dim=1).unsqueeze(2) * others
                to_block -= weights.sum(dim=2, keepdim=True) * block
            grad.view(v, c, m, d)[:, :, start:stop].add_(to_block.view(v, c, -1, d))
        return sums, grad if grad is None else grad.view(v, c, m, d)

    def scan_block(
        self, logits: Tensor, order: Tensor, ending: Tensor, start: int, with_gradient: bool
    ) -> tuple[tuple[Tensor, ...], Tensor | None]:
        """Sum of -log(exp s(i,j) / Z(i,j)) over j != i, and its derivative w.r.t. s.

        Args:
            logits: [V, C, B, M] s of the block's anchors in V views with all rows, or [V, C, B, V,
                M] with all rows in V views; overwritten.
            order: [C, B, M] from :func:`order_by_distance`.
            ending: [C, B, M] or [M], likewise.
            start: first anchor of the block.
            with_gradient: whether the derivative is wanted.

        Returns:
            [C] sums of log Z(i,j), of s(i,k) over all k, and of s(i,i); the derivative, like the
            logits.
        """
        choices, _, in_logarithms, dtype, log_eps = self
        own = own_entries(logits, start)
        others = tuple(range(2, logits.ndim))
        numerators, own_sum = logits.sum(dim=(0, *others)), own.sum(dim=(0, 2))
        terms = logits if in_logarithms else logits.to(dtype).exp_()
        own = own if terms is logits else own_entries(terms, start)
        if choices.self_candidate == "never":
            own.fill_(-math.inf if in_logarithms else 0)

        # Z at every place, farthest first; both views of a sample are at one place.
        folded = terms
        if terms.ndim == 5:
            folded = terms.logsumexp(dim=3) if in_logarithms else terms.sum(dim=3)
        index = order.expand(folded.shape)
        contrast = running_sum(folded.gather(3, order.flip(2).expand(folded.shape)), in_logarithms)
        below = None
        if log_eps is not None:
            eps = log_eps if in_logarithms else math.exp(log_eps)
            if choices.eps_rule == "added" and in_logarithms:
                contrast = torch.logaddexp(contrast, contrast.new_tensor(eps))
            elif choices.eps_rule == "added":
                contrast += eps
            elif float(contrast[..., 0].amin()) <= eps:  # the first sum is the least
                below = contrast < eps
                contrast.clamp_(min=eps)
        if ending.ndim > 1 and choices.self_candidate == "never":
            # A sum can be 0 inside a tie, where nothing depends on it.
            limits = torch.finfo(dtype)
            contrast.clamp_(min=limits.min if in_logarithms else limits.tiny)
        inverse = None
        if with_gradient:
            inverse = ending.log() - contrast if in_logarithms else ending / contrast
        if not in_logarithms:
            contrast.log_()
        sums = contrast.mul_(ending).sum(dim=(0, 2, 3)), numerators, own_sum
        if inverse is None:
            return sums, None

        # At every place, the sum of 1/Z over the partners that are no farther from the anchor.
        # A tie is counted in full at its end, so all members of the tie share one sum.
        if below is not None:
            inverse.masked_fill_(below, -math.inf if in_logarithms else 0)
        del contrast
        within = running_sum(inverse.flip(3), in_logarithms)
        reach = inverse.scatter_(3, index, within)
        reach = reach.unsqueeze(3) if terms.ndim == 5 else reach
        weights = terms.add_(reach).exp_() if in_logarithms else terms.mul_(reach)
        weights.sub_(1)  # each partner's own term
        own.add_(1)
        return sums, weights.to(logits.dtype)


def squared_distances(block: Tensor, others: Tensor) -> Tensor:
    """[G, B, d] and [G, M, d] to [G, B, M]; small ones, and so those of equal rows, are exact."""
    norms = block.square().sum(dim=2, keepdim=True) + others.square().sum(dim=2).unsqueeze(1)
    squared = torch.baddbmm(norms, block, others.mT, alpha=-2)
    near = (squared < norms.mul_(NEAR)).nonzero()
    if len(near) > squared.numel() // 8:
        return torch.cdist(block, others, compute_mode="donot_use_mm_for_euclid_dist").square_()
    g, i, k = near.unbind(dim=1)
    squared[g, i, k] = (block[g, i] - others[g, k]).square().sum(dim=1)
    return squared


def order_by_distance(
    group: Group, choices: Choices, start: int, stop: int, logits: Tensor
) -> tuple[Tensor, Tensor]:
    """The rows by their label distance from each anchor of a block.

    Returns:
        [C, B, M] the row at each place, nearest first; and at each place, farthest first, the
        number of partners in the tie that ends there, or 0, which is [M] if there are no ties. With
        K views each row counts as K partners, and the anchor's own row as one less.
    """
    labels, each, m = group.labels, logits.shape[3] if logits.ndim == 5 else 1, logits.shape[-1]
    if labels.shape[2] == 1:
        distance = (labels[:, start:stop] - labels.mT).abs_()
    else:
        apart = (labels[:, start:stop, None] - labels[:, None]).abs_()
        if choices.label_distance == "max":
            distance = apart.amax(dim=3)
        else:
            distance = apart.norm(dim=3) if choices.label_distance == "l2" else apart.sum(dim=3)
    if distance.is_floating_point():  # the bits of what is not negative rise with it
        distance = distance.view(WHOLE_NUMBERS[distance.element_size()])
    distance, order = distance.sort(dim=2, stable=True)  # faster than unstable, or than falling
    apart = distance[..., 1:] - distance[..., :-1]
    least = apart.amin(dim=2).flatten().tolist() if m > 1 else []
    if least.count(0) <= FEW:
        counts: dict[int, int] = {}  # by place of the whole block, where ties change them
        tied = [row for row, gap in enumerate(least) if gap == 0] if 0 in least else []
        for row in tied:
            gaps = apart.view(-1, m - 1)[row].tolist()[::-1]
            for place in [place for place, gap in enumerate(gaps, row * m) if gap == 0]:
                more = each - ((place + 2) % m == 0)  # the anchor is not a partner
                counts[place + 1] = counts.get(place, each) + more
                counts[place] = 0
        if len(counts) <= 4 * FEW:
            ending = logits.new_full(order.shape if counts else (m,), each)
            ending[..., -1].sub_(1)
            for place, count in counts.items():
                ending.view(-1)[place] = count
            return order, ending
    # At the end of a tie the number of partners so far, 0 elsewhere: whole numbers are fastest.
    places = torch.arange(each, each * m, each, dtype=torch.int32, device=apart.device)
    ending = distance.to(torch.promote_types(distance.dtype, places.dtype))  # mostly in its memory
    torch.mul(apart.clamp_(max=1).flip(2), places, out=ending[..., :-1])
    ending[..., -1] = each * m - 1
    before = ending.cummax(dim=2).values
    ending[..., 1:].sub_(before[..., :-1])
    return order, ending.clamp_(min=0).to(logits.dtype)


def own_entries(x: Tensor, start: int) -> Tensor:
    """[V, C, B] of the terms of a block: each anchor's entry for itself, to read and to change."""
    x = x if x.ndim == 4 else x.diagonal(dim1=0, dim2=3).permute(3, 0, 1, 2)
    return x.diagonal(start, 2, 3)


def terms_of(choices: Choices, tau: float, points: Tensor) -> Terms:
    """The facts that all blocks of these points share."""
    width = 2.0  # no two similarities differ by more
    if choices.similarity != "cosine":
        longest = float(points.square().sum(dim=-1).max())
        width = (2 * longest, 2 * math.sqrt(longest), 4 * longest)[choices.power]
    dtypes = [points.dtype] if points.device.type == "mps" else [points.dtype, torch.float64]
    fitting = [dtype for dtype in dtypes if width / tau <= RANGE[dtype]]
    log_eps = math.log(choices.eps) if choices.eps else -math.inf
    rest = 40 if choices.eps_rule == "added" else 0  # of what is less, rounding leaves nothing
    least = -(1.01 if choices.power else 0.51) * width / tau  # each contrast is a term or more
    dtype = fitting[0] if fitting else points.dtype
    return Terms(choices, tau, not fitting, dtype, log_eps if log_eps > least - rest else None)


def running_sum(x: Tensor, in_logarithms: bool) -> Tensor:
    """Cumulative sum, in place, or log-sum-exp, along the last dimension."""
    return x.logcumsumexp(dim=-1) if in_logarithms else x.cumsum_(dim=-1)
