"""Right answers, bad manners: inputs changed, random numbers drawn, memory layout assumed."""

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import Arranged, RightSupCR
from supcr_bench.verification.bugs.seeded_bug import seeded_bug


@seeded_bug(caught_by="conduct")
class LabelsFilledInPlace(RightSupCR):
    """Missing labels are 0 after the call. nan_to_num_ writes into the data loader's tensor:
    from the second epoch on, missing labels are zeros."""

    def read_labels(self, labels: Tensor) -> Tensor:
        kept = super().read_labels(labels).clone()
        labels.nan_to_num_(0.0)
        return kept


@seeded_bug(caught_by="conduct")
class EmbeddingsNormalisedInPlace(RightSupCR):
    """Embeddings have length 1 after the call. Written under no_grad, so that autograd does not
    complain: the caller's embeddings change, and the gradient belongs to other ones."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        with torch.no_grad():
            for view in (perturbed, intact):
                view.div_(view.norm(dim=1, keepdim=True).clamp(min=1e-12))
        return (perturbed, intact), labels


@seeded_bug(caught_by="conduct")
class TiesBrokenAtRandom(RightSupCR):
    """Labels are jittered by up to 1e-3. Jitter makes a sort easy; the loss is then a random
    number, and near labels change places."""

    def read_labels(self, labels: Tensor) -> Tensor:
        labels = super().read_labels(labels)
        return labels + 1e-3 * torch.rand_like(labels)


@seeded_bug(caught_by="conduct")
class RowsShuffled(RightSupCR):
    """Rows are put into random order first, which changes nothing but the generator. Harmless
    to the value, but every dropout mask and every augmentation after it is another one."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        order = torch.randperm(len(labels)).to(labels.device)
        return (perturbed[order], intact[order]), labels[order]


@seeded_bug(caught_by="conduct")
class GeneratorSeeded(RightSupCR):
    """The global generator is seeded in every call, and nothing is drawn. Seeded for
    reproducibility in the wrong place: every step of the training draws the same dropout
    mask."""

    def read_labels(self, labels: Tensor) -> Tensor:
        torch.manual_seed(0)
        return super().read_labels(labels)


@seeded_bug(caught_by="conduct")
class NoisyLoss(RightSupCR):
    """The loss is off by up to a thousandth, by numbers of its own generator. Two calls with
    one batch differ, and no difference between two runs can be traced."""

    def __init__(
        self, temperature: float = 0.1, weights: Tensor | None = None, eps: float = 1e-7
    ) -> None:
        super().__init__(temperature, weights, eps)
        self._generator = torch.Generator().manual_seed(0)

    def combine(self, parts: Tensor, labels: Tensor) -> Tensor:
        noise = torch.rand((), generator=self._generator).item()
        return super().combine(parts, labels) * (1 + 1e-3 * noise)


@seeded_bug(caught_by="conduct")
class ContiguityAssumed(RightSupCR):
    """Rows are read one after the other from memory, whatever the strides are. A kernel that
    reads rows by pointer is silently wrong on a slice or a transpose."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        size, strides = perturbed.shape, (perturbed.shape[1], 1)
        return (perturbed.as_strided(size, strides), intact.as_strided(size, strides)), labels


@seeded_bug(caught_by="conduct")
class ContiguityRequired(RightSupCR):
    """A view of the memory as one long vector, which raises where there is none. view in place
    of reshape stops a training at the first sliced batch."""

    def arrange(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Arranged:
        flat = [view.view(-1) for view in (perturbed, intact)]
        return [x.view(perturbed.shape) for x in flat], labels


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
