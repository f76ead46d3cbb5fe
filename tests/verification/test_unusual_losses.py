"""What is said of losses with a trait that no definition has, and that several people may share."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import supcr_bench
from supcr_bench.values.implementation import Implementation, Recognition
from supcr_bench.verification import local_session
from supcr_bench.verification.checks import all_checks
from supcr_bench.verification.local_session import LocalSession
from supcr_bench.verification.outcome import Verdict
from supcr_bench.verification.resolve import resolve


def recognised(loss: Callable[..., Any]) -> Recognition:
    it = Implementation(name="it", title="", source="", definition="auto", factory=loss)
    found = resolve(it)[0].recognised
    assert found is not None
    return found


def unit(rows: Tensor) -> Tensor:
    return functional.normalize(rows, dim=-1)


def distances(rows: Tensor, power: float = 2.0) -> Tensor:
    return torch.cdist(rows, rows, p=power, compute_mode="donot_use_mm_for_euclid_dist")


def mean_over_pairs(logits: Tensor, labels: Tensor, *, diagonal: bool = False) -> Tensor:
    off = ~torch.eye(len(logits), dtype=torch.bool) | diagonal
    apart = torch.cdist(labels, labels, p=1.0)
    counted = (apart[:, None] >= apart[:, :, None]) & off[:, None]
    terms = logits[:, None].masked_fill(~counted, -math.inf).logsumexp(-1) - logits
    return terms[off].mean()


TRAITS: dict[str, Callable[[Tensor], Tensor]] = {
    r"exp\(-d\^2\) as the similarity": lambda z: (-distances(unit(z)).square()).exp(),
    r"1/\(1 \+ d\) as the similarity": lambda z: 1 / (1 + distances(z)),
    "Manhattan": lambda z: -distances(z, 1.0),
    "columns normalised over the batch": lambda z: unit(z.T).T @ unit(z.T),
    "gradient of partners and candidates detached": lambda z: unit(z) @ unit(z).detach().T,
    "anchors' gradient detached": lambda z: unit(z).detach() @ unit(z).T,
}


@pytest.mark.parametrize("words", TRAITS)
def test_a_strange_similarity_or_gradient_is_named(words: str) -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 0.5) -> Tensor:
        """features [N, d]"""
        return mean_over_pairs(TRAITS[words](features) / temperature, labels)

    (fault,) = recognised(loss).faults
    assert re.search(words, fault)


class Unweighted(torch.autograd.Function):
    """A loss whose backward ignores the gradient that arrives."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, labels: Tensor, temperature: float) -> Tensor:
        with torch.enable_grad():
            own = features.detach().requires_grad_()
            loss = mean_over_pairs(unit(own) @ unit(own).T / temperature, labels)
        ctx.save_for_backward(*torch.autograd.grad(loss, own))
        return loss.detach()

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> tuple[Tensor, None, None]:
        return ctx.saved_tensors[0], None, None


def unweighted(features: Tensor, labels: Tensor, temperature: float = 0.5) -> Tensor:
    """features [N, d]"""
    value: Tensor = Unweighted.apply(features, labels, temperature)  # type: ignore[no-untyped-call]
    return value


def mean_over_candidates(features: Tensor, labels: Tensor, temperature: float = 0.5) -> Tensor:
    """features [N, d]"""
    logits, off = unit(features) @ unit(features).T / temperature, ~torch.eye(len(labels)).bool()
    apart = torch.cdist(labels, labels, p=1.0)
    counts = ((apart[:, None] >= apart[:, :, None]) & off[:, None]).sum(-1).clamp(min=1)
    return mean_over_pairs(logits, labels) - counts[off].log().mean()


def over_root_of_columns(features: Tensor, labels: Tensor, temperature: float = 0.5) -> Tensor:
    """features [N, d]"""
    logits = unit(features) @ unit(features).T / (temperature * features.shape[1] ** 0.5)
    return mean_over_pairs(logits, labels)


class Reversed(torch.autograd.Function):
    """Turns the gradient, not the value."""

    @staticmethod
    def forward(_: Any, rows: Tensor) -> Tensor:
        return rows.clone()

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return -gradient


@pytest.mark.parametrize(
    ("factor", "added", "fixed", "others"),
    [
        (-1.0, 0.0, True, ()),
        (-2.0, 0.0, False, ("a constant factor of 2",)),
        (-1.0, 0.7, False, ("a constant of 0.7 is added to the loss, without a gradient",)),
    ],
)
def test_a_negated_loss_is_told_from_a_gradient_of_the_wrong_sign(
    factor: float, added: float, fixed: bool, others: tuple[str, ...]
) -> None:
    def at_any(features: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
        """features [N, d]"""
        s = unit(features) @ unit(features).T / temperature
        return factor * mean_over_pairs(s, labels) + added

    def at_one(features: Tensor, labels: Tensor) -> Tensor:
        """features [N, d]"""
        return at_any(features, labels)

    def turned(features: Tensor, labels: Tensor) -> Tensor:
        """features [N, d]"""
        rows: Tensor = Reversed.apply(features)  # type: ignore[no-untyped-call]
        return -factor * mean_over_pairs(unit(rows) @ unit(rows).T / 0.1, labels) + added

    found = recognised(at_one if fixed else at_any)
    assert found.faults == ("the loss is negated: training goes the wrong way", *others)
    assert not any("float32" in words for words in found.choices)
    assert recognised(turned).faults == ("the gradient has the wrong sign", *others)


@pytest.mark.parametrize("base", [1.0, 0.1])
def test_a_temperature_of_the_loss_alone_is_named(base: float) -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, d]"""
        return mean_over_pairs(-distances(features) / base, labels) / temperature

    (fault,) = recognised(loss).faults
    where = "" if base == 1.0 else ", where it is always 0.1"
    assert fault == f"the temperature divides the loss, not the similarities{where}"


@pytest.mark.parametrize(
    ("low", "words"),
    [
        (torch.bfloat16, "computed in bfloat16 inside"),
        (torch.float16, "computed in float16, or partly in bfloat16, inside"),
    ],
)
def test_a_low_precision_of_denominators_alone_is_named(low: torch.dtype, words: str) -> None:
    def loss(features: Tensor, labels: Tensor) -> Tensor:
        """features [N, d], labels [N, D]"""
        s, off = distances(features) / -2, ~torch.eye(len(features), dtype=torch.bool)
        apart = torch.cdist(labels, labels, p=1.0)
        counted = (apart[:, None] >= apart[:, :, None]) & off[:, None]
        sums = (s.exp().to(low)[:, None] * counted).sum(-1)
        return (sums.to(s).log() - s)[off].mean()

    found = recognised(loss)
    assert found.faults == (words,)
    assert found.choices == ("a single view",)
    assert found.dims == "1 to 3 label dimensions"


def test_a_missing_label_that_makes_the_loss_nan_is_said_to() -> None:
    def loss(first: Tensor, second: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
        """labels [N]"""
        parts = (unit(z) @ unit(z).T / temperature for z in (first, second))
        total = sum(mean_over_pairs(s, labels.view(-1, 1)) for s in parts)
        return total + 0.0 * labels.sum()

    found = recognised(loss)
    assert found.faults == ()
    assert "missing labels not supported (one makes the loss or its gradient NaN)" in found.choices


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (unweighted, "ignores the gradient that arrives"),
        (mean_over_candidates, "the mean over the candidates in place of their sum"),
        (over_root_of_columns, "divided by the root of the number of columns times"),
    ],
)
def test_a_strange_scale_is_named(loss: Callable[..., Tensor], words: str) -> None:
    (fault,) = recognised(loss).faults
    assert words in fault


class Scheduled(nn.Module):
    """A temperature for each epoch, read as a number, and clamped far from its default."""

    def __init__(self) -> None:
        super().__init__()
        self.temperatures = torch.linspace(1.0, 0.5, 10)

    def forward(self, features: Tensor, labels: Tensor, epoch: int = 0) -> Tensor:
        """features [N, d]"""
        return mean_over_pairs(unit(features) @ unit(features).T / self.temperatures[epoch], labels)


def test_a_number_of_the_cpu_is_no_tensor_that_stays_behind() -> None:
    it = Implementation(name="it", title="", source="", definition="auto", factory=Scheduled)
    (outcome,) = LocalSession(it, only={"device"}).run()
    assert outcome.verdict is Verdict.PASS


def test_a_temperature_clamped_far_from_its_default_is_no_fault() -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, d]"""
        tau = min(max(temperature, 0.1), 10.0)
        return mean_over_pairs(-distances(features) / tau, labels)

    it = Implementation(name="it", title="", source="", definition="auto", factory=loss)
    (outcome,) = LocalSession(it, only={"random cases"}).run()
    assert outcome.verdict is Verdict.PASS


def test_rows_selected_after_the_similarities_are_right_but_for_nan_embeddings() -> None:
    def loss(embeddings: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
        """labels [N, D], NaN where unknown"""
        s = unit(embeddings) @ unit(embeddings).T / temperature
        known = [~column.isnan() for column in labels.T]
        parts = [
            mean_over_pairs(s[rows][:, rows], labels[rows][:, [c]])
            for c, rows in enumerate(known)
            if rows.sum() > 1
        ]
        return torch.stack(parts).mean()

    it = Implementation(name="it", title="", source="", definition="auto", factory=loss)
    session = LocalSession(it, only={"unlabelled row", "unlabelled NaN row"})
    outcomes = {outcome.check: outcome for outcome in session.run()}
    assert outcomes["unlabelled row"].verdict is Verdict.PASS
    assert outcomes["unlabelled NaN row"].verdict is Verdict.FAIL
    assert outcomes["unlabelled NaN row"].group == "robustness"


@pytest.mark.parametrize("kept", ["columns", "dimensions"])
def test_a_loss_that_reads_a_part_of_wide_inputs_is_wrong_without_missing_labels_too(
    kept: str,
) -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, d], labels [N, D]"""
        if kept == "columns":
            return mean_over_pairs(-distances(features[:, :128]) / temperature, labels)
        return mean_over_pairs(-distances(features) / temperature, labels[:, :3])

    it = Implementation(name="it", title="", source="", definition="auto", factory=loss)
    (outcome,) = LocalSession(it, only={"random cases"}).run()
    assert outcome.verdict is Verdict.FAIL


def test_candidates_of_the_other_view_only_are_named() -> None:
    def loss(z1: Tensor, z2: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
        return mean_over_pairs(unit(z1) @ unit(z2).T / temperature, labels, diagonal=True)

    (fault,) = recognised(loss).faults
    assert "taken from the other view only" in fault


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(("default", "eps"), [(0.1, 1e-8), (0.07, 1e-6)])
def test_eps_after_the_maximum_is_subtracted_is_a_choice(
    own: bool, default: float, eps: float
) -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = default) -> Tensor:
        """features [N, d]"""
        off = ~torch.eye(len(features), dtype=torch.bool)
        s = unit(features) @ unit(features).T / temperature
        s = s - s.detach().masked_fill(~(off | own), -math.inf).amax(1, keepdim=True)
        apart = torch.cdist(labels, labels, p=1.0)
        counted = (apart[:, None] >= apart[:, :, None]) & off[:, None]
        sums = (s.exp()[:, None] * counted).sum(-1)
        return ((sums + eps).log() - s)[off].mean()

    found = recognised(loss)
    assert found.faults == ()
    maximum = "the row's maximum" if own else "the maximum over the other rows"
    assert (
        f"eps added to the denominator after {maximum} is subtracted ({eps:.3g})" in found.choices
    )
    it = Implementation(name="it", title="", source="", definition="auto", factory=loss)
    session = LocalSession(it, only={"gradcheck"})
    assert Verdict.FAIL not in {outcome.verdict for outcome in session.run()}


def test_views_in_the_wrong_order_are_told_from_one_batch_of_both() -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 0.3) -> Tensor:
        """features [N, 2, d]"""
        rows = unit(features.flatten(0, 1))
        return mean_over_pairs(rows @ rows.T / temperature, torch.cat((labels, labels)))

    found = recognised(loss)
    assert found.nearest == "rank-n-contrast"
    assert [words.partition(" (")[0] for words in found.faults] == ["rows interleaved"]


def test_a_partner_left_out_beside_others_as_far_is_named() -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, d]"""
        off = ~torch.eye(len(features), dtype=torch.bool)
        s = -distances(features) / temperature
        apart = torch.cdist(labels, labels, p=1.0)
        counted = (apart[:, None] >= apart[:, :, None]) & off[:, None] & off[None]
        return (((s.exp()[:, None] * counted).sum(-1) + 1e-8).log() - s)[off].mean()

    assert recognised(loss).faults == ("the partner itself left out of its denominator",)


def refusing(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
    """features [N, d]"""
    if len(features) < 3:
        raise ValueError("a ranking takes three rows")
    return mean_over_pairs(-distances(features) / temperature, labels)


def test_a_loss_that_refuses_two_rows_on_purpose_is_right_and_says_so() -> None:
    it = Implementation(name="it", title="", source="", definition="auto", factory=refusing)
    session = LocalSession(it, only={"random cases", "ties", "two rows"})
    verdicts = {outcome.check: outcome.verdict for outcome in session.run()}
    assert set(verdicts.values()) == {Verdict.PASS, Verdict.NOT_APPLICABLE}
    assert verdicts["two rows"] is Verdict.NOT_APPLICABLE
    assert "batches of two rows refused" in session.result().headline


def of_labels(change: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    def loss(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, d]"""
        return mean_over_pairs(-distances(features) / temperature, change(labels))

    return loss


def test_ranks_in_place_of_labels_are_named() -> None:
    ranked = of_labels(lambda y: y.argsort(0).argsort(0).to(y))
    assert recognised(ranked).faults[0].startswith("labels replaced by their ranks")


BY_ROUNDING = (
    "equal label distances come apart by rounding, since labels are moved or scaled inside"
)
BY_DIMENSION = "each label dimension rescaled to its own spread before distances are taken"


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize(
    ("change", "faults"),
    [
        (lambda y: (y - y.mean(0)) / y.std(0), (BY_ROUNDING, BY_DIMENSION)),
        (lambda y: (y - y.amin(0)) / (y.amax(0) - y.amin(0)), (BY_ROUNDING, BY_DIMENSION)),
        (lambda y: (y - y.mean()) / y.std(), (BY_ROUNDING,)),
        (lambda y: 4.0 * y, ()),
        (
            lambda y: y * 2.0 ** torch.arange(y.shape[1]),
            ("another loss on several label dimensions",),
        ),
    ],
)
def test_scaled_labels_break_ties_and_their_distance_over_dimensions_is_no_choice(
    change: Callable[[Tensor], Tensor], faults: tuple[str, ...], joined: bool
) -> None:
    def of_views(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, 2, d]"""
        rows, y = features.transpose(0, 1).flatten(0, 1), change(labels)
        return mean_over_pairs(-distances(rows) / temperature, torch.cat((y, y)))

    found = recognised(of_views if joined else of_labels(change))
    assert found.faults == faults
    assert found.choices == (() if joined else ("a single view",))


FAR = (
    "labels far apart count otherwise: their distance wraps around, as that of angles, or stops "
    "growing, or their pairs are left out"
)
BENT = (
    "labels are transformed inside, by more than a factor and a shift: equal distances between "
    "them come apart"
)
SMALL = (
    "on several label dimensions, small label differences count otherwise than large ones (a "
    "Huber or log-cosh distance, for example)"
)


def of_differences(distance: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """A loss with the sum of this distance of label differences over the dimensions."""

    def loss(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, d]"""
        off = ~torch.eye(len(features), dtype=torch.bool)
        apart = distance(labels[:, None] - labels).sum(-1)
        counted = (apart[:, None] >= apart[:, :, None]) & off[:, None]
        logits = -distances(features) / temperature
        terms = logits[:, None].masked_fill(~counted, -math.inf).logsumexp(-1) - logits
        return terms[off].mean()

    return loss


def around(period: float) -> Callable[[Tensor], Tensor]:
    return lambda x: torch.minimum(x.abs() % period, period - x.abs() % period)


@pytest.mark.parametrize(
    ("distance", "start"),
    [
        *((around(period), period / 2) for period in (1.0, 2 * math.pi, 24.0, 360.0)),
        (lambda x: x.abs().clamp(max=100.0), 100.0),
        (lambda x: torch.minimum(x.abs(), 1 - x.abs()), 0.5),
        (lambda x: 1 - (-x.abs() / 2).exp(), 65.0),
    ],
)
def test_a_label_distance_that_wraps_around_or_stops_growing_is_named_with_its_size(
    distance: Callable[[Tensor], Tensor], start: float
) -> None:
    fault = recognised(of_differences(distance)).faults[0]
    named = re.fullmatch(re.escape(FAR) + r" \(from about ([\d.]+) on\)", fault)
    assert named
    assert math.isclose(float(named[1]), start, rel_tol=0.05)


def keeping(kept: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """A loss that drops rows by their labels."""

    def loss(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, d]"""
        some = kept(labels).all(1)
        return mean_over_pairs(-distances(features[some]) / temperature, labels[some])

    return loss


MISSING = "left out, as if it were missing"


@pytest.mark.parametrize(
    ("kept", "faults"),
    [
        (lambda y: y > -900, (f"rows with a label below about -900 {MISSING}",)),
        (lambda y: y <= 200, (f"rows with a label above about 200 {MISSING}",)),
        (lambda y: y >= 0, (f"rows with a label below about 0 {MISSING}",)),
        (lambda y: y != -1, (f"rows with the label -1 {MISSING}",)),
        (lambda y: (y != 0) & (y != -9), (f"rows with the label -9 or 0 {MISSING}",)),
        (
            lambda y: (y - y.mean(0)).abs() <= 3 * y.std(0),
            ("rows left out whose label is far from the others (as an outlier)",),
        ),
    ],
)
def test_labels_whose_rows_are_left_out_are_named(
    kept: Callable[[Tensor], Tensor], faults: tuple[str, ...]
) -> None:
    assert recognised(keeping(kept)).faults == faults


@pytest.mark.parametrize("low", [torch.float16, torch.bfloat16])
def test_labels_in_a_low_precision_are_told_from_a_step_of_rounding(low: torch.dtype) -> None:
    (fault,) = recognised(of_labels(lambda y: y.to(low).to(y))).faults
    assert fault.startswith("labels lose digits")


@pytest.mark.parametrize("steps", [1e3, 1e4, 256.0])
def test_labels_rounded_by_choice_are_right_in_all_batches(steps: float) -> None:
    def loss(z1: Tensor, z2: Tensor, labels: Tensor) -> Tensor:
        """z1, z2 [N, d], labels [N]"""
        y = (labels[:, None] * steps).round() / steps
        return sum((mean_over_pairs(unit(z) @ unit(z).T / 0.1, y) for z in (z1, z2)), 0 * z1.sum())

    it = Implementation(name="it", title="", source="", definition="auto", factory=loss)
    only = {"large batches", "random cases", "ties", "label transformations"}
    session = LocalSession(it, only=only)
    assert {outcome.verdict for outcome in session.run()} == {Verdict.PASS}
    assert any("rounded to steps" in choice for choice in session.result().reading.choices)


def test_a_far_number_that_is_reserved_is_told_as_a_choice() -> None:
    found = recognised(keeping(lambda y: y != -999))
    assert not found.faults
    assert f"rows with the label -999 {MISSING}" in found.choices


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        (
            lambda y: y.clamp(0, 100),
            (
                "labels above about 100 clipped, so that they tie",
                "labels below about 0 clipped, so that they tie",
            ),
        ),
        (lambda y: y.clamp(min=0), ("labels below about 0 clipped, so that they tie",)),
        (
            lambda y: y.clamp(-1, 1),
            (
                "labels above about 1 clipped, so that they tie",
                "labels below about -1 clipped, so that they tie",
            ),
        ),
        (torch.abs, ("labels taken without their sign, so that -1 and 1 tie",)),
        (
            lambda y: y % 24,
            ("labels above about 24 count otherwise", "labels below about 0 count otherwise"),
        ),
        (
            lambda y: y / (y <= 200),
            ("labels above about 200 make the loss or its gradient NaN",),
        ),
    ],
)
def test_labels_that_are_changed_beyond_a_range_are_named_with_its_ends(
    change: Callable[[Tensor], Tensor], faults: tuple[str, ...]
) -> None:
    assert recognised(of_labels(change)).faults == faults


def test_a_loss_that_is_right_on_other_labels_is_said_to_be() -> None:
    few = {"label transformations", "ties"}
    for kept, right in ((lambda y: y < 300, True), (lambda y: y.abs() >= 0, False)):
        loss = keeping(kept) if right else ends(torch.neg)
        it = Implementation(name="it", title="", source="", definition="auto", factory=loss)
        session = LocalSession(it, only=few)
        assert ("On other labels, its formula is right." in str(session.verified())) == right


def test_a_label_distance_that_goes_on_growing_is_right() -> None:
    assert not recognised(of_differences(torch.abs)).faults


def test_a_loss_that_refuses_labels_beyond_a_range_is_right() -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, d]"""
        if labels.abs().max() > 100:
            raise ValueError("ages only")
        return mean_over_pairs(-distances(features) / temperature, labels)

    it = Implementation(name="it", title="", source="", definition="auto", factory=loss)
    session = LocalSession(it, only={"label transformations", "ties"})
    assert {outcome.verdict for outcome in session.run()} == {Verdict.PASS}
    assert session.result().passed


def test_labels_beyond_a_range_are_not_asked_of_a_loss_that_refuses_them() -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, d]"""
        if labels.abs().max() > 150:
            raise ValueError("ages only")
        scaled = labels * torch.arange(1.0, labels.shape[1] + 1).to(labels)
        return mean_over_pairs(-distances(features) / temperature, scaled)

    assert recognised(loss).faults == ("another loss on several label dimensions",)


def test_an_unknown_loss_that_refuses_far_labels_is_told_as_an_unknown_one() -> None:
    def loss(features: Tensor, labels: Tensor) -> Tensor:
        """features [N, d]"""
        if labels.abs().max() > 100:
            raise ValueError("ages only")
        return (distances(features) - labels.argsort(0).argsort(0)).square().mean()

    (fault,) = recognised(loss).faults
    assert fault.startswith("no loss of this family that is known here")


def test_signed_differences_are_told_from_ranks_though_both_depend_on_the_order_alone() -> None:
    faults = recognised(of_differences(torch.neg)).faults
    assert "signed label differences y_k - y_i in place of absolute ones" in faults
    assert not any("ranks" in fault for fault in faults)


def test_a_distance_in_which_small_differences_count_otherwise_is_named() -> None:
    def huber(x: Tensor) -> Tensor:
        return functional.smooth_l1_loss(x, torch.zeros_like(x), reduction="none")

    assert recognised(of_differences(huber)).faults == (SMALL,)


@pytest.mark.parametrize(
    "change",
    [
        lambda y: y.sign() * y.abs().log1p(),
        lambda y: y.clamp(min=1e-6).log(),
        lambda y: y.abs().sqrt(),
        torch.tanh,
        torch.sigmoid,
    ],
)
def test_labels_that_are_transformed_are_told_from_scaled_ones(
    change: Callable[[Tensor], Tensor],
) -> None:
    assert BENT in recognised(of_labels(change)).faults


def test_labels_without_effect_are_told_from_unknown_ones() -> None:
    def unlabelled(features: Tensor, labels: Tensor) -> Tensor:
        """features [N, d]"""
        return (unit(features) @ unit(features).T).exp().sum(1).log().mean()

    def weighed(features: Tensor, labels: Tensor) -> Tensor:
        """features [N, d]"""
        near = (-distances(labels).square() / 2).softmax(1)
        return -(near * (unit(features) @ unit(features).T).log_softmax(1)).sum(1).mean()

    assert "labels have no effect" in recognised(unlabelled).faults[0]

    def fitted(features: Tensor, labels: Tensor) -> Tensor:
        """features [N, d]"""
        return (distances(features) - distances(labels)).square().mean()

    assert recognised(weighed).faults[0].startswith("no loss of this family: ")
    assert recognised(fitted).faults[0].startswith("no loss of this family: ")


def test_no_fault_is_told_twice() -> None:
    def nearest(features: Tensor, labels: Tensor) -> Tensor:
        """features [N, d]: of each anchor, only the three partners with the nearest labels count"""
        n = len(features)
        off, apart = ~torch.eye(n, dtype=torch.bool), torch.cdist(labels, labels, p=1.0)
        counted = (apart[:, None] >= apart[:, :, None]) & off[:, None]
        logits = -distances(features)
        terms = logits[:, None].masked_fill(~counted, -math.inf).logsumexp(-1) - logits
        near = apart.masked_fill(~off, math.inf).topk(min(3, n - 1), largest=False).indices
        return terms.masked_fill(~off, 0.0).gather(1, near).mean()

    faults = recognised(nearest).faults
    assert faults
    assert len(set(faults)) == len(faults)


@pytest.mark.parametrize("width", [0.1, 1.0, 10.0, 1000.0])
def test_weights_by_label_distance_are_said_to_depend_on_its_size(width: float) -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
        """features [N, d], labels [N, D]"""
        off = ~torch.eye(len(features), dtype=torch.bool)
        s = unit(features) @ unit(features).T / temperature
        weights = (-torch.cdist(labels, labels).square() / (2 * width**2)).exp() * off
        s = s - s.masked_fill(~off, -math.inf).logsumexp(1, keepdim=True)
        return -(weights * s).sum(1).div(weights.sum(1)).mean()

    (fault,) = recognised(loss).faults
    assert "changes with the scale of all labels" in fault


@pytest.mark.parametrize(
    ("most", "words"),
    [(10.0, "changes with the scale of all labels"), (0.02, "unless labels are equal or near")],
)
def test_a_threshold_of_label_distance_is_not_said_to_ignore_it(most: float, words: str) -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
        """features [N, d], labels [N, D]"""
        off = ~torch.eye(len(features), dtype=torch.bool)
        s = unit(features) @ unit(features).T / temperature
        near = (torch.cdist(labels, labels, p=1.0) < most) & off
        s = s - s.masked_fill(~off, -math.inf).logsumexp(1, keepdim=True)
        return -(near * s).sum(1).div(near.sum(1).clamp(min=1)).mean()

    (fault,) = recognised(loss).faults
    assert words in fault


def test_a_factor_of_the_spread_of_labels_is_not_said_to_have_no_effect() -> None:
    def loss(features: Tensor, labels: Tensor) -> Tensor:
        """features [N, d], labels [N, D]"""
        return distances(features).square().mean() * labels.std()

    assert "changes with the scale of all labels" in recognised(loss).faults[0]


def test_candidates_one_place_too_late_in_a_sort_are_one_cause() -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, d], labels [N, D]"""
        n, s = len(features), -distances(features) / temperature
        order = torch.cdist(labels, labels, p=1.0).argsort(dim=1, stable=True)
        terms = []
        for i in range(n):
            row = s[i, order[i][order[i] != i]]
            terms += [row[min(a + 1, n - 2) :].logsumexp(0) - row[a] for a in range(n - 1)]
        return torch.stack(terms).mean()

    found = recognised(loss).faults
    assert found[0].startswith("candidates begin one place too late in a sort (off by one)")
    assert not any("strict" in words or "sort position" in words for words in found)


@pytest.mark.parametrize("highest", [1.0, 86400.0])
def test_a_loss_with_choices_that_is_another_one_on_given_labels_is_not_right(
    tmp_path: Path, highest: float
) -> None:
    """Seconds of a day wrap around where no probe has a label."""
    bits = torch.Generator().manual_seed(0)
    times = highest * torch.rand(80, generator=bits, dtype=torch.float64)
    file = tmp_path / "times.csv"
    file.write_text("\n".join(["second", *map(repr, times.tolist())]))
    loss = of_differences(around(86400.0))
    found = supcr_bench.verify(loss, labels=f"{file}:second", batch_size=64)

    assert found.reading.choices == ("a single view",)
    assert found.passed == (highest == 1)
    assert ("At fault: the given labels: its gradient points" in str(found)) == (highest > 1)


class Queue(nn.Module):
    """Keeps earlier rows as candidates."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[Tensor, Tensor]] = []

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """features [N, d]"""
        rows, others = (torch.cat(x) for x in zip((features, labels), *self.kept, strict=True))
        self.kept = [(features.detach(), labels)]
        return mean_over_pairs(-distances(rows) / 2.0, others)


def test_a_queue_is_named_though_the_first_call_is_right() -> None:
    (fault,) = recognised(Queue).faults
    assert fault.startswith("other numbers at the second call of a module")


class OfCalls(nn.Module):
    """A loss whose temperature, or factor, depends on how often a module was called."""

    def __init__(self, change: str, temperature: float = 2.0) -> None:
        super().__init__()
        self.change, self.temperature, self.calls = change, temperature, 0
        self.mean = torch.zeros(())

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """features [N, d]"""
        self.calls += 1
        logits, factor = -distances(features) / self.temperature, 1.0
        if self.change == "schedule":
            logits = logits / (1 + 0.4 * 0.99**self.calls)
        if self.change == "moving average":
            mean = logits.detach().abs().mean()
            self.mean = 0.9 * self.mean + 0.1 * mean if self.calls > 1 else mean
            logits = logits / self.mean
        if self.change == "warm-up":
            factor = self.calls / 100
        if self.change == "nothing to validate" and not self.training:
            factor = 0.0
        return factor * mean_over_pairs(logits, labels)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("schedule", "the temperature changes from call to call of a module"),
        ("moving average", "the temperature changes from call to call of a module"),
        ("warm-up", "the scale of the loss changes from call to call of a module"),
        (
            "nothing to validate",
            r"another loss in evaluation mode \(module.eval\(\)\): 0 in place of",
        ),
    ],
)
def test_what_changes_with_calls_and_modes_is_one_cause(change: str, words: str) -> None:
    class Loss(OfCalls):
        def __init__(self, temperature: float = 2.0) -> None:
            super().__init__(change, temperature)

    found = recognised(Loss)
    (fault,) = found.faults
    assert re.match(words, fault)
    assert not any("temperature" in choice for choice in found.choices)


def test_similarities_divided_by_a_number_of_the_batch_are_named() -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 0.5) -> Tensor:
        """features [N, d]"""
        apart = distances(features)
        return mean_over_pairs(-apart / (apart.detach().mean() * temperature), labels)

    (fault,) = recognised(loss).faults
    assert fault.startswith("similarities divided by a number that each batch has of its own")


def test_signed_differences_over_several_dimensions_are_named_once() -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, d]"""
        off = ~torch.eye(len(features), dtype=torch.bool)
        apart = (labels[None] - labels[:, None]).sum(-1)
        counted = (apart[:, None] >= apart[:, :, None]) & off[:, None]
        logits = -distances(features) / temperature
        terms = logits[:, None].masked_fill(~counted, -math.inf).logsumexp(-1) - logits
        return terms[off].mean()

    (fault,) = recognised(loss).faults
    assert fault == "signed label differences y_k - y_i in place of absolute ones"


def test_a_factor_in_a_low_precision_has_no_digits_that_it_cannot_show() -> None:
    def loss(features: Tensor, labels: Tensor) -> Tensor:
        """features [N, d]"""
        rows = features.bfloat16()
        return 64 * mean_over_pairs((-distances(rows.float()) / 2).bfloat16().float(), labels)

    assert recognised(loss).faults[-1] == "a constant factor of about 64"


def test_a_low_precision_of_autocast_is_named_though_float64_escapes_it() -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 0.5) -> Tensor:
        """features [N, d]"""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            products = unit(features) @ unit(features).T
        return mean_over_pairs(products.to(features) / temperature, labels)

    assert recognised(loss).faults == ("computed in bfloat16 inside",)


@pytest.mark.parametrize("low", [torch.bfloat16, torch.float16])
def test_a_low_precision_of_similarities_alone_is_named(low: torch.dtype) -> None:
    def loss(features: Tensor, labels: Tensor) -> Tensor:
        """features [N, d]"""
        return mean_over_pairs((distances(features) / -2).to(low).to(features.dtype), labels)

    found = recognised(loss)

    assert found.faults == ("computed in float16, or partly in bfloat16, inside",)
    assert found.choices == ("a single view",)


@pytest.mark.parametrize("step", [0.25, 0.1])
def test_labels_put_into_bins_are_told_from_near_labels_that_tie(step: float) -> None:
    def loss(features: Tensor, labels: Tensor) -> Tensor:
        """features [N, d]"""
        return mean_over_pairs(-distances(features), (labels / step).floor())

    (fault,) = recognised(loss).faults
    width = float(fault.removeprefix("labels rounded to steps of about "))

    assert math.isclose(width, step, rel_tol=0.3)


def within(tolerance: float) -> Callable[..., Tensor]:
    """A loss that takes labels as tied whose differences are at most this far apart."""

    def loss(features: Tensor, labels: Tensor) -> Tensor:
        """features [N, d]"""
        off = ~torch.eye(len(features), dtype=torch.bool)
        apart = torch.cdist(labels.float(), labels.float(), p=1.0)
        counted = (apart[:, None] >= apart[:, :, None] - tolerance) & off[:, None]
        logits = -distances(features)
        terms = logits[:, None].masked_fill(~counted, -math.inf).logsumexp(-1) - logits
        return terms[off].mean()

    return loss


def test_a_tolerance_is_told_from_rounded_labels_with_its_size() -> None:
    for tolerance in (5e-3, 9e-3):
        found = recognised(within(tolerance))
        assert not found.faults
        assert f"label differences below about {tolerance} counted as ties" in found.choices


@pytest.mark.parametrize("share", [1e-5, 1e-3, 1e-2])
def test_a_tolerance_that_is_a_share_of_the_distance_is_told(share: float) -> None:
    def loss(features: Tensor, labels: Tensor) -> Tensor:
        """features [N, d]"""
        off = ~torch.eye(len(features), dtype=torch.bool)
        apart = torch.cdist(labels, labels, p=1.0)
        counted = (apart[:, None] >= apart[:, :, None] * (1 - share)) & off[:, None]
        logits = -distances(features)
        terms = logits[:, None].masked_fill(~counted, -math.inf).logsumexp(-1) - logits
        return terms[off].mean()

    found = recognised(loss)
    words = f"label distances that differ by less than about {100 * share:g} % counted as ties"

    assert words in (found.choices if share <= 1e-3 else found.faults)
    assert len(found.faults) == (share > 1e-3)


def cut(rows: Tensor) -> Tensor:
    """The rows, whose gradient is cut."""
    rows = rows.clone()
    if rows.requires_grad:
        rows.register_hook(lambda gradient: gradient.clamp(-1, 1))  # type: ignore[no-untyped-call]
    return rows


class Hidden(nn.Module):
    """A loss with a mistake that ordinary batches do not show."""

    def __init__(self, mistake: str) -> None:
        super().__init__()
        self.mistake, self.calls = mistake, 0
        self.seen: dict[object, Tensor] = {}

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """features [N, d]"""
        self.calls += 1
        rows = {
            "rows clamped": lambda: features.clamp(-10, 10),
            "wide rows": lambda: features[:, :1024],
            "gradient cut": lambda: cut(features),
        }.get(self.mistake, lambda: features)()
        if self.mistake == "labels kept":
            key = float(labels.sum().round(decimals=3)), len(labels)
            labels = self.seen.setdefault(key, labels.clone())
        logits = -distances(rows) / 2
        if self.mistake.startswith("logits clamped"):
            logits = logits.clamp(min=float(self.mistake.split()[-1]))
        loss = mean_over_pairs(logits, labels)
        return loss / 2 if self.mistake == "calls counted" and self.calls > 5 else loss


@pytest.mark.parametrize(
    ("mistake", "check"),
    [
        ("logits clamped -20", "edge embeddings"),
        ("logits clamped -50", "edge embeddings"),
        ("rows clamped", "edge embeddings"),
        ("wide rows", "random cases"),
        ("gradient cut", "random cases"),
        ("labels kept", "repeatability"),
        ("calls counted", "memory growth"),
    ],
)
def test_what_ordinary_batches_do_not_show_is_caught(mistake: str, check: str) -> None:
    for wrong in (mistake, "none"):
        it = Implementation(
            name="it", title="", source="", definition="auto", factory=lambda of=wrong: Hidden(of)
        )
        found = {outcome.check: outcome for outcome in LocalSession(it, only={check}).run()}
        assert found[check].verdict is (Verdict.PASS if wrong == "none" else Verdict.FAIL)


def test_a_tolerance_by_choice_is_right_in_large_batches_too() -> None:
    def loss(z1: Tensor, z2: Tensor, labels: Tensor) -> Tensor:
        """z1, z2 [N, d], labels [N]"""
        off, apart = ~torch.eye(len(z1), dtype=torch.bool), (labels[:, None] - labels).abs()
        counted = (apart[:, None] >= apart[:, :, None] - 1e-6) & off[:, None]
        terms = []
        for view in (z1, z2):
            logits = unit(view) @ unit(view).T / 0.1
            term = logits[:, None].masked_fill(~counted, -math.inf).logsumexp(-1) - logits
            terms.append(term[off].mean())
        return terms[0] + terms[1]

    it = Implementation(name="it", title="", source="", definition="auto", factory=loss)
    session = LocalSession(it, only={"large batches", "ties"})
    assert {outcome.verdict for outcome in session.run()} == {Verdict.PASS}
    assert "label differences below about 1e-06 counted as ties" in session.result().reading.choices


def test_a_division_by_the_largest_label_distance_is_named_where_all_labels_are_equal() -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, d]"""
        off, apart = ~torch.eye(len(labels), dtype=torch.bool), torch.cdist(labels, labels, p=1.0)
        apart = apart / apart.max()
        weights = (-distances(features) / temperature).exp()
        counted = (apart[:, None] >= apart[:, :, None]) & off[:, None]
        return ((weights[:, None] * counted).sum(-1) / weights).log()[off].mean()

    (fault,) = recognised(loss).faults
    assert fault.startswith("the loss or its gradient is not finite where all labels are equal")


def test_a_tolerance_that_ordinary_labels_show_is_a_fault() -> None:
    assert recognised(within(0.05)).faults == (
        "label differences below about 0.05 counted as ties",
    )


@pytest.mark.parametrize("factor", [64.0, 0.01])
def test_a_gradient_that_is_nearly_right_but_scaled_is_no_low_precision(factor: float) -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
        """features [N, d]"""
        cosines = unit(features.float()) @ unit(features.float()).T
        own = mean_over_pairs(cosines / temperature, labels) + 0.004 * cosines.square().mean()
        return own.detach() + factor * (own - own.detach())

    assert recognised(loss).faults[0] == "on a small batch, its gradient is off by 0.14 degrees"


def test_labels_changed_in_place_are_named_beside_what_they_do_to_the_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def loss(features: Tensor, labels: Tensor) -> Tensor:
        """features [N, d]"""
        labels -= labels.mean()
        return mean_over_pairs(-distances(features), labels)

    few = [check for check in all_checks() if check.name in ("ties", "inputs unmodified")]
    monkeypatch.setattr(local_session, "all_checks", lambda: few)
    found = supcr_bench.verify(loss)

    assert len(found.causes) == 1
    assert "At fault: inputs unmodified: the call changes the labels" in str(found)


def test_anchors_at_random_are_named_though_few_rows_may_repeat() -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, d]"""
        some = torch.randperm(len(features))[: max(len(features) - 1, 2)]
        return mean_over_pairs(-distances(features[some]) / temperature, labels[some])

    torch.manual_seed(0)
    (fault,) = recognised(loss).faults
    assert "random numbers inside" in fault


def test_parameters_that_are_random_in_each_new_object_are_told_from_random_numbers() -> None:
    class Margins(nn.Module):
        def __init__(self, temperature: float = 2.0) -> None:
            super().__init__()
            self.temperature, self.scale = temperature, nn.Parameter(torch.rand(()) + 1)

        def forward(self, features: Tensor, labels: Tensor) -> Tensor:
            """features [N, d]"""
            return mean_over_pairs(-distances(features) * self.scale / self.temperature, labels)

    (fault,) = recognised(Margins).faults
    assert fault.endswith("with every new object (its parameters start at random)")


def test_distances_made_of_products_are_right_on_random_rows() -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, d]"""
        squares = features.square().sum(1)
        apart = squares[:, None] + squares - 2 * features @ features.T
        return mean_over_pairs(-apart.clamp(min=1e-12).sqrt() / temperature, labels)

    it = Implementation(name="it", title="", source="", definition="auto", factory=loss)
    (outcome,) = LocalSession(it, only={"random cases"}).run()
    assert outcome.verdict is Verdict.PASS


def test_one_label_dimension_is_read_though_several_fit_nothing() -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
        """features [N, d]; each label dimension has a block of the columns."""
        blocks = features.chunk(labels.shape[1], dim=1)
        parts = [
            mean_over_pairs(unit(b) @ unit(b).T / temperature, y[:, None])
            for b, y in zip(blocks, labels.T, strict=True)
        ]
        return torch.stack(parts).mean()

    found = recognised(loss)
    assert found.nearest == "no-self"
    assert found.faults == ("another loss on several label dimensions",)


NEGATED = "the loss is negated: training goes the wrong way"
LOW = {
    torch.bfloat16: "computed in bfloat16 inside",
    torch.float16: "computed in float16, or partly in bfloat16, inside",
}


@pytest.mark.parametrize("low", LOW)
@pytest.mark.parametrize("place", ["rows", "similarities", "denominators"])
def test_a_negated_loss_is_named_in_a_low_precision_too(place: str, low: torch.dtype) -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, d]"""

        def rounded(x: Tensor, where: str) -> Tensor:
            return x.to(low).to(x) if place == where else x

        logits = rounded(-distances(rounded(features, "rows")) / temperature, "similarities")
        off = ~torch.eye(len(features), dtype=torch.bool)
        apart = torch.cdist(labels, labels, p=1.0)
        counted = (apart[:, None] >= apart[:, :, None]) & off[:, None]
        sums = rounded(logits.exp()[:, None] * counted, "denominators").sum(-1)
        return (logits - sums.log())[off].mean()

    assert recognised(loss).faults == (NEGATED, LOW[low])


def ends(change: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    def loss(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, d]"""
        return change(mean_over_pairs(-distances(features) / temperature, labels))

    return loss


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        (lambda x: x - 2 * x.detach(), ("the value of the loss is negated, its gradient is not",)),
        (
            lambda x: x.bfloat16().to(x),
            ("the loss is rounded to bfloat16 at the end, its gradient is not",),
        ),
        (
            lambda x: -x.bfloat16().to(x),
            (NEGATED, "the loss is rounded to bfloat16 at the end, its gradient is not"),
        ),
        (lambda x: -x, (NEGATED,)),
        (lambda x: 2 * x.detach() - x, ("the gradient has the wrong sign",)),
    ],
)
def test_what_is_done_to_the_loss_at_the_end_is_named(
    change: Callable[[Tensor], Tensor], faults: tuple[str, ...]
) -> None:
    assert recognised(ends(change)).faults == faults


@pytest.mark.parametrize("sort", [True, False])
def test_what_else_is_wrong_is_named_beside_ranks(sort: bool) -> None:
    def loss(features: Tensor, labels: Tensor) -> Tensor:
        """features [N, d]"""
        ranks = labels.argsort(0).argsort(0)
        dense = torch.stack([torch.unique(y, return_inverse=True)[1] for y in labels.T], 1)
        logits = -distances(features) / 0.3
        return -2.5 * mean_over_pairs(logits, (ranks if sort else dense).to(labels))

    found = recognised(loss)
    ties = ["ties taken by an order of rows (of a sort): equal labels are not treated alike"]
    assert found.faults[0].startswith("labels replaced by their ranks")
    assert list(found.faults[1:]) == [NEGATED, *ties * sort, "a constant factor of 2.5"]
    assert "a default temperature of 0.3 (not 2)" in found.choices


@pytest.mark.parametrize("given", [True, False])
def test_the_temperature_of_detached_denominators_is_read_from_several_batches(given: bool) -> None:
    def own(features: Tensor, labels: Tensor, temperature: float = 0.3) -> Tensor:
        """features [N, d]"""
        off = ~torch.eye(len(features), dtype=torch.bool)
        apart = torch.cdist(labels, labels, p=1.0)
        counted = (apart[:, None] >= apart[:, :, None]) & off[:, None]
        logits = unit(features) @ unit(features).T / (temperature if given else 0.3)
        terms = logits.detach()[:, None].masked_fill(~counted, -math.inf).logsumexp(-1) - logits
        return terms[off].mean()

    def fixed(features: Tensor, labels: Tensor) -> Tensor:
        """features [N, d]"""
        return own(features, labels)

    found = recognised(own if given else fixed)
    assert found.faults == ("the denominator's gradient detached",)
    assert any("default temperature of 0.3" in choice for choice in found.choices)


def test_a_negated_loss_may_have_a_large_eps() -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
        """features [N, d]"""
        off = ~torch.eye(len(features), dtype=torch.bool)
        apart = torch.cdist(labels, labels, p=1.0)
        counted = (apart[:, None] >= apart[:, :, None]) & off[:, None]
        weights = (unit(features) @ unit(features).T / temperature).exp()
        ratio = weights / (weights[:, None] * counted).sum(-1)
        return (ratio + 1e-3).log()[off].mean()

    found = recognised(loss)
    assert found.faults == (NEGATED,)
    assert "eps added to the ratio inside the logarithm (0.001)" in found.choices


@pytest.mark.parametrize(
    ("place", "eps"),
    [
        ("ratio inside the logarithm", 1e-18),
        ("ratio inside the logarithm", 1e-30),
        ("denominator", 1e-18),
        ("denominator", 1e-24),
    ],
)
def test_an_eps_that_only_far_rows_show_is_a_choice(place: str, eps: float) -> None:
    def loss(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, d]"""
        off = ~torch.eye(len(features), dtype=torch.bool)
        apart = torch.cdist(labels, labels, p=1.0)
        counted = (apart[:, None] >= apart[:, :, None]) & off[:, None]
        weights = (-distances(features) / temperature).exp()
        sums = (weights[:, None] * counted).sum(-1)
        if place == "denominator":
            return ((sums + eps).log() - weights.log())[off].mean()
        return -(weights / sums + eps).log()[off].mean()

    found = recognised(loss)
    assert not found.faults
    assert f"eps added to the {place} ({eps:.3g})" in found.choices


def test_a_tolerance_hides_no_other_fault() -> None:
    plain = within(0.05)

    def loss(features: Tensor, labels: Tensor) -> Tensor:
        """features [N, d]"""
        parts = [plain(features, y[:, None]) for y in labels.T]
        return -3 * torch.stack(parts).mean()

    tolerance, times = (
        "label differences below about 0.05 counted as ties",
        "a constant factor of 3",
    )
    found = recognised(loss)
    assert found.faults == (NEGATED, tolerance, times)
    assert "one loss for each label dimension" in found.choices


def test_a_view_used_twice_is_no_factor_of_2_where_the_number_of_pairs_is_not_divided_by() -> None:
    def loss(perturbed: Tensor, intact: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
        total = 0.0 * perturbed.sum()
        for y in labels.T:
            kept = ~y.isnan()
            n = int(kept.sum())
            if n > 1:
                rows = unit(perturbed[kept])
                own = mean_over_pairs(rows @ rows.T / temperature, y[kept, None])
                total = total + 2 * n * (n - 1) * own / labels.shape[1]
        return total

    found = recognised(loss)
    assert found.faults == ("the first view used twice", "not divided by the number of pairs")


def test_a_loss_that_takes_its_tensors_by_name_is_computed_under_autocast() -> None:
    def loss(*, labels: Tensor, features: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, d]"""
        off = ~torch.eye(len(labels), dtype=torch.bool)
        logits = -(features[:, None] - features).norm(dim=-1) / temperature
        apart = (labels[:, None] - labels).abs().sum(dim=-1)
        counted = (apart[:, None] >= apart[:, :, None]) & off[:, None]
        sums = logits[:, None].masked_fill(~counted, -math.inf).logsumexp(-1)
        mean: Tensor = (sums - logits)[off].mean()
        return mean

    it = Implementation(name="it", title="", source="", definition="auto", factory=loss)
    (outcome,) = LocalSession(it, only={"low precision"}).run()
    assert outcome.verdict is Verdict.PASS
