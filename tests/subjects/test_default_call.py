from pathlib import Path

import pytest

from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.find_call import call_by_default, find_call
from supcr_bench.subjects.registry import load, locate
from supcr_bench.values.default_call import changes_of_call
from supcr_bench.values.definition import TORCHCELL

LOSS = """
import torch
from torch import nn

TAU = 0.1

class Loss(nn.Module):
    def __init__(self, temperature=0.1, eps=1e-7, margin: float = 0.0):
        super().__init__()
        self.temperature, self.eps = temperature, eps

    def forward(self, perturbed, intact, labels):
        y = labels.reshape(len(labels))
        loss = 0
        for z in (perturbed, intact):
            z = nn.functional.normalize(z, dim=1)
            s = z @ z.T / self.temperature
            d = (y[:, None] - y[None]).abs()
            e = torch.exp(s)
            below = ((d[:, None] >= d[:, :, None]) * e[:, None]).sum(2).clamp(min=self.eps)
            off = ~torch.eye(len(y), dtype=bool)
            loss = loss + ((torch.log(below) - s) * off).sum() / (len(y) * (len(y) - 1))
        return loss
"""


def changes(tmp_path: Path, old: str, new: str) -> list[str]:
    calls = []
    for name, text in {"before": LOSS, "now": LOSS.replace(old, new)}.items():
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        found = load(locate(f"{path}:Loss"))
        calls.append(call_by_default(Adapter.of(found, find_call(found, TORCHCELL))))
    assert calls[0].loss is not None
    return changes_of_call(*calls)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "temperature=0.1",
            "temperature=0.07",
            ["the same call now computes another loss: ", "temperature was 0.1 and is 0.07"],
        ),
        ("/ self.temperature", "/ self.temperature / 2", ["now computes another loss"]),
        ("eps=1e-7", "eps=1e-8", ["the default of eps was 1e-07 and is 1e-08"]),
        ("temperature=0.1", "temperature", ["the same call now raises TypeError"]),
        (", margin: float = 0.0", "", ["the argument margin is gone"]),
        ("temperature=0.1, eps=1e-7", "eps=1e-7, temperature=0.1", ["come in another order"]),
    ],
)
def test_a_call_without_options_that_changed_is_told(tmp_path, old, new, words):
    found = changes(tmp_path, old, new)
    assert found
    assert all(any(word in line for line in found) for word in words), found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        ("margin: float = 0.0", "margin: float = 0.0, more=3"),
        ("torch.exp(s)", "s.exp()"),
    ],
)
def test_a_call_that_gives_what_it_gave_is_no_change(tmp_path, old, new):
    assert changes(tmp_path, old, new) == []
