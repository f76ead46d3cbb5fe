"""Judges what recognition says of a synthetic loss: its verdict, and the departures it names."""

import itertools
import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from supcr_bench.values.implementation import Implementation, Recognition
from supcr_bench.verification.resolve import resolve
from tests.verification.synthetic import DEFINED, DEPARTURES, PART_OF, Rules, depart, make_loss

SHOWS = 1e-4
"""The smallest relative difference of two losses or gradients that counts."""


@dataclass(frozen=True)
class Judgement:
    """What recognition said of a loss, and what it should have said.

    Attributes:
        faulty: whether it has a fault.
        unnamed: the departures that show, and are not named.
    """

    recognition: Recognition
    faulty: bool
    unnamed: tuple[str, ...]
    cpu_s: float

    @property
    def right_verdict(self) -> bool:
        return bool(self.recognition.faults) == self.faulty


def judge(base: str, names: Sequence[str], *, all_show: bool = False) -> Judgement:
    """Recognise a base with these departures.

    Args:
        base: the loss that departs.
        names: of its departures.
        all_show: whether each is known to change a number beside the others.
    """
    rules = depart(base, names)
    factory = make_loss(rules)
    start = time.process_time()
    it = Implementation(name="it", title="", source="", definition="auto", factory=factory)
    found = resolve(it)[0].recognised
    cpu_s = time.process_time() - start
    assert found is not None
    shown = list(names) if all_show else showing(base, names)
    said = [*found.choices, *found.faults]
    unnamed = [name for name in shown if not _is_named(name, rules, found.nearest, said)]
    if (
        not all_show
        and len(shown) == 2
        and len(unnamed) == 1
        and same(rules, depart(base, names[:1]))
    ):
        unnamed = []  # each hides the other
    return Judgement(
        recognition=found,
        faulty=any(DEPARTURES[name].fault(rules) for name in shown),
        unnamed=tuple(unnamed),
        cpu_s=cpu_s,
    )


def _is_named(name: str, rules: Rules, nearest: str, said: Sequence[str]) -> bool:
    departure = DEPARTURES[name]
    if departure.changes.items() <= DEFINED[nearest].items():
        return True
    missing = [w for w in departure.words if not any(re.search(w, text) for text in said)]
    if len(departure.words) == 1:
        return not missing
    # A part of a bundle may change no number: eps beside the anchor's own term, say.
    plain = {field: getattr(Rules(), field) for field in map(PART_OF.get, missing) if field}
    return len(plain) == len(missing) and same(rules, replace(rules, **plain))


def showing(base: str, names: Sequence[str]) -> list[str]:
    """The departures that change a number beside the others."""
    rules = depart(base, names)
    if len(names) < 2:
        return [n for n in names if not same(rules, depart(base, []))]
    shown = [n for n in names if not same(rules, depart(base, [o for o in names if o != n]))]
    if not shown and not same(rules, depart(base, [])):
        return list(names)
    return shown


def same(a: Rules, b: Rules) -> bool:
    """Whether two losses give the same numbers on every batch."""
    if (a.views == "single") != (b.views == "single"):
        return False
    return all(_same(_ask(a, *batch), _ask(b, *batch)) for batch in _batches())


Numbers = tuple[float, Tensor]


def _same(a: Numbers | str, b: Numbers | str) -> bool:
    if isinstance(a, str) or isinstance(b, str):
        return a == b
    if not math.isfinite(a[0]) and not math.isfinite(b[0]):
        return True
    return _close(torch.tensor([a[0]]), torch.tensor([b[0]])) and _close(a[1], b[1])


def _close(a: Tensor, b: Tensor) -> bool:
    if not (a.isfinite().all() and b.isfinite().all()):
        return torch.equal(a.isfinite(), b.isfinite())
    return float((a - b).norm()) <= SHOWS * max(float(a.norm()), float(b.norm()), 1e-12)


def _ask(
    rules: Rules, rows: Tensor, labels: Tensor, temperature: float | None
) -> tuple[float, Tensor] | str:
    leaf = rows.clone().requires_grad_()
    made = make_loss(rules)
    loss = made() if temperature is None else made(temperature)  # type: ignore[call-arg]
    try:
        out = loss.of_views(leaf[0], leaf[1], labels) + 0.0 * leaf.sum()
        (gradient,) = torch.autograd.grad(out, leaf, materialize_grads=True)
    except ValueError:
        return "refused"
    return float(out.detach()), gradient


def _batches() -> Iterator[tuple[Tensor, Tensor, float | None]]:
    """Yield (views, labels, temperature): ordinary ones, and those on which a departure shows."""
    bits = torch.Generator().manual_seed(5)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=bits, dtype=torch.float64)

    near = torch.tensor([[0.0], [1.0], [1.0 + 3e-7], [2.0], [2.00003]], dtype=torch.float64)
    sparse = normal(5, 3)
    sparse[1, 0] = sparse[3, 2] = torch.nan
    tied = normal(5, 2).round()
    for labels, temperature in itertools.product((normal(5, 3), tied, near, sparse), (None, 0.7)):
        yield normal(2, 5, 6), labels, temperature
    # Rows far apart: sums in denominators are of the size of eps there.
    corners = torch.eye(3, dtype=torch.float64) - 1 / 3
    far = torch.stack([corners, corners[[1, 2, 0]]]) + 0.05 * normal(2, 3, 3)
    for temperature in (None, 0.02):
        for size in (1.0, 8.0, 40.0):
            yield size * far, normal(3, 1), temperature
