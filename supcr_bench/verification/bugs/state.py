"""Something kept from one call to the next."""

# ruff: noqa: D102 - a method that is wrong may ignore something; its class says what

from collections.abc import Iterator

import torch
from torch import Tensor

from supcr_bench.verification.bugs.right import RightSupCR
from supcr_bench.verification.bugs.seeded_bug import SeededBug


class CandidatesOfTheFirstCall(RightSupCR):
    """Rows and label distances are kept for the next batch of the same shape."""

    _shape: torch.Size | None = None
    _groups: tuple[tuple[Tensor, Tensor], ...] = ()

    def groups(self, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        if self._shape != labels.shape:
            self._shape = labels.shape
            self._groups = tuple(super().groups(labels))
        yield from self._groups


class LabelsOfTheFirstCall(RightSupCR):
    """The first batch's labels are used for every later one, as far as they reach."""

    _labels: list[Tensor] | None = None

    def read_labels(self, labels: Tensor) -> Tensor:
        labels = super().read_labels(labels)
        if self._labels is None or self._labels[0].shape[1] != labels.shape[1]:
            self._labels = [labels.clone()]
        kept = self._labels[0][: len(labels)]
        return torch.cat((kept, labels[len(kept) :]))


class OutputByAddress(RightSupCR):
    """An answer is remembered by the addresses of its inputs."""

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


class OutputsKept(RightSupCR):
    """Every answer is kept, with its graph."""

    def __init__(
        self, temperature: float = 0.1, weights: Tensor | None = None, eps: float = 1e-7
    ) -> None:
        super().__init__(temperature, weights, eps)
        self.history: list[tuple[Tensor, Tensor]] = []

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        self.history.append(super().forward(perturbed, intact, labels))
        return self.history[-1]


class TemperatureDrifts(RightSupCR):
    """Each call lowers the temperature for the next."""

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        answer = super().forward(perturbed, intact, labels)
        self.temperature *= 0.99
        return answer


class LossSmoothed(RightSupCR):
    """From the second call on, the mean of this loss and the last."""

    _last: list[Tensor] | None = None

    def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss, parts = super().forward(perturbed, intact, labels)
        last, self._last = self._last, [loss.detach()]
        return (loss if last is None else (loss + last[0]) / 2), parts


BUGS = (
    SeededBug(
        name="candidates-of-the-first-call",
        factory=CandidatesOfTheFirstCall,
        group="conduct",
        diagnosis=None,
        why="A mask cached by shape ranks every later batch by the labels of the first; all "
        "batches but the last have that shape.",
    ),
    SeededBug(
        name="labels-of-the-first-call",
        factory=LabelsOfTheFirstCall,
        group="conduct",
        diagnosis=None,
        why="A buffer allocated once and never written again: right on the one batch that a test "
        "asks for.",
    ),
    SeededBug(
        name="output-by-address",
        factory=OutputByAddress,
        group="conduct",
        diagnosis=None,
        why="Training loops reuse their buffers, so that a cache by data_ptr() returns an old "
        "batch's loss.",
    ),
    SeededBug(
        name="outputs-kept",
        factory=OutputsKept,
        group="conduct",
        diagnosis=None,
        why="A history for logging, without detach(), holds every graph until memory runs out "
        "hours into the training.",
    ),
    SeededBug(
        name="temperature-drifts",
        factory=TemperatureDrifts,
        group="conduct",
        diagnosis=None,
        why="An annealing schedule inside forward also advances on validation batches.",
    ),
    SeededBug(
        name="loss-smoothed-over-calls",
        factory=LossSmoothed,
        group="conduct",
        diagnosis=None,
        why="An average meant for the log is returned: the first call is right, then the gradient "
        "is half of what it should be.",
    ),
)
