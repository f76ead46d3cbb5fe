"""Verification from Python and from a notebook."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import supcr_bench
from supcr_bench.subjects.process_state import pinned_threads
from supcr_bench.values.definition import NO_SELF
from supcr_bench.values.errors import UnknownNameError, UsageError
from supcr_bench.verification import local_session
from supcr_bench.verification.bugs.right import RightNoSelf, RightSupCR
from supcr_bench.verification.checks import all_checks

FEW = ("two rows", "ties", "random cases", "device", "low temperature")
"""What shows what a result says."""


def _make_only(names: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [check for check in all_checks() if check.name in names]
    monkeypatch.setattr(local_session, "all_checks", lambda: kept)


@pytest.fixture
def few_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    _make_only(FEW, monkeypatch)


@pytest.fixture
def two_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check on labels and one on all else, beside the one on the labels of a file."""
    _make_only(("ties", "random cases"), monkeypatch)


@pytest.mark.usefixtures("few_checks")
def test_a_right_class_is_true_and_says_what_it_follows() -> None:
    found = supcr_bench.verify(RightNoSelf)
    assert found
    assert found.passed
    assert str(found).startswith("RightNoSelf is right: no-self")
    assert "random cases" in found._repr_html_()


@pytest.mark.usefixtures("few_checks")
def test_a_wrong_one_is_false_and_prints_why() -> None:
    found = supcr_bench.verify(RightSupCR, "no-self")
    assert not found
    assert "ties" in {o.check for o in found.failures}
    assert "is not right: no-self, but the anchor itself among the candidates" in str(found)
    html = found._repr_html_()
    assert html.startswith("<p>")
    assert "<table>" in html
    assert "&#x27;" in html or "the partner" in html


@pytest.mark.usefixtures("few_checks")
def test_a_registered_name_is_held_against_what_it_declares(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = supcr_bench.verify("broadcast")
    assert found
    assert found.definition == "torchcell"
    assert found.headline.startswith("broadcast is right: torchcell; called as (perturbed, intact")
    assert {o.check for o in found.findings} == {"low temperature"}
    not_robust = [check for check in all_checks() if check.name == "low temperature"]
    monkeypatch.setattr(local_session, "all_checks", lambda: not_robust)
    strict = supcr_bench.verify("broadcast", strict=True)
    assert not strict


@pytest.mark.usefixtures("few_checks")
def test_it_computes_in_one_thread_from_its_first_call_to_its_last() -> None:
    """As on the command line; torch's own number, here two, would make threads wait."""
    threads: list[int] = []

    class Records(RightNoSelf):
        def forward(self, *inputs: Tensor) -> Any:
            threads.append(torch.get_num_threads())
            return super().forward(*inputs)

    with pinned_threads(2):
        assert supcr_bench.verify(Records)
        assert torch.get_num_threads() == 2
    assert len(threads) > 90
    assert set(threads) == {1}


def test_a_device_that_is_not_there_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no device 'warp' on this machine"):
        supcr_bench.verify(RightNoSelf, device="warp")


@pytest.mark.usefixtures("few_checks")
def test_labels_tell_how_far_a_departure_turns_the_gradient(tmp_path: Path) -> None:
    ages = tmp_path / "ages.csv"
    ages.write_text("age\n" + "\n".join(str(20 + 7 * i % 50) for i in range(40)))
    found = supcr_bench.verify(RightSupCR, labels=f"{ages}:age", batch_size=16)
    assert {row.batch_size for row in found.impact} == {16}
    assert "no-self" in {row.definition for row in found.impact}
    with pytest.raises(UsageError, match="belong to"):
        supcr_bench.verify(RightSupCR, batch_size=16)


@pytest.mark.usefixtures("few_checks")
def test_a_definition_may_be_given_as_a_value() -> None:
    assert supcr_bench.verify(RightNoSelf, NO_SELF).definition == "no-self"
    with pytest.raises(UnknownNameError, match="did you mean 'no-self'"):
        supcr_bench.verify(RightNoSelf, "no-slf")


def test_a_check_that_hangs_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hangs:
        def __call__(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Tensor:
            time.sleep(600)
            return perturbed.sum()

    (two_rows,) = (check for check in all_checks() if check.name == "two rows")
    monkeypatch.setattr(local_session, "CHECK_LIMIT_S", 0.2)
    monkeypatch.setattr(local_session, "all_checks", lambda: [two_rows])
    found = supcr_bench.verify(Hangs, "no-self")
    assert found.headline == "Hangs is undecided: loading and recognition took over 0.2 s."


@pytest.mark.parametrize("given", [None, 3, [1.0]])
def test_what_is_no_implementation_is_a_type_error(given: Any) -> None:
    with pytest.raises(
        TypeError, match="is not an implementation: give a class, a function or a name"
    ):
        supcr_bench.verify(given)


@pytest.mark.usefixtures("two_checks")
def test_a_loss_that_only_the_given_labels_show_to_be_another_is_not_right(tmp_path: Path) -> None:
    class WrapsAround(RightNoSelf):
        """Its label distance is that of angles of this period, beyond all labels of the checks."""

        def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Any:
            return super().forward(perturbed, intact, labels.fmod(1e6))

    years = tmp_path / "years.csv"
    years.write_text("far,near\n" + "\n".join(f"{i * 76543},{i}" for i in range(40)))
    far, near = (
        supcr_bench.verify(WrapsAround, "no-self", labels=f"{years}:{column}", batch_size=16)
        for column in ("far", "near")
    )
    assert near
    assert not far
    (fault,) = far.failures
    assert fault.check == "the given labels"
    assert "degrees away from that of no-self" in str(fault.finding)


def tolerant(tolerance: float) -> Callable[..., Tensor]:
    """A loss for which label distances that differ by less tie."""

    def loss(features: Tensor, labels: Tensor, temperature: float = 2.0) -> Tensor:
        """features [N, d]"""
        off = ~torch.eye(len(features), dtype=torch.bool)
        apart = torch.cdist(labels, labels, p=1.0)
        counted = (apart[:, None] >= apart[:, :, None] - tolerance) & off[:, None]
        logits = -(features[:, None] - features).norm(dim=-1) / temperature
        sums = logits[:, None].masked_fill(~counted, -torch.inf).logsumexp(-1)
        mean: Tensor = (sums - logits)[off].mean()
        return mean

    return loss


@pytest.mark.usefixtures("two_checks")
def test_a_tolerance_is_right_on_decimal_labels_of_a_file(tmp_path: Path) -> None:
    """In float32, 0.3 - 0.2 is not 0.2 - 0.1: the definition parts what a tolerance keeps tied."""

    decimals = tmp_path / "decimals.csv"
    decimals.write_text("y\n" + "\n".join(str(i * 37 % 61 / 10) for i in range(120)))
    assert supcr_bench.verify(tolerant(1e-6), labels=f"{decimals}:y", batch_size=64)


@pytest.mark.usefixtures("two_checks")
def test_every_batch_of_a_file_decides(tmp_path: Path) -> None:
    """The first batch of 16 rows has none of the two labels that are clipped."""

    class Clips(RightNoSelf):
        def forward(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> Any:
            return super().forward(perturbed, intact, labels.clamp(max=1e6))

    file = tmp_path / "incomes.csv"
    values = [5e4 * i for i in range(1, 20)] * 4
    file.write_text("y\n" + "\n".join(map(str, [*values, 2e6, 3e6, 4e6])))
    found = supcr_bench.verify(Clips, "no-self", labels=f"{file}:y", batch_size=16)
    assert [outcome.check for outcome in found.failures] == ["the given labels"]


@pytest.mark.usefixtures("two_checks")
def test_a_tolerance_by_choice_is_a_fault_on_labels_that_it_merges(tmp_path: Path) -> None:
    file = tmp_path / "shares.csv"
    file.write_text("y\n" + "\n".join(str(i * 37 % 61 / 2**11) for i in range(120)))
    found = supcr_bench.verify(tolerant(5e-3), labels=f"{file}:y", batch_size=64)
    assert [outcome.check for outcome in found.failures] == ["the given labels"]
