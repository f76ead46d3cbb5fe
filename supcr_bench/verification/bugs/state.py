"""Something kept from one call to the next."""

from collections.abc import Iterator

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RightSupCR
from supcr_bench.verification.bugs.seeded_bug import seeded_bug


@seeded_bug(caught_by="conduct")
class CandidatesOfTheFirstCall(RightSupCR):
    """Rows and label distances are kept for the next batch of the same shape. A mask cached by
    shape ranks every later batch by the labels of the first; all batches but the last have that
    shape."""

    _shape: torch.Size | None = None
    _groups: tuple[tuple[Tensor, Tensor], ...] = ()

    def groups(self, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        if self._shape != labels.shape:
            self._shape = labels.shape
            self._groups = tuple(super().groups(labels))
        yield from self._groups


@seeded_bug(caught_by="conduct")
class LabelsOfTheFirstCall(RightSupCR):
    """The first batch's labels are used for every later one, as far as they reach. A buffer
    allocated once and never written again: right on the one batch that a test asks for."""

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

    def __init__(
        self, temperature: float = 0.1, weights: Tensor | None = None, eps: float = 1e-7
    ) -> None:
        super().__init__(temperature, weights, eps)
        self._answers: dict[tuple[object, ...], tuple[Tensor, Tensor]] = {}

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        key = tuple((x.data_ptr(), x.shape) for x in (perturbed, intact, labels))
        if key not in self._answers:
            self._answers = {key: super().forward(perturbed, intact, labels)}
        return self._answers[key]


@seeded_bug(caught_by="conduct")
class OutputsKept(RightSupCR):
    """Every answer is kept, with its graph. A history for logging, without detach(), holds
    every graph until memory runs out hours into the training."""

    def __init__(
        self, temperature: float = 0.1, weights: Tensor | None = None, eps: float = 1e-7
    ) -> None:
        super().__init__(temperature, weights, eps)
        self.history: list[tuple[Tensor, Tensor]] = []

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        self.history.append(super().forward(perturbed, intact, labels))
        return self.history[-1]


@seeded_bug(caught_by="conduct")
class TemperatureDrifts(RightSupCR):
    """Each call lowers the temperature for the next. An annealing schedule inside forward also
    advances on validation batches."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        answer = super().forward(perturbed, intact, labels)
        self.temperature *= 0.99
        return answer


@seeded_bug(caught_by="conduct")
class LossSmoothedOverCalls(RightSupCR):
    """From the second call on, the mean of this loss and the last. An average meant for the log
    is returned: the first call is right, then the gradient is half of what it should be."""

    _last: list[Tensor] | None = None

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss, parts = super().forward(perturbed, intact, labels)
        last, self._last = self._last, [loss.detach()]
        return (loss if last is None else (loss + last[0]) / 2), parts
