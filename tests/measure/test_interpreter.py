"""Instructions of the interpreter: the same each time, and what operations do not show."""

import gc
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from supcr_bench.measure import interpreter
from supcr_bench.measure.interpreter import count_instructions
from supcr_bench.measure.one_case import check_case
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.values.case import PASSES, Case, Pass
from supcr_bench.values.metrics import MOST_INSTRUCTIONS, PYTHON_INSTRUCTIONS, interpreter_of
from tests.examples import implementation
from tests.measure.fakes import around

CASE = Case(batch_size=6, dims=2, nan_density=0.2, pass_="training")
USUAL = implementation("rowsort").factory


def busy(rounds: int) -> Callable[..., tuple[Tensor, Tensor]]:
    """What adds a loop of Python to a loss, and no operation."""

    def looped(loss: Tensor, parts: Tensor) -> tuple[Tensor, Tensor]:
        for _ in range(rounds):
            pass
        return loss, parts

    return looped


def summed(n: int) -> int:
    total = 0
    for k in range(n):
        total += k
    return total


def test_a_count_repeats_and_grows_with_each_round_by_the_same() -> None:
    counts = [count_instructions(lambda n=n: summed(n)) for n in (10, 10, 110, 210)]  # type: ignore[misc]
    first, again, more, most = (count or 0 for count in counts)
    assert first == again > 0
    assert more - first == most - more > 100


@pytest.mark.parametrize("pass_", PASSES)
def test_a_loss_has_the_same_instructions_each_time(pass_: Pass) -> None:
    case = replace(CASE, pass_=pass_)
    one, other = (check_case("right", Adapter.usual(USUAL), case) for _ in range(2))
    assert one.python_instructions == other.python_instructions
    assert (one.python_instructions or 0) > 100


def test_a_loop_that_no_operation_shows_is_counted() -> None:
    few, many = (check_case("busy", Adapter.usual(around(busy(n))), CASE) for n in (10, 510))
    assert few.dispatched_ops == many.dispatched_ops
    assert few.elements_processed == many.elements_processed
    assert (many.python_instructions or 0) - (few.python_instructions or 0) >= 500


def test_a_count_ends_at_its_limit_and_the_call_does_not() -> None:
    ended = []
    assert count_instructions(lambda: ended.append(summed(MOST_INSTRUCTIONS))) == MOST_INSTRUCTIONS
    assert ended == [sum(range(MOST_INSTRUCTIONS))]


def test_what_traced_and_collected_before_does_so_again_even_after_an_error() -> None:
    before = sys.gettrace()

    def fails() -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        count_instructions(fails)
    assert sys.gettrace() is before
    assert gc.isenabled()


def test_a_long_call_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "MOST_OPERATIONS", 10)
    assert check_case("right", Adapter.usual(USUAL), CASE).python_instructions is None


def test_instructions_are_compared_under_one_minor_python_and_one_torch() -> None:
    here = {"python": "3.11.7", "torch": torch.__version__}
    assert (
        interpreter_of({"python": "3.11.7", "torch": "2.13.0+cpu"}) == "Python 3.11, torch 2.13.0"
    )
    assert PYTHON_INSTRUCTIONS.is_comparable(here, {**here, "python": "3.11.9"})
    assert not PYTHON_INSTRUCTIONS.is_comparable(here, {**here, "python": "3.12.1"})
    assert not PYTHON_INSTRUCTIONS.is_comparable(here, {**here, "torch": "2.6.0"})
