"""The note's implementations print what the note prints."""

import pytest
import torch
from torch import Tensor

from tests.examples import NOTE_NAMES, NOTE_OUTPUT, build, implementation, note_views, prints_as


@pytest.mark.parametrize("name", NOTE_NAMES)
@pytest.mark.parametrize(("labels", "weights", "loss", "per_dimension"), NOTE_OUTPUT)
def test_every_published_figure_is_reproduced(
    name: str, labels: Tensor, weights: Tensor, loss: float, per_dimension: tuple[float, ...]
) -> None:
    total, parts = build(name, 0.1, weights)(*note_views(), labels)
    assert prints_as(float(total), loss)
    assert all(map(prints_as, parts.tolist(), per_dimension))


@pytest.mark.parametrize("name", NOTE_NAMES)
def test_the_defaults_are_those_of_the_published_output(name: str) -> None:
    """Without arguments: temperature 0.1, two equal weights, a floor of 1e-7."""
    labels, weights, loss, per_dimension = NOTE_OUTPUT[0]
    module = implementation(name).factory()
    total, parts = module(*note_views(), labels)
    assert prints_as(float(total), loss)
    assert all(map(prints_as, parts.tolist(), per_dimension))
    assert (module.temperature, module.eps) == (0.1, 1e-7)
    assert torch.equal(module.weights, weights / 2)


@pytest.mark.parametrize("name", NOTE_NAMES)
def test_only_the_ratio_of_weights_counts(name: str) -> None:
    labels = NOTE_OUTPUT[0][0]
    one, other = (
        build(name, 0.1, torch.tensor(weights))(*note_views(), labels)[0]
        for weights in ([0.75, 0.25], [3.0, 1.0])
    )
    assert torch.equal(one, other)


@pytest.mark.parametrize("name", NOTE_NAMES)
def test_an_implementation_is_named_like_its_file_and_says_where_it_comes_from(name: str) -> None:
    found = implementation(name)
    assert found.name == name
    assert found.tags == ("note",)
    assert found.definition == "torchcell"
    assert found.source.startswith("the note")
