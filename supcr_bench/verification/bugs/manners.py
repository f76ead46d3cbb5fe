"""Seeded bugs that ordinary batches do not show: bad inputs, state that is kept, side effects."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import Arranged, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import seeded_bug, wrong


@wrong(RightSupCR, "log_contrast", caught_by="robustness")
def exponentials_overflow(self: RightSupCR, s: Tensor, chosen: Tensor) -> Tensor:
    """Adds up exponentials as they are, which overflow at low temperatures."""
    return (s.exp().unsqueeze(1) * chosen).sum(dim=2).log()


@wrong(RightSupCR, "arrange", caught_by="robustness")
def nan_embeddings_hidden(self: Any, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """Replaces NaN and infinity in embeddings by finite numbers."""
    return (first.nan_to_num(), second.nan_to_num()), labels


@wrong(RightSupCR, "read_labels", caught_by="robustness")
def infinite_labels_accepted(self: RightSupCR, labels: Tensor) -> Tensor:
    """Accepts infinite labels, although the distance of two of them is NaN."""
    return labels.unsqueeze(1) if labels.ndim == 1 else labels


@wrong(RightSupCR, "no_pairs", caught_by="robustness")
def no_graph_without_pairs(self: RightSupCR, views: Sequence[Tensor]) -> Tensor:
    """Returns 0 without a graph if there are no pairs, so backward() raises."""
    return views[0].new_zeros(())


@seeded_bug(caught_by="robustness")
class HalfUnsupported(RightSupCR):
    """Uses an operation that does not support float16."""

    def working_dtype(self, views: Sequence[Tensor]) -> torch.dtype:
        return torch.promote_types(views[0].dtype, views[-1].dtype)

    def similarity(self, rows: Tensor) -> Tensor:
        unit = self.unit(rows)
        distance = torch.cdist(unit, unit, compute_mode="donot_use_mm_for_euclid_dist")
        return 1 - distance.square() / 2


@seeded_bug(caught_by="robustness")
class AutocastMixesDtypes(RightSupCR):
    """Writes a bfloat16 product into a float32 buffer under autocast, which raises."""

    def precision(self, view: Tensor) -> AbstractContextManager[object]:
        return nullcontext()

    def similarity(self, rows: Tensor) -> Tensor:
        unit = self.unit(rows)
        every = torch.arange(len(rows), device=rows.device)
        return rows.new_zeros(len(rows), len(rows)).index_put((every,), unit @ unit.T)


@seeded_bug(caught_by="conduct")
class CandidatesOfTheFirstCall(RightSupCR):
    """Keeps the label distances of one batch for all batches of the same shape."""

    _shape: torch.Size | None = None
    _groups: tuple[tuple[Tensor, Tensor], ...] = ()

    def groups(self, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        if self._shape != labels.shape:
            self._shape = labels.shape
            self._groups = tuple(super().groups(labels))
        yield from self._groups


@seeded_bug(caught_by="conduct")
class LabelsOfTheFirstCall(RightSupCR):
    """Uses the labels of the first batch for all later ones."""

    _labels: list[Tensor] | None = None

    def read_labels(self, labels: Tensor) -> Tensor:
        labels = super().read_labels(labels)
        if self._labels is None or self._labels[0].shape[1] != labels.shape[1]:
            self._labels = [labels.clone()]
        kept = self._labels[0][: len(labels)]
        return torch.cat((kept, labels[len(kept) :]))


@seeded_bug(caught_by="conduct")
class OutputByAddress(RightSupCR):
    """Returns an old output if the inputs lie at the same addresses as then."""

    _answers: Mapping[tuple[object, ...], tuple[Tensor, Tensor]] = {}

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        key = tuple((x.data_ptr(), x.shape) for x in (perturbed, intact, labels))
        if key not in self._answers:
            self._answers = {key: super().forward(perturbed, intact, labels)}
        return self._answers[key]


@seeded_bug(caught_by="conduct")
class OutputsKept(RightSupCR):
    """Keeps every output with its graph, so memory grows with each call."""

    history: Sequence[tuple[Tensor, Tensor]] = ()

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        self.history = [*self.history, super().forward(perturbed, intact, labels)]
        return self.history[-1]


@seeded_bug(caught_by="conduct")
class TemperatureDrifts(RightSupCR):
    """Lowers the temperature in every call."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        answer = super().forward(perturbed, intact, labels)
        self.temperature *= 0.99
        return answer


@seeded_bug(caught_by="conduct")
class LossSmoothedOverCalls(RightSupCR):
    """Returns the mean of this call's loss and that of the call before."""

    _last: list[Tensor] | None = None

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss, parts = super().forward(perturbed, intact, labels)
        last, self._last = self._last, [loss.detach()]
        return (loss if last is None else (loss + last[0]) / 2), parts


@wrong(RightSupCR, "read_labels", caught_by="conduct")
def labels_filled_in_place(self: RightSupCR, labels: Tensor) -> Tensor:
    """Writes 0 into the caller's labels where they are missing."""
    kept = RightSupCR.read_labels(self, labels).clone()
    labels.nan_to_num_(0.0)
    return kept


@wrong(RightSupCR, "arrange", caught_by="conduct")
def embeddings_normalised_in_place(
    self: Any, first: Tensor, second: Tensor, labels: Tensor
) -> Arranged:
    """Normalises the caller's embeddings in place."""
    with torch.no_grad():
        for view in (first, second):
            view.div_(view.norm(dim=1, keepdim=True).clamp(min=1e-12))
    return (first, second), labels


@wrong(RightSupCR, "read_labels", caught_by="conduct")
def ties_broken_at_random(self: RightSupCR, labels: Tensor) -> Tensor:
    """Adds random numbers of up to 1e-3 to the labels."""
    labels = RightSupCR.read_labels(self, labels)
    return labels + 1e-3 * torch.rand_like(labels)


@wrong(RightSupCR, "arrange", caught_by="conduct")
def rows_shuffled(self: RightSupCR, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """Shuffles the rows, which draws from the global random generator."""
    order = torch.randperm(len(labels)).to(labels.device)
    return (first[order], second[order]), labels[order]


@wrong(RightSupCR, "read_labels", caught_by="conduct")
def generator_seeded(self: RightSupCR, labels: Tensor) -> Tensor:
    """Seeds the global random generator in every call."""
    torch.manual_seed(0)
    return RightSupCR.read_labels(self, labels)


@seeded_bug(caught_by="conduct")
class NoisyLoss(RightSupCR):
    """Multiplies the loss by a random number between 1 and 1.001."""

    _generator: torch.Generator | None = None

    def combine(self, parts: Tensor, labels: Tensor) -> Tensor:
        self._generator = self._generator or torch.Generator().manual_seed(0)
        noise = torch.rand((), generator=self._generator).item()
        return super().combine(parts, labels) * (1 + 1e-3 * noise)


@wrong(RightSupCR, "arrange", caught_by="conduct")
def process_setting_changed(
    self: RightSupCR, first: Tensor, second: Tensor, labels: Tensor
) -> Arranged:
    """Turns on cudnn's benchmark mode, for the whole process."""
    torch.backends.cudnn.benchmark = True
    return (first, second), labels


@wrong(RightSupCR, "arrange", caught_by="conduct")
def contiguity_assumed(self: RightSupCR, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """Reads rows one after the other from memory, whatever the strides are."""
    size, strides = first.shape, (first.shape[1], 1)
    return (first.as_strided(size, strides), second.as_strided(size, strides)), labels


@wrong(RightSupCR, "arrange", caught_by="conduct")
def contiguity_required(self: Any, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    """Calls view() on its inputs, which raises for tensors that are not contiguous."""
    flat = [view.view(-1) for view in (first, second)]
    return [x.view(first.shape) for x in flat], labels


@seeded_bug(caught_by="conduct")
class GradientInForward(RightSupCR):
    """Computes a gradient within the call, which raises under no_grad."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        leaf = perturbed.detach().requires_grad_()
        loss, _ = super().forward(leaf, intact.detach(), labels)
        (gradient,) = torch.autograd.grad(loss, leaf)
        self.gradient_norm = float(gradient.norm())
        return super().forward(perturbed, intact, labels)


@seeded_bug(caught_by="conduct")
class WeightsStayBehind(RightSupCR):
    """Stores the weights outside of its buffers, so they do not move to a GPU."""

    def __init__(
        self, temperature: float = 0.1, weights: Tensor | None = None, eps: float = 1e-7
    ) -> None:
        super().__init__(temperature, None, eps)
        self.plain_weights = weights

    def dimension_weights(self, parts: Tensor) -> Tensor:
        if self.plain_weights is None:
            return super().dimension_weights(parts)
        return self.plain_weights.to(parts.dtype)
