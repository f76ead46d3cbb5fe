"""Losses as people write them, each called in another way, and a file of them for the doors.

Every door of the tool, `run`, `gate`, the pytest fixture and `supcr_bench.verify`, is held to this
list. Each is right by the definition beside it.
"""

from pathlib import Path

SUBJECTS = {
    "RnCLoss": "rank-n-contrast",
    "rnc_function": "rank-n-contrast",
    "TwoViews": "no-self",
    "FlatLabels": "no-self",
    "instance": "no-self",
    "partial_class": "no-self",
    "partial_function": "rank-n-contrast",
    "TotalAlone": "no-self",
    "DictOutput": "no-self",
}
"""The name of each in the file, and the definition that its numbers follow."""

SOURCE = '''
"""Losses of the family, as a person writes them."""

import functools

import torch
from torch import nn


class RnCLoss(nn.Module):
    """Rank-N-Contrast: features [N, 2, d], labels [N, D]; one partner after another."""

    def __init__(self, temperature=2.0):
        super().__init__()
        self.temperature = temperature

    def forward(self, features, labels):
        features = torch.cat([features[:, 0], features[:, 1]], dim=0)
        return ranked(features, labels.repeat(2, 1), self.temperature)


def ranked(features, labels, temperature):
    """The mean over ordered pairs, without the diagonal."""
    n = len(features)
    apart = (labels[:, None] - labels[None, :]).abs().sum(dim=-1)
    logits = -(features[:, None] - features[None, :]).norm(2, dim=-1) / temperature
    logits = logits - logits.max(dim=1, keepdim=True).values.detach()
    exps = logits.exp()
    others = ~torch.eye(n, dtype=torch.bool, device=features.device)
    logits = logits[others].view(n, n - 1)
    exps = exps[others].view(n, n - 1)
    apart = apart[others].view(n, n - 1)
    loss = 0.0
    for k in range(n - 1):
        farther = (apart >= apart[:, k : k + 1]).float()
        loss = loss - (logits[:, k] - (farther * exps).sum(dim=-1).log()).sum()
    return loss / (n * (n - 1))


def rnc_function(features, labels, temperature=1.0):
    """A plain function: features [N, d], labels [N, D]."""
    return ranked(features, labels.reshape(len(labels), -1), temperature)


def cosine(rows, y, temperature):
    """One view and one label dimension, the anchor never among the candidates."""
    n = len(rows)
    unit = nn.functional.normalize(rows, dim=1)
    logits = unit @ unit.T / temperature
    apart = (y[:, None] - y[None, :]).abs()
    others = ~torch.eye(n, dtype=torch.bool, device=rows.device)
    farther = (apart[:, None, :] >= apart[:, :, None]) & others[:, None, :]
    masked = logits[:, None, :].masked_fill(~farther, -torch.inf)
    terms = torch.where(others, masked.logsumexp(dim=2) - logits, 0.0)
    return terms.sum() / (n * (n - 1))


class TwoViews(nn.Module):
    """Two views, as z1 and z2."""

    def __init__(self, tau=0.1):
        super().__init__()
        self.tau = tau

    def forward(self, z1, z2, labels):
        parts = [cosine(z1, y, self.tau) + cosine(z2, y, self.tau) for y in labels.unbind(1)]
        parts = torch.stack(parts)
        return parts.mean(), parts


class FlatLabels(nn.Module):
    """Labels [N] alone."""

    def __init__(self, temperature=0.1):
        super().__init__()
        self.temperature = temperature

    def forward(self, z1, z2, labels):
        if labels.ndim != 1:
            raise ValueError("labels must have one axis")
        return cosine(z1, labels, self.temperature) + cosine(z2, labels, self.temperature)


class TotalAlone(TwoViews):
    """The loss without its parts."""

    def forward(self, z1, z2, labels):
        return super().forward(z1, z2, labels)[0]


class DictOutput(TwoViews):
    """A dictionary."""

    def forward(self, z1, z2, labels):
        return {"loss": super().forward(z1, z2, labels)[0], "temperature": self.tau}


instance = TwoViews(tau=0.07)
partial_class = functools.partial(TwoViews, tau=0.1)
partial_function = functools.partial(rnc_function, temperature=0.5)
'''


def write_subjects(folder: Path) -> Path:
    """The file of them, in that folder."""
    file = folder / "losses.py"
    file.write_text(SOURCE)
    return file
