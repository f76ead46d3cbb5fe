"""Losses as people write them, each called in another way; each joins its views to 2N rows."""

import warnings
from typing import Any

import torch
from torch import Tensor, nn


def ranked(rows: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
    """Rank-N-Contrast over rows [M, d] with labels [M, D], or [M, M] distances as a 3-tuple."""
    apart = (labels[:, None] - labels[None]).abs().sum(dim=-1)
    return by_distance(rows, apart, temperature)


def by_distance(rows: Tensor, apart: Tensor, temperature: float = 2.0) -> Tensor:
    n = len(rows)
    squares = (rows[:, None] - rows[None]).pow(2).sum(dim=-1)
    eye = torch.eye(n, dtype=torch.bool)
    logits = -torch.where(eye, 1.0, squares).sqrt() / temperature
    farther = (apart[:, None, :] >= apart[:, :, None]) & ~eye[:, None, :]
    masked = logits[:, None, :].masked_fill(~farther, -torch.inf)
    terms = torch.where(eye, 0.0, masked.logsumexp(dim=2) - logits)
    return terms.sum() / (n * (n - 1))


def two(first: Tensor, second: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
    return ranked(torch.cat((first, second)), torch.cat((labels, labels)), temperature)


class SpelledOut(nn.Module):
    """Official: comments alone say the shapes."""

    def __init__(self, temperature=2, label_diff="l1", feature_sim="l2"):
        super().__init__()
        self.t = temperature

    def forward(self, features, labels):
        # features: [bs, 2, feat_dim]
        # labels: [bs, label_dim]

        features = torch.cat([features[:, 0], features[:, 1]], dim=0)  # [2bs, feat_dim]
        labels = labels.repeat(2, 1)  # [2bs, label_dim]
        return ranked(features, labels, self.t)


def any_number_of_views(features, labels, temp=2.0):
    """
    Args:
        features: hidden vector of shape [bsz, n_views, ...].
        labels: ground truth of shape [bsz, dim].
    """
    rows = torch.cat(torch.unbind(features, dim=1))
    return ranked(rows, labels.repeat(features.shape[1], 1), temp)


def views_first(views, y, T=2.0):  # noqa: N803
    """views : Tensor of shape ``(2, N, d)``; y : Tensor of shape ``(N, D)``."""
    return two(views[0], views[1], y, T)


def stacked(features, labels, tau=2.0):
    """Both views below each other.

    :param features: a '2N x d' tensor
    :param labels: an 'N x D' tensor
    """
    n = len(labels)
    return two(features[:n], features[n:], labels, tau)


def stacked_with_labels(features, labels, tau=2.0):
    """features [2 * N, d] and labels [2 * N, D]."""
    return ranked(features, labels, tau)


def half_of_rows(emb, labels):
    """Rows of both views, and labels of one; nothing says so."""
    assert len(emb) == 2 * len(labels)
    n = len(labels)
    return two(emb[:n], emb[n:], labels)


class MappedViews(nn.Module):
    def __init__(self, init_temperature: float = 2.0):
        super().__init__()
        self.tau = init_temperature

    def forward(self, views: dict[str, Tensor], labels: Tensor) -> dict[str, Any]:
        return {"rnc_loss": two(views["wild"], views["mutant"], labels, self.tau)}


def mapping_of_rows(views, labels):
    """views: dict with 'wild' and 'mutant', each [N, d]; labels [N, D]."""
    return two(views["wild"], views["mutant"], labels)


def any_mapping(embeddings, labels):
    return two(*embeddings.values(), labels)  # type: ignore[call-arg]


def listed(zs, labels):
    """zs: list of the two views."""
    assert isinstance(zs, list)
    return two(zs[0], zs[1], labels)


def label_after_each(z1, y1, z2, y2):
    return ranked(torch.cat((z1, z2)), torch.cat((y1, y2)))


def labels_last(z_a, z_b, y_a, y_b):
    return ranked(torch.cat((z_a, z_b)), torch.cat((y_a, y_b)))


def labels_first(targets, z):
    """z: (batch_size, 2, dim)."""
    return two(z[:, 0], z[:, 1], targets)


def by_keyword(*, labels, first_view, second_view, temperature):
    return two(first_view, second_view, labels, temperature)


def distances(features, label_dist):
    """features (N, d) and their label distances (N, N)."""
    if label_dist.shape != (len(features), len(features)):
        raise ValueError("label_dist must be square")
    return by_distance(features, label_dist)


def whole_numbers(features, labels):
    """One view: features [N, d]."""
    if labels.dtype != torch.long:
        raise TypeError("labels must be of dtype long")
    return ranked(features, labels.double())


class Options(nn.Module):
    """Everything in ``**kwargs``."""

    def __init__(self, **kwargs):
        super().__init__()
        unknown = set(kwargs) - {"tau", "mode"}
        if unknown:
            raise TypeError(f"unexpected {unknown}")
        self.tau = kwargs.get("tau", 2.0)

    def forward(self, z1, z2, labels):
        return two(z1, z2, labels, self.tau)


class Passing(Options):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]


class TemperatureInCall:
    def __call__(self, z_i, z_j, labels, temperature):
        return two(z_i, z_j, labels, temperature)


class Optional(nn.Module):
    """As SupCon: labels have a default, and there is a mask."""

    def __init__(self, temperature=0.07, contrast_mode="all", base_temperature=2.0):
        super().__init__()
        self.temperature = temperature

    def forward(self, features, labels=None, mask=None):
        bsz, _, _ = features.shape
        labels = labels.contiguous().view(-1, 1)
        if labels.shape[0] != bsz:
            raise ValueError("Num of labels does not match num of features")
        return two(features[:, 0], features[:, 1], labels, self.temperature)


def flat(x, y, t=2.0):
    """x: [N, d]; y: (N,)."""
    return ranked(x, y.unsqueeze(1), t)


def scalar_labels(features, labels):
    """features (bsz, n_views, dim); the labels are scalar."""
    return two(features[:, 0], features[:, 1], labels.reshape(len(labels), -1)[:, :1])


def own_weights(features, labels, weights=None):
    """Its weights are of the samples: features [N, d]."""
    if weights is not None and len(weights) != len(features):
        raise ValueError("a weight for each sample")
    return ranked(features, labels)


class Methods:
    def __init__(self, temperature=2.0):
        self.temperature = temperature

    def compute(self, features, labels):
        """features [N, 2, d]."""
        return two(features[:, 0], features[:, 1], labels, self.temperature)

    def plot(self, axis):
        raise NotImplementedError


def logged(function):
    """A decorator without functools.wraps."""

    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@logged
def decorated(features, labels, tau=2.0):
    """features [N, d]."""
    return ranked(features, labels, tau)


class DecoratedForward(nn.Module):
    @logged
    def forward(self, z_i, z_j, targets):
        return two(z_i, z_j, targets)


def typed(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
    """features [N, d]."""
    return ranked(features, labels, temperature)


with warnings.catch_warnings(action="ignore"):  # torch prefers its compiler
    scripted = torch.jit.script(typed)


def logs_first(z1, z2, labels):
    return {"rows": len(z1)}, two(z1, z2, labels)


def nested(z1, z2, labels):
    return {"losses": {"rnc": two(z1, z2, labels)}, "rows": len(z1)}


class NamedLikeAShape(nn.Module):
    def forward(self, batch, labels):
        return ranked(batch, labels)
