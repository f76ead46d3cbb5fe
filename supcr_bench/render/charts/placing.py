"""Where labels go so that they cover neither each other nor what is drawn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_OVERLAP, _COVERED, _FAR = 400.0, 25.0, 1.0
"""What it costs to overlap another label, to cover a drawn spot, to be off by one unit."""
_STEP, _STEPS = 7.0, 22


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, in units of the drawing, y upwards."""

    left: float
    bottom: float
    width: float
    height: float

    def overlaps(self, other: "Box") -> bool:
        """Whether they share more than an edge."""
        return (
            self.left < other.left + other.width
            and other.left < self.left + self.width
            and self.bottom < other.bottom + other.height
            and other.bottom < self.bottom + self.height
        )

    def holds(self, x: float, y: float) -> bool:
        """Whether a spot lies within."""
        return (
            self.left <= x <= self.left + self.width
            and self.bottom <= y <= self.bottom + self.height
        )

    def within(self, other: "Box") -> bool:
        """Whether all of it lies within the other."""
        return (
            other.left <= self.left
            and self.left + self.width <= other.left + other.width
            and other.bottom <= self.bottom
            and self.bottom + self.height <= other.bottom + other.height
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """A label that is to stand beside a spot."""

    x: float
    y: float
    width: float
    height: float


def beside(box: Box, label: Wanted) -> bool:
    """Whether a box stands where a label would look for its own."""
    return Box(box.left - 10, box.bottom, box.width + 20, box.height).holds(label.x, label.y)


def place(
    wanted: Sequence[Wanted],
    spots: Sequence[tuple[float, float]],
    inside: Box,
    taken: Sequence[Box] = (),
) -> list[Box]:
    """A box for each label, by the cheapest of many places around its spot.

    From the highest to the lowest, so that labels whose lines end together stay in their order.

    Args:
        wanted: the labels.
        spots: what is drawn, better not covered.
        inside: what no label leaves, as far as possible.
        taken: boxes that are occupied already.
    """
    placed: dict[int, Box] = {}
    for i in sorted(range(len(wanted)), key=lambda i: (-wanted[i].y, i)):
        others = [*taken, *placed.values()]
        strangers = [label for label in wanted if label is not wanted[i]]

        def cost(
            candidate: tuple[Box, float],
            others: Sequence[Box] = others,
            strangers: Sequence[Wanted] = strangers,
        ) -> float:
            box, far = candidate
            price = _FAR * far + _OVERLAP * sum(box.overlaps(other) for other in others)
            price += _COVERED * sum(box.holds(x, y) for x, y in spots)
            price += _OVERLAP * sum(beside(box, label) for label in strangers)
            return price + (0.0 if box.within(inside) else 1e4)

        placed[i] = min(_candidates(wanted[i]), key=cost)[0]
    return [placed[i] for i in range(len(wanted))]


def _candidates(label: Wanted) -> Iterator[tuple[Box, float]]:
    """Boxes and how far each is from the best: right of the spot, then above and left of it."""
    middle = label.y - label.height / 2
    for step in range(_STEPS):
        for sign in (1, -1) if step else (1,):
            bottom = middle + sign * step * _STEP
            yield Box(label.x + 7, bottom, label.width, label.height), step * _STEP
            left = label.x - 7 - label.width
            yield Box(left, bottom, label.width, label.height), step * _STEP + 30
    yield Box(label.x - label.width / 2, label.y + 8, label.width, label.height), 25


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Rising positions, moved apart to that gap and no further than they need, within bounds."""
    moved: list[float] = []
    for x in wanted:
        moved.append(max(x, low, moved[-1] + gap if moved else low))
    ceiling = high
    for i in reversed(range(len(moved))):
        moved[i] = min(moved[i], ceiling)
        ceiling = moved[i] - gap
    return moved
