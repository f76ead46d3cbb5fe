"""Probes: small batches that a loss is asked, and how well members give the answer."""

import itertools
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from supcr_bench.inputs.tensors import Batch
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.verification.evaluate import HOT, evaluate
from supcr_bench.verification.family import DETACHED, Member

FITS = 3e-5
"""Largest relative residual of a right gradient in float32 on these probes; the gradients of other
members are a hundred times farther away."""
ASKED = 1.0
"""The temperature of a probe that names none, given to a loss that takes one."""
IN_FLOAT64 = 1e-10
"""A relative change of rows that only float64 can show."""
SAME = 1e-5
"""The relative difference of losses that are the same."""
LABEL_STEPS = 256.0
"""Labels are multiples of 1 / this; a loss that takes only whole numbers gets the multiples."""
WIDTH = 12
ODD_TWINS = {
    "gaussian": "squared",
    "student": "squared",
    "laplacian": "euclidean",
    "inverse": "euclidean",
    "exponential": "dot",
    "absolute": "dot",
    "square": "dot",
    "angle": "euclidean",
}
"""Similarities that no definition has, each with the one it resembles on rows nearly alike."""


class NotFiniteError(ArithmeticError):
    """A loss or a gradient is NaN or infinite on ordinary rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """The inputs of one call, its loss and gradient; ``views`` and ``slopes`` are [V, N, d]."""

    views: Tensor
    labels: Tensor
    temperature: float | None
    loss: float
    slopes: Tensor

    @property
    def gradient(self) -> Tensor:
        """In one row, [V N d]."""
        return self.slopes.flatten()

    @property
    def reached(self) -> Tensor:
        """[V N d]: whether the view has a gradient; a detached view says nothing."""
        return self.slopes.flatten(1).any(1).repeat_interleave(self.views[0].numel())

    @property
    def normalised(self) -> bool | str:
        """Whether rows, views or columns are normalised: the gradient is orthogonal to them."""
        for what, axes in ((True, (2,)), ("views", (0,)), ("columns", (0, 1))):
            lengths = self.views.square().sum(axes).sqrt() * self.slopes.square().sum(axes).sqrt()
            along = (self.views * self.slopes).sum(axes).norm() / lengths.norm()
            if along < 3e-2 and not (what == "views" and len(self.views) == 1):
                return what
        return False

    def step(self, size: float) -> Tensor:
        """[V, N, d]: along the gradient, of a length relative to that of the rows."""
        return size * float(self.views.norm() / self.slopes.norm()) * self.slopes


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a member gives a probe's gradient.

    Attributes:
        residual: what is left of the gradient, relative to its length.
        value: what the member's loss is, times the factor.
    """

    member: Member
    residual: float
    factor: float
    value: float

    @property
    def degrees(self) -> float:
        return math.degrees(math.asin(min(self.residual, 1.0)))

    @property
    def mistakes(self) -> int:
        """The choices that are not the plain ones, a wrong sign included."""
        return self.member.faults() + (self.member.temperature < 0) + (self.factor < 0)


def make_rows(n: int, count: int, seed: int, scale: float = 1.0) -> Tensor:
    """[V, n, d] rows of different lengths, with mostly positive cosines, of ``count`` views."""
    bits = torch.Generator().manual_seed(seed)
    views = []
    for _ in range(count):
        rows = torch.randn(n, WIDTH, generator=bits, dtype=torch.float64) + 0.7
        lengths = torch.exp(0.3 * torch.randn(n, 1, generator=bits, dtype=torch.float64))
        views.append(scale * rows * lengths / math.sqrt(WIDTH))
    return torch.stack(views)


def make_labels(n: int, dims: int, seed: int) -> Tensor:
    """[n, D] labels in whole steps, with all distances different."""
    bits = torch.Generator().manual_seed(1000 + seed)
    steps = torch.stack([torch.randperm(40, generator=bits)[:n] for _ in range(dims)], 1)
    return steps**2 / LABEL_STEPS


def shortest(number: float, tolerance: float) -> float:
    """The number of fewest digits, at most 4, within a relative tolerance; else ``number``."""
    short = [float(f"{number:.{digits}g}") for digits in (1, 2, 3, 4)]
    return next((x for x in short if math.isclose(x, number, rel_tol=tolerance)), number)


def are_detached(members: Sequence[Member]) -> bool:
    """Whether the gradient of members, alike in this, goes through no denominator."""
    return bool(members) and members[0].gradient == DETACHED


def alike(one: Probe, other: Probe) -> bool:
    """Whether two calls on the same batch gave the same numbers."""
    moved = (one.gradient - other.gradient).norm() > 1e-4 * one.gradient.norm()
    return not bool(moved) and math.isclose(one.loss, other.loss, rel_tol=1e-5, abs_tol=1e-6)


class Prober:
    """Calls one loss on probes, on a device.

    Attributes:
        dtype: that of the inputs: float32 once the loss has raised in float64, as one does that
            mixes inputs with tensors of its own.
        count: how many views it takes.
        given: the temperature of a plain probe; ``None`` if the loss takes none.
        sign: -1 where its gradient has the wrong sign.
        value_sign: -1 where its value has the wrong sign, too.
        limit: largest relative residual of a right gradient: more in a low precision.
        label_unit: what labels are multiplied by before the loss sees them.
        label_shift: what is added to labels then.
        most_label: the largest label that counts as others do.
        powers: powers of a given temperature that divide s: in denominators, and the partner's.
    """

    def __init__(self, subject: Adapter, device: str) -> None:
        own = subject.resolution
        self._subject, self._device, self.dtype = subject, device, torch.float64
        self.count = 1 if own.definition.views == "single" else 2
        self.given = ASKED if own.temperature else None
        self.weights, self.several = own.weights, not own.one_dimension
        self.rows = 5 if self.count == 1 else 4
        self.limit, self.powers = FITS, (1.0, 1.0)
        self.sign = self.value_sign = 1
        self.label_unit = LABEL_STEPS if own.integer_labels else 1.0
        self.label_shift, self.most_label = 0.0, math.inf
        self._plain: dict[tuple[object, ...], Probe] = {}
        self._nearest: dict[tuple[object, ...], float] = {}

    def repeats(self, n: int) -> bool:
        """Whether two modules give the same numbers on a batch of n rows."""
        one = self.plain(n)
        return alike(one, self.probe(one.views, one.labels))

    def keeps_loss(
        self, core: Probe, views: Tensor | None = None, labels: Tensor | None = None
    ) -> bool:
        """Whether a batch has the loss of the ``core``; one that is not finite has not."""
        changed = core.views if views is None else views, core.labels if labels is None else labels
        with suppress(NotFiniteError):
            return math.isclose(self.probe(*changed).loss, core.loss, rel_tol=SAME, abs_tol=1e-9)
        return False

    def keeps_order(self, core: Probe) -> bool:
        """Whether the loss does not depend on the order of the rows."""
        order = torch.arange(len(core.labels)).roll(2).flip(0)
        return self.keeps_loss(core, core.views[:, order], core.labels[order])

    def again(self) -> Probe:
        """The plain probe as a second call of a module that has had another batch before."""
        one, module = self.plain(), self.built(self.given)
        other = make_rows(self.rows, self.count, 5, 2.0)
        self.probe(other, make_labels(self.rows, 1, 5), module=module)
        return self.probe(one.views, one.labels, module=module)

    def in_evaluation_mode(self, temperature: float) -> Probe | None:
        """The plain probe of a module in evaluation mode; ``None`` for what has no modes."""
        one = self.plain(temperature=temperature)
        module = self.built(one.temperature)
        if not isinstance(module, torch.nn.Module):
            return None
        return self.probe(one.views, one.labels, temperature, module=module.eval())

    def built(self, temperature: float | None) -> Any:
        definition = self._subject.resolution.definition.at(temperature)
        return self._subject.build(definition, torch.ones(1), self._device)

    def probe(
        self,
        views: Tensor,
        labels: Tensor,
        temperature: float | None = ASKED,
        *,
        weights: Tensor | None = None,
        module: Any = None,
        arriving: float = 1.0,
    ) -> Probe:
        """Call the loss on a batch; ``arriving`` is the gradient at the loss.

        The loss uses its defaults where it takes no temperature or weights, or gets none. Raises
        NotFiniteError, or what the loss raises.
        """
        own, dims = self._subject.resolution, labels.shape[1]
        temperature = self.given and temperature
        called = replace(own, temperature=own.temperature if temperature else None)
        subject = replace(self._subject, resolution=called)
        upstream = torch.tensor([arriving, *[0.0] * dims], dtype=torch.float64)
        weights = torch.ones(dims) if weights is None else weights
        tensors = views[0], views[-1], self.label_unit * labels + self.label_shift, weights
        for dtype in dict.fromkeys((self.dtype, torch.float32)):
            first, second, y, w = (x.to(dtype) for x in tensors)
            batch = Batch(first, second, y, w, temperature)
            try:
                answer = subject.answer(batch, upstream, module, self._device)
            except Exception:
                if dtype == torch.float32:
                    raise
            else:
                self.dtype = dtype
                break
        slopes = self.sign * torch.stack(answer.gradients[: len(views)]).detach().double()
        if not math.isfinite(float(answer.loss)) or not bool(torch.isfinite(slopes).all()):
            raise NotFiniteError
        loss = self.value_sign * float(answer.loss)
        return Probe(views, labels, temperature, loss, slopes)

    def plain(
        self, n: int | None = None, seed: int = 0, temperature: float | None = ASKED
    ) -> Probe:
        """The probe of a batch of n rows; asked for again, it is returned without a call."""
        n, temperature = n or self.rows, self.given and temperature
        key = (n, seed, temperature, self.dtype, self.sign, self.label_unit, self.label_shift)
        if key not in self._plain:
            rows, labels = make_rows(n, self.count, seed), make_labels(n, 1, seed)
            self._plain[key] = self.probe(rows, labels, temperature)
        return self._plain[key]

    def is_quantised(self, core: Probe, size: float) -> bool:
        """Whether a tiny relative change of the rows changes the gradient in jumps, or not at all.

        The loss is looked at as well, since the gradient shows nothing if similarities alone are
        rounded: it depends on the rows, too. A part that is rounded gives its share of the change
        only over a longer way. A loss may be summed up in float32, so its change counts only where
        float32 can show it.
        """
        wave = torch.arange(core.views[0].numel()).view_as(core.views[0]).double().cos()
        moved = self._moved(core, core.views * wave * size).gradient
        change = (moved - core.gradient).norm() / core.gradient.norm()
        if not 0.02 * size < float(change) < 50 * size:
            return True
        step = core.step(10 * size)
        along = float((core.slopes * step).sum())
        if size <= IN_FLOAT64 or along < 2**-21 * abs(core.loss):  # float32 would not show it
            return False
        near, twice, far, back = (
            self._moved(core, k * step).loss - core.loss for k in (1, 2, 100, -100)
        )
        linear = near and 1.5 < twice / near < 2.5 and 0.75 < (far - back) / (200 * near) < 1.33
        return not linear

    def turn(self, core: Probe) -> bool:
        """Turn the sign of gradients; return whether that of losses, too.

        It is turned if the loss rises along its gradient, which is then the loss's own. A loss that
        is rounded rises on a longer way.
        """
        rise = 0.0
        for size in (1e-3, 1e-2, 1e-1):
            step = core.step(size)
            rise = self._moved(core, step).loss - self._moved(core, -step).loss
            if abs(rise) > 0.5 * float((core.slopes * step).sum()):
                break
        self.sign, self.value_sign = -1, -1 if rise > 0 else 1
        return rise > 0

    def _moved(self, core: Probe, by: Tensor) -> Probe:
        return self.probe(core.views + by, core.labels)

    def at(self, member: Member, temperature: float | None) -> Member:
        """A member that was read at temperature 1, at another one; ``None`` changes nothing."""
        if temperature in (None, 1.0):
            return member
        divisor = temperature ** self.powers[0]
        partner = divisor / temperature ** self.powers[1]
        return member._replace(temperature=member.temperature * divisor, partner=partner)

    def fits(self, members: Sequence[Member], probe: Probe, most: float = math.inf) -> list[Fit]:
        """How well each member, at temperature 1, gives a probe's gradient, up to a factor.

        The best comes first; ``most`` is the largest residual of those that are returned.
        """
        kept = probe.reached
        goal = probe.gradient[kept]
        at_one = probe.temperature in (None, 1.0)
        there = members if at_one else [self.at(m, probe.temperature) for m in members]
        losses, slopes, places = evaluate(there, probe.views, probe.labels)
        gradients = slopes[:, kept]
        factors = (gradients @ goal) / gradients.square().sum(1).clamp(min=1e-300)
        rest = (goal - factors.unsqueeze(1) * gradients).norm(dim=1) / goal.norm()
        values = factors * losses
        by_value = are_detached(members) and members[0].temperature != HOT
        if by_value:  # the denominators change nothing else
            rest = torch.maximum(rest, (values - probe.loss).abs() / abs(probe.loss or 1.0))
        rest, factors, values = (x[places] for x in (rest.nan_to_num(math.inf), factors, values))
        order = rest.argsort(stable=True)[: int((rest <= most).sum())]
        numbers = (x[order].tolist() for x in (rest, factors, values))
        return list(map(Fit, map(members.__getitem__, order.tolist()), *numbers))

    def fits_more(
        self, members: Sequence[Member], probe: Probe, most: float = math.inf, *, asked: bool = True
    ) -> list[Fit]:
        """:meth:`fits`, on more rows too where no gradient goes through denominators.

        There, the value alone shows candidates, temperature and eps: that of one batch fits many.
        ``asked``: whether members are at temperature 1, or else at that of the probe.
        """
        own = probe if asked else replace(probe, temperature=None)
        found = self.fits(members, own, most=most)
        if not are_detached(members):
            return found
        wide = self.plain(2 * self.rows + 1, temperature=probe.temperature)
        wide = wide if asked else replace(wide, temperature=None)
        there = {f.member: f.residual for f in self.fits([f.member for f in found], wide)}
        both = [replace(f, residual=max(f.residual, there[f.member])) for f in found]
        return sorted((f for f in both if f.residual <= most), key=lambda f: f.residual)

    def fitting(self, members: Sequence[Member], probe: Probe) -> list[Member]:
        """The members that give a probe's gradient times a positive factor."""
        found = self.fits(list(dict.fromkeys(members)), probe, most=self.limit)
        return [f.member for f in found if f.factor > 0]

    def by_log_eps(self, members: Sequence[Member], probe: Probe) -> Tensor:
        """[H, 2]: a and b of each member's value a + b log(eps), for an eps in empty sums only."""
        tiny = (-600.0, -400.0)
        values = []
        for log_eps in tiny:
            at = [m._replace(eps=math.exp(log_eps)) for m in members]
            by_member = {f.member: f.value for f in self.fits(at, probe)}
            values.append([by_member[m] for m in at])
        low, high = torch.tensor(values, dtype=torch.float64)
        slope = (high - low) / (tiny[1] - tiny[0])
        slope = torch.where(slope.abs() > 1e-6, slope, 0.0)
        return torch.stack((low - slope * tiny[0], slope), 1)

    def nearest_temperature(self, members: Sequence[Member], probe: Probe) -> float:
        """The given temperature at which one of these members comes nearest to a probe's answer."""
        key = (tuple(members), probe, self.limit, self.powers)
        if key not in self._nearest:
            self._nearest[key] = self._search_nearest(members, probe)
        return self._nearest[key]

    def _search_nearest(self, members: Sequence[Member], probe: Probe) -> float:
        step, powers = 10 ** (1 / 12), range(-30, 19)
        tried, kept = (None, 60) if are_detached(members) else (40, 6)
        nearest = dict.fromkeys(members, 1.0)
        for _ in range(8):
            trials = [(m, t * step**x) for m, t in nearest.items() for x in powers]
            origins = {self.at(m, t): (m, t) for m, t in trials}
            fits = self.fits_more(list(origins), probe, asked=False)
            found = [origins[f.member] for f in fits]
            nearest = {}
            for m, t in found[:tried]:
                nearest.setdefault(m, t)
            nearest = dict(itertools.islice(nearest.items(), kept))
            step, powers = step ** (1 / 4), range(-6, 7)
        return shortest(found[0][1], 2e-5 if self.limit == FITS else max(2e-2, 3 * self.limit))
