from pathlib import Path
from typing import Any

import pytest

from supcr_bench.testing.benchmark import find_implementation, make_workload, read_limits
from supcr_bench.values.case import Case
from supcr_bench.values.errors import SubjectError, UnknownNameError, UsageError
from tests.examples import implementation


def case(seed: Any = 0, **axes: Any) -> Case:
    workload, pass_ = make_workload(axes, seed=seed)
    return Case.of(workload, pass_)


def test_axes_that_are_left_out_have_their_usual_value() -> None:
    assert case() == Case(batch_size=64, pass_="training")
    assert case(dims=2, nan_density=0.2, **{"pass": "forward"}) == Case(
        batch_size=64, dims=2, nan_density=0.2, pass_="forward"
    )
    assert case(seed=3).seed == 3


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ({"batch_size": 1}, "batch_size: 1 is not valid; use whole numbers of 2 or more"),
        ({"nan_density": 1.5}, "nan_density: 1.5 is not valid; use numbers from 0 to 1"),
        ({"labels": "sorted"}, "labels: 'sorted' is not valid; use continuous, tied"),
        ({"pass": "backward"}, "pass: 'backward' is not valid; use forward, training"),
        ({"dtype": "int8"}, "dtype: 'int8' is not valid; use float32, float64"),
        ({"dims": [1, 2]}, "dims takes one value; use pytest.mark.parametrize for several"),
        ({"dims": [1]}, "dims takes one value"),
        ({"seed": -1}, "seed: -1 is not valid"),
        ({"seed": True}, "seed: True is not valid"),
        ({"batchsize": 8}, "unknown axis 'batchsize' (did you mean 'batch_size'?); known: batch_s"),
        ({"embedding_size": 10**12}, "alone take 512 TB, and this machine has"),
    ],
)
def test_what_is_not_valid_is_named_with_the_fix(axes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as raised:
        case(**axes)
    assert words in str(raised.value)


class Loss:
    def __init__(self, **options: Any) -> None:
        pass


def test_an_implementation_is_a_value_a_class_or_a_name(tmp_path: Path) -> None:
    rowsort = implementation("rowsort")
    assert find_implementation(rowsort, tmp_path) is rowsort
    assert find_implementation("rowsort", tmp_path) == rowsort
    found = find_implementation(Loss, tmp_path)
    assert (found.name, found.factory, found.definition) == ("Loss", Loss, "auto")


def test_a_file_is_found_beside_the_test_wherever_pytest_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "losses.py").write_text("class Mine:\n    'Mine.'\n")
    (tmp_path / "more.py").write_text("class Other:\n    'Other.'\n")
    monkeypatch.chdir(tmp_path)
    beside = find_implementation("losses.py:Mine", tmp_path / "tests")
    assert (beside.name, beside.title) == ("losses.py:Mine", "Mine.")
    assert find_implementation("more.py:Other", tmp_path / "tests").title == "Other."


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("rowsotr", UnknownNameError, "did you mean 'rowsort'?"),
        ("nowhere.py:Loss", SubjectError, "no file"),
        (7, UsageError, "7 is not an implementation: give a class, a function or a name"),
        (Case.describe, UsageError, "Workload.describe is a method without its object"),
    ],
)
def test_what_is_no_implementation_is_said(
    given: object, error: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error) as raised:
        find_implementation(given, tmp_path)
    assert words in str(raised.value)


def test_limits_are_numbers_and_bytes_may_have_units() -> None:
    assert read_limits(None, None, None) == {}
    assert read_limits("4MiB", 20, 0) == {
        "peak_bytes": 4 * 2**20,
        "launches": 20,
        "elements": 0,
    }
    assert read_limits(0, None, None) == {"peak_bytes": 0}


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (("lots", None, None), "max_peak_bytes: 'lots' is not a size"),
        ((-1, None, None), "max_peak_bytes: -1 is not valid; use a whole number of 0 or more"),
        ((None, 1.5, None), "max_launches: 1.5 is not valid"),
        ((None, None, True), "max_elements: True is not valid"),
    ],
)
def test_a_limit_that_is_not_valid_is_named(limits: tuple[Any, Any, Any], words: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_limits(*limits)
    assert words in str(raised.value)
