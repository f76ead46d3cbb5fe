"""Seeded bugs that ordinary batches do not show: robustness, kept state, and side effects."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import Arranged, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import seeded_bug, wrong


@wrong(RightSupCR, "log_contrast", caught_by="robustness")
def exponentials_overflow(self: RightSupCR, s: Tensor, chosen: Tensor) -> Tensor:
    """Exponentials are taken before the largest is subtracted. exp(1/tau) exceeds float32 below
    a temperature of 1/88.7, and the loss is infinite."""
    return (s.exp().unsqueeze(1) * chosen).sum(dim=2).log()


@wrong(RightSupCR, "arrange", caught_by="robustness")
def nan_embeddings_hidden(self: Any, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """Replaces NaN and infinity in an embedding by finite numbers. A network that has diverged goes
    on being trained on a number that looks fine."""
    return (first.nan_to_num(), second.nan_to_num()), labels


@wrong(RightSupCR, "read_labels", caught_by="robustness")
def infinite_labels_accepted(self: RightSupCR, labels: Tensor) -> Tensor:
    """Accepts infinite labels, whose distance to each other is NaN and compares as false.
    log(0) in the label pipeline is -inf, and comes out as a plausible loss."""
    return labels.unsqueeze(1) if labels.ndim == 1 else labels


@wrong(RightSupCR, "no_pairs", caught_by="robustness")
def no_graph_without_pairs(self: RightSupCR, views: Sequence[Tensor]) -> Tensor:
    """Returns a new zero without a graph for a dimension without a pair. The first batch
    without a label makes backward raise, in the middle of an epoch."""
    return views[0].new_zeros(())


@seeded_bug(caught_by="robustness")
class HalfUnsupported(RightSupCR):
    """Computes the cosine from the distance of unit rows, in the inputs' own dtype. An operation
    without a half-precision kernel keeps the loss out of mixed precision."""

    def working_dtype(self, views: Sequence[Tensor]) -> torch.dtype:
        return torch.promote_types(views[0].dtype, views[-1].dtype)

    def similarity(self, rows: Tensor) -> Tensor:
        unit = self.unit(rows)
        distance = torch.cdist(unit, unit, compute_mode="donot_use_mm_for_euclid_dist")
        return 1 - distance.square() / 2


@seeded_bug(caught_by="robustness")
class AutocastMixesDtypes(RightSupCR):
    """Writes the product into a buffer of the inputs' dtype. Under autocast the product is in
    bfloat16, and an indexed write insists on one dtype."""

    def precision(self, view: Tensor) -> AbstractContextManager[object]:
        return nullcontext()

    def similarity(self, rows: Tensor) -> Tensor:
        unit = self.unit(rows)
        every = torch.arange(len(rows), device=rows.device)
        return rows.new_zeros(len(rows), len(rows)).index_put((every,), unit @ unit.T)


@seeded_bug(caught_by="conduct")
class CandidatesOfTheFirstCall(RightSupCR):
    """Keeps rows and label distances for the next batch of the same shape. A mask cached by shape
    ranks every later batch by the labels of the first."""

    _shape: torch.Size | None = None
    _groups: tuple[tuple[Tensor, Tensor], ...] = ()

    def groups(self, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        if self._shape != labels.shape:
            self._shape = labels.shape
            self._groups = tuple(super().groups(labels))
        yield from self._groups


@seeded_bug(caught_by="conduct")
class LabelsOfTheFirstCall(RightSupCR):
    """The first batch's labels are used for every later one, for as many rows as there are. A
    buffer allocated once and never written again: right on the one batch that a test asks for."""

    _labels: list[Tensor] | None = None

    def read_labels(self, labels: Tensor) -> Tensor:
        labels = super().read_labels(labels)
        if self._labels is None or self._labels[0].shape[1] != labels.shape[1]:
            self._labels = [labels.clone()]
        kept = self._labels[0][: len(labels)]
        return torch.cat((kept, labels[len(kept) :]))


@seeded_bug(caught_by="conduct")
class OutputByAddress(RightSupCR):
    """An answer is remembered by the addresses of its inputs. Training loops reuse their
    buffers, so that a cache by data_ptr() returns an old batch's loss."""

    _answers: Mapping[tuple[object, ...], tuple[Tensor, Tensor]] = {}

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        key = tuple((x.data_ptr(), x.shape) for x in (perturbed, intact, labels))
        if key not in self._answers:
            self._answers = {key: super().forward(perturbed, intact, labels)}
        return self._answers[key]


@seeded_bug(caught_by="conduct")
class OutputsKept(RightSupCR):
    """Every answer is kept, with its graph. A history for logging, without detach(), holds
    every graph until memory runs out hours into the training."""

    history: Sequence[tuple[Tensor, Tensor]] = ()

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        self.history = [*self.history, super().forward(perturbed, intact, labels)]
        return self.history[-1]


@seeded_bug(caught_by="conduct")
class TemperatureDrifts(RightSupCR):
    """Each call lowers the temperature for the next. A schedule advances in validation too."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        answer = super().forward(perturbed, intact, labels)
        self.temperature *= 0.99
        return answer


@seeded_bug(caught_by="conduct")
class LossSmoothedOverCalls(RightSupCR):
    """Returns, from the second call on, the mean of this loss and the last. An average meant for
    the log halves the gradient of every call but the first."""

    _last: list[Tensor] | None = None

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss, parts = super().forward(perturbed, intact, labels)
        last, self._last = self._last, [loss.detach()]
        return (loss if last is None else (loss + last[0]) / 2), parts


@wrong(RightSupCR, "read_labels", caught_by="conduct")
def labels_filled_in_place(self: RightSupCR, labels: Tensor) -> Tensor:
    """Missing labels are 0 after the call. nan_to_num_ writes into the data loader's tensor:
    from the second epoch on, missing labels are zeros."""
    kept = RightSupCR.read_labels(self, labels).clone()
    labels.nan_to_num_(0.0)
    return kept


@wrong(RightSupCR, "arrange", caught_by="conduct")
def embeddings_normalised_in_place(
    self: Any, first: Tensor, second: Tensor, labels: Tensor
) -> Arranged:
    """Embeddings have length 1 after the call. Written under no_grad, so that autograd does not
    complain: the caller's embeddings change, and the gradient belongs to other ones."""
    with torch.no_grad():
        for view in (first, second):
            view.div_(view.norm(dim=1, keepdim=True).clamp(min=1e-12))
    return (first, second), labels


@wrong(RightSupCR, "read_labels", caught_by="conduct")
def ties_broken_at_random(self: RightSupCR, labels: Tensor) -> Tensor:
    """Jitters labels by up to 1e-3. The loss is random, and near labels change places."""
    labels = RightSupCR.read_labels(self, labels)
    return labels + 1e-3 * torch.rand_like(labels)


@wrong(RightSupCR, "arrange", caught_by="conduct")
def rows_shuffled(self: RightSupCR, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """Shuffles the rows first, which draws from the global random generator. Harmless
    to the value, but every dropout mask and every augmentation after it is another one."""
    order = torch.randperm(len(labels)).to(labels.device)
    return (first[order], second[order]), labels[order]


@wrong(RightSupCR, "read_labels", caught_by="conduct")
def generator_seeded(self: RightSupCR, labels: Tensor) -> Tensor:
    """Seeds the global generator in every call, and draws nothing. Meant to be reproducible, it
    makes every step of the training draw the same dropout mask."""
    torch.manual_seed(0)
    return RightSupCR.read_labels(self, labels)


@seeded_bug(caught_by="conduct")
class NoisyLoss(RightSupCR):
    """The loss is off by up to a thousandth, by numbers of its own generator. Two calls with
    one batch differ, and no difference between two runs can be traced."""

    _generator: torch.Generator | None = None

    def combine(self, parts: Tensor, labels: Tensor) -> Tensor:
        self._generator = self._generator or torch.Generator().manual_seed(0)
        noise = torch.rand((), generator=self._generator).item()
        return super().combine(parts, labels) * (1 + 1e-3 * noise)


@wrong(RightSupCR, "arrange", caught_by="conduct")
def contiguity_assumed(self: RightSupCR, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """Rows are read one after the other from memory, whatever the strides are. A kernel that
    reads rows by pointer is silently wrong on a slice or a transpose."""
    size, strides = first.shape, (first.shape[1], 1)
    return (first.as_strided(size, strides), second.as_strided(size, strides)), labels


@wrong(RightSupCR, "arrange", caught_by="conduct")
def contiguity_required(self: Any, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """Calls view() on the inputs, which raises for tensors that are not contiguous. view in place
    of reshape stops a training at the first sliced batch."""
    flat = [view.view(-1) for view in (first, second)]
    return [x.view(first.shape) for x in flat], labels


@seeded_bug(caught_by="conduct")
class GradientInForward(RightSupCR):
    """A gradient is taken within the call, for the log. It works for a month of training and
    raises in the first validation loop, under no_grad."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        leaf = perturbed.detach().requires_grad_()
        loss, _ = super().forward(leaf, intact.detach(), labels)
        (gradient,) = torch.autograd.grad(loss, leaf)
        self.gradient_norm = float(gradient.norm())
        return super().forward(perturbed, intact, labels)


@seeded_bug(caught_by="conduct")
class WeightsStayBehind(RightSupCR):
    """The weights are a plain attribute, which does not move with the module. A tensor that is
    no buffer stays on the CPU, and the first step on a GPU raises."""

    def __init__(
        self, temperature: float = 0.1, weights: Tensor | None = None, eps: float = 1e-7
    ) -> None:
        super().__init__(temperature, None, eps)
        self.plain_weights = weights

    def dimension_weights(self, parts: Tensor) -> Tensor:
        if self.plain_weights is None:
            return super().dimension_weights(parts)
        return self.plain_weights.to(parts.dtype)
