"""Seeded bugs that ordinary batches do not show: bad inputs, state that is kept, side effects."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import Arranged, RightSupCR, euclidean
from supcr_bench.verification.bugs.seeded_bug import SeededBug, wrong

not_robust = partial(wrong, caught_by="robustness")
of_conduct = partial(wrong, caught_by="conduct")
Output = tuple[Tensor, Tensor]


class CandidatesOfTheFirstCall(RightSupCR):
    """Keeps the label distances of one batch for all batches of the same shape."""

    _shape: torch.Size | None = None
    _groups: tuple[tuple[Tensor, Tensor], ...] = ()

    def groups(self, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        if self._shape != labels.shape:
            self._shape = labels.shape
            self._groups = tuple(super().groups(labels))
        yield from self._groups


class LabelsOfTheFirstCall(RightSupCR):
    """Uses the labels of the first batch for all later ones."""

    _labels: list[Tensor] | None = None

    def read_labels(self, labels: Tensor) -> Tensor:
        labels = super().read_labels(labels)
        if self._labels is None or self._labels[0].shape[1] != labels.shape[1]:
            self._labels = [labels.clone()]
        kept = self._labels[0][: len(labels)]
        return torch.cat((kept, labels[len(kept) :]))


class OutputByAddress(RightSupCR):
    """Returns an old output if the inputs lie at the same addresses as then."""

    _answers: Mapping[tuple[object, ...], Output] = {}

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Output:
        key = tuple((x.data_ptr(), x.shape) for x in (perturbed, intact, labels))
        if key not in self._answers:
            self._answers = {key: super().forward(perturbed, intact, labels)}
        return self._answers[key]


class OutputsKept(RightSupCR):
    """Keeps every output with its graph, so memory grows with each call."""

    history: Sequence[Output] = ()

    def answer(self, loss: Tensor, parts: Tensor) -> Output:
        self.history = [*self.history, (loss, parts)]
        return loss, parts


class TemperatureDrifts(RightSupCR):
    """Lowers the temperature in every call."""

    def answer(self, loss: Tensor, parts: Tensor) -> Output:
        self.temperature *= 0.99
        return loss, parts


class LossSmoothedOverCalls(RightSupCR):
    """Returns the mean of this call's loss and that of the call before."""

    _last: list[Tensor] | None = None

    def answer(self, loss: Tensor, parts: Tensor) -> Output:
        last, self._last = self._last, [loss.detach()]
        return (loss if last is None else (loss + last[0]) / 2), parts


class NoisyLoss(RightSupCR):
    """Multiplies the loss by a random number between 1 and 1.001."""

    _generator: torch.Generator | None = None

    def combine(self, parts: Tensor, labels: Tensor) -> Tensor:
        self._generator = self._generator or torch.Generator().manual_seed(0)
        noise = torch.rand((), generator=self._generator).item()
        return super().combine(parts, labels) * (1 + 1e-3 * noise)


class GradientInForward(RightSupCR):
    """Computes a gradient within the call, which raises under no_grad."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Output:
        leaf = perturbed.detach().requires_grad_()
        loss, _ = super().forward(leaf, intact.detach(), labels)
        (gradient,) = torch.autograd.grad(loss, leaf)
        self.gradient_norm = float(gradient.norm())
        return super().forward(perturbed, intact, labels)


def _weights_where_they_are(self: RightSupCR, parts: Tensor) -> Tensor:
    return torch.ones_like(parts) if self.weights is None else self.weights.to(parts.dtype)


def _mixing_dtypes(self: RightSupCR, rows: Tensor) -> Tensor:
    unit = self.unit(rows)
    every = torch.arange(len(rows), device=rows.device)
    return rows.new_zeros(len(rows), len(rows)).index_put((every,), unit @ unit.T)


def _filled_in_place(self: RightSupCR, labels: Tensor) -> Tensor:
    kept = RightSupCR.read_labels(self, labels).clone()
    labels.nan_to_num_(0.0)
    return kept


def _normalised_in_place(_: object, *views: Tensor) -> Sequence[Tensor]:
    with torch.no_grad():
        for view in views:
            view.div_(view.norm(dim=1, keepdim=True).clamp(min=1e-12))
    return views


def _random_ties(self: RightSupCR, labels: Tensor) -> Tensor:
    labels = RightSupCR.read_labels(self, labels)
    return labels + 1e-3 * torch.rand_like(labels)


def _shuffled(_: object, first: Tensor, second: Tensor, labels: Tensor) -> Arranged:
    order = torch.randperm(len(labels)).to(labels.device)
    return (first[order], second[order]), labels[order]


def _seeding(self: RightSupCR, labels: Tensor) -> Tensor:
    torch.manual_seed(0)
    return RightSupCR.read_labels(self, labels)


def _in_benchmark_mode(_: object, *views: Tensor) -> Sequence[Tensor]:
    torch.backends.cudnn.benchmark = True
    return views


BUGS = (
    not_robust(
        "exponentials-overflow: Adds up exponentials, which overflow at low temperatures.",
        log_contrast=lambda self, s, chosen: (s.exp().unsqueeze(1) * chosen).sum(dim=2).log(),
    ),
    not_robust(
        "nan-embeddings-hidden: Replaces NaN and infinity in embeddings by finite numbers.",
        views=lambda self, a, b: (a.nan_to_num(), b.nan_to_num()),
    ),
    not_robust(
        "infinite-labels-accepted: Accepts infinite labels, although the distance of two is NaN.",
        read_labels=lambda self, labels: labels.reshape(len(labels), -1),
    ),
    not_robust(
        "no-graph-without-pairs: Returns 0 without a graph if there are no pairs, so backward() "
        "raises.",
        no_pairs=lambda self, views: views[0].new_zeros(()),
    ),
    not_robust(
        "half-unsupported: Uses an operation that does not support float16.",
        working_dtype=lambda self, views: torch.promote_types(views[0].dtype, views[-1].dtype),
        similarity=lambda self, x: 1 - euclidean(self.unit(x), self.unit(x)).square() / 2,
    ),
    not_robust(
        "autocast-mixes-dtypes: Writes a bfloat16 product into a float32 buffer under autocast, "
        "which raises.",
        precision=lambda self, view: nullcontext(),
        similarity=_mixing_dtypes,
    ),
    SeededBug(CandidatesOfTheFirstCall, "conduct"),
    SeededBug(LabelsOfTheFirstCall, "conduct"),
    SeededBug(OutputByAddress, "conduct"),
    SeededBug(OutputsKept, "conduct"),
    SeededBug(TemperatureDrifts, "conduct"),
    SeededBug(LossSmoothedOverCalls, "conduct"),
    of_conduct(
        "labels-filled-in-place: Writes 0 into the caller's labels where they are missing.",
        read_labels=_filled_in_place,
    ),
    of_conduct(
        "embeddings-normalised-in-place: Normalises the caller's embeddings in place.",
        views=_normalised_in_place,
    ),
    of_conduct(
        "ties-broken-at-random: Adds random numbers of up to 1e-3 to the labels.",
        read_labels=_random_ties,
    ),
    of_conduct(
        "rows-shuffled: Shuffles the rows, which draws from the global random generator.",
        arrange=_shuffled,
    ),
    of_conduct(
        "generator-seeded: Seeds the global random generator in every call.", read_labels=_seeding
    ),
    SeededBug(NoisyLoss, "conduct"),
    of_conduct(
        "process-setting-changed: Turns on cudnn's benchmark mode, for the whole process.",
        views=_in_benchmark_mode,
    ),
    of_conduct(
        "contiguity-assumed: Reads rows one after the other from memory, whatever the strides are.",
        views=lambda self, *views: [x.as_strided(x.shape, (x.shape[1], 1)) for x in views],
    ),
    of_conduct(
        "contiguity-required: Calls view() on its inputs, which raises if they are not contiguous.",
        views=lambda self, *views: [x.view(-1).view(x.shape) for x in views],
    ),
    SeededBug(GradientInForward, "conduct"),
    of_conduct(
        "weights-stay-behind: Stores weights outside of its buffers: they do not move to a GPU.",
        register_buffer=lambda self, name, tensor: setattr(self, name, tensor),
        dimension_weights=_weights_where_they_are,
    ),
)
