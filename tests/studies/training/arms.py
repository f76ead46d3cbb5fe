"""The arms of the study: each trains the same encoder, on the same batches, with another loss."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from supcr_bench import RnCLoss, SupCRLoss
from supcr_bench.subjects.registry import load, locate
from supcr_bench.values.definition import NO_SELF, RANK_N_CONTRAST, TORCHCELL, Definition
from supcr_bench.verification.bugs.catalogue import BUGS
from supcr_bench.verification.bugs.demo_loss import MyLoss
from supcr_bench.verification.bugs.seeded_bug import seeded_bugs

Loss = Callable[[Tensor, Tensor, Tensor, nn.Module], Tensor]
"""Of two views [N, d], labels [N, D] and a linear head, which only plain regression uses."""
TORCHCELL_BASE, RNC_BASE = "torchcell", "rank-n-contrast"
REORDERED, UNTRAINED = "rows in another order", "not trained"


class Arm(NamedTuple):
    """One arm.

    Attributes:
        name: unique within a question.
        kind: ``implementation``, ``order``, ``definition``, ``fault`` or ``baseline``.
        base: the arm that it is compared with; empty where it is one itself.
        make: a new loss; ``None`` for an encoder that is not trained.
        order: seed of a permutation of each batch's rows, which changes the order of every sum.
        factory: the class of the loss, for ``verify --labels``.
        definition: the one with which ``verify`` compares it.
    """

    name: str
    kind: str
    base: str
    make: Callable[[], Loss] | None
    order: int | None = None
    factory: Callable[..., Any] | None = None
    definition: Definition = TORCHCELL


def supcr(factory: Callable[..., Any], dims: int) -> Loss:
    """A loss of the note's call, with equal weights of D label dimensions."""
    module = factory(weights=torch.ones(dims))

    def loss(first: Tensor, second: Tensor, labels: Tensor, head: nn.Module) -> Tensor:
        found: Tensor = module(first, second, labels)[0]
        return found

    return loss


def rank_n_contrast(factory: Callable[..., Any]) -> Loss:
    """A loss of features [N, 2, d], of the rows that have every label: it takes no missing one."""
    module = factory()

    def loss(first: Tensor, second: Tensor, labels: Tensor, head: nn.Module) -> Tensor:
        whole = ~labels.isnan().any(dim=1)
        found: Tensor = module(torch.stack((first[whole], second[whole]), dim=1), labels[whole])
        return found

    return loss


def regression(power: int, middle: Tensor) -> Loss:
    """The mean of |prediction - label|**power over known labels and both views.

    ``middle`` [D] is what the head adds its output to, so that it starts near the labels.
    """

    def loss(first: Tensor, second: Tensor, labels: Tensor, head: nn.Module) -> Tensor:
        known = ~labels.isnan()
        goal = labels.nan_to_num() - middle
        errors = [(head(view) - goal)[known].abs() ** power for view in (first, second)]
        return torch.cat(errors).mean()

    return loss


def registered(name: str) -> Callable[..., Any]:
    """The class of an implementation that ``supcr-bench list`` shows."""
    return load(locate(name)).factory


def same_network_arms(dims: int) -> list[Arm]:
    """The three of the note, the fast ones, and two runs of one of them in other orders."""
    names = ("broadcast", "loopy", "rowsort", "tiled", "scan")
    arms = [
        Arm(n, "implementation", "", partial(supcr, registered(n), dims), factory=registered(n))
        for n in names
    ]
    again = partial(supcr, registered("broadcast"), dims)
    return [*arms, *(Arm(f"broadcast, {REORDERED} ({i})", "order", "", again, i) for i in (1, 2))]


OTHERS = seeded_bugs("""
[RightRankNContrast, definition]
rnc-ties-by-position: place := delta.argsort(dim=1, stable=True).argsort(dim=1)
rnc-second-view-detached: view := torch.cat((features[:, 0], features[:, 1].detach()))
[RightSupCR, definition]
# One reshape in place of two slices: rows of the encoder's output meet labels of other rows.
views-interleaved:
    views := {old}
    both = torch.cat(views)
    views = list(both.reshape(len(labels), 2, -1).unbind(1))
""")
SEEDED = {bug.name: bug.factory for bug in (*BUGS, *OTHERS)}
FAULTS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "ties by sort position": (SEEDED["ties-by-position"], SEEDED["rnc-ties-by-position"]),
    "strict inequality": (SEEDED["strict-inequality"], MyLoss),
    "interleaved views": (SEEDED["views-interleaved"], SEEDED["rnc-labels-interleaved"]),
    "anchor always counted": (SEEDED["self-always"], SEEDED["rnc-self-always"]),
    "one view detached": (SEEDED["second-view-detached"], SEEDED["rnc-second-view-detached"]),
}
"""Five common faults, planted in ``torchcell`` and in ``rank-n-contrast``."""


def what_is_learned_arms(dims: int, middle: Tensor) -> list[Arm]:
    """Definitions, faults and plain regression; ``middle`` as in :func:`regression`."""
    torchcell, rnc = partial(supcr, SupCRLoss, dims), partial(rank_n_contrast, RnCLoss)
    no_self = partial(supcr, partial(SupCRLoss, definition=NO_SELF), dims)
    arms = [
        Arm(TORCHCELL_BASE, "definition", "", torchcell, factory=registered("tiled")),
        Arm(f"{TORCHCELL_BASE}, {REORDERED}", "order", TORCHCELL_BASE, torchcell, order=1),
        Arm(f"{RNC_BASE}, {REORDERED}", "order", RNC_BASE, rnc, order=1),
        Arm("no-self", "definition", TORCHCELL_BASE, no_self),
        Arm(RNC_BASE, "definition", TORCHCELL_BASE, rnc, definition=RANK_N_CONTRAST),
    ]
    for name, (first, second) in FAULTS.items():
        planted = {
            TORCHCELL_BASE: (partial(supcr, first, dims), first, TORCHCELL),
            RNC_BASE: (partial(rank_n_contrast, second), second, RANK_N_CONTRAST),
        }
        for base, (make, factory, definition) in planted.items():
            arm = Arm(f"{base}: {name}", "fault", base, make, None, factory, definition)
            arms.append(arm)
    return [
        *arms,
        Arm("regression, MSE", "baseline", TORCHCELL_BASE, partial(regression, 2, middle)),
        Arm("regression, L1", "baseline", TORCHCELL_BASE, partial(regression, 1, middle)),
        Arm(UNTRAINED, "baseline", TORCHCELL_BASE, None),
    ]
