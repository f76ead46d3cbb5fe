from dataclasses import fields
from typing import Any

import pytest

from supcr_bench.values.axes import AXES, AXIS_NAMES, DEFAULTS_OF_ADDED, WORKLOAD_AXES, get_axis
from supcr_bench.values.case import Case, Workload
from supcr_bench.values.errors import UnknownNameError

VALID: dict[str, tuple[object, Any, str, str, str]] = {
    "batch_size": ("64", 64, "64", "N=64", "N64"),
    "dims": (3, 3, "3", "D=3", "D3"),
    "nan_density": ("0.125", 0.125, "12.5%", "NaN 12.5%", "nan0.125"),
    "labels": ("tied", "tied", "tied", "tied labels", "tied"),
    "embedding_size": ("128", 128, "128", "d=128", "d128"),
    "embedding_norm": ("10", 10.0, "10", "norm 10", "norm10"),
    "dtype": ("bfloat16", "bfloat16", "bfloat16", "bfloat16", "bfloat16"),
    "temperature": ("0.07", 0.07, "0.07", "tau=0.07", "tau0.07"),
    "device": ("cuda:1", "cuda:1", "cuda:1", "cuda:1", "cuda-1"),
    "ranks": ("2", 2, "2", "2 ranks", "ranks2"),
    "pass": ("training", "training", "training", "training", "training"),
}
"""What is given, and the value, the text, the phrase and the word that it becomes."""
NOT_VALID: dict[str, tuple[object, ...]] = {
    "batch_size": ("1", "2.5", "many", True, None, "nan", "inf"),
    "dims": (0, "0.5", False),
    "nan_density": (-0.1, 1.1, "nan", "half", True),
    "labels": ("Tied", "", 3),
    "embedding_size": (0,),
    "embedding_norm": (0, -1, "long", "inf"),
    "dtype": ("float8",),
    "temperature": (0, -1, "nan", "inf"),
    "device": ("CPU", "cuda:", "", 1),
    "ranks": (0, 1.5),
    "pass": ("backward",),
}


@pytest.mark.parametrize("name", AXIS_NAMES)
def test_a_value_is_read_and_written_in_every_form(name: str) -> None:
    axis = get_axis(name)
    given, value, text, phrase, word = VALID[name]
    assert axis.read(given) == axis.read(value) == value
    assert (axis.text(value), axis.phrase(value), axis.word(value)) == (text, phrase, word)


def test_the_first_accelerator_has_one_name() -> None:
    device = get_axis("device")
    assert device.read("cuda:0") == device.read("cuda") == "cuda"
    assert device.read("cuda:10") == "cuda:10"


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in NOT_VALID.items() for value in values]
)
def test_a_value_that_is_not_valid_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"is (not|none|out)"):
        get_axis(name).read(value)


def test_every_axis_of_the_tensors_is_a_field_of_a_workload_with_that_default() -> None:
    by_name = {f.name: f.default for f in fields(Workload)}
    assert {axis.field for axis in WORKLOAD_AXES} == by_name.keys() - {"seed"}
    for axis in WORKLOAD_AXES:
        if axis.name != "batch_size":
            assert by_name[axis.name] == (*axis.default, None)[0]
    assert DEFAULTS_OF_ADDED.keys() <= by_name.keys()


def test_every_axis_is_read_from_a_case_and_named_where_it_is_not_usual() -> None:
    case = Case(**{get_axis(n).field: v[1] for n, v in VALID.items()})
    assert all(axis.of(case) == VALID[axis.name][1] for axis in AXES)
    assert case.describe() == " ".join(VALID[axis.name][3] for axis in WORKLOAD_AXES)
    assert case.id == "-".join(["training", *(VALID[a.name][4] for a in WORKLOAD_AXES)])
    assert Case(batch_size=8).describe() == "N=8 D=1 NaN 0%"
    assert Case(batch_size=8).id == "forward-N8-D1-nan0"


def test_an_axis_is_found_by_its_name_with_dashes_too() -> None:
    assert get_axis("nan-density") is get_axis("nan_density")
    with pytest.raises(UnknownNameError, match=r"unknown axis 'ranksize' .did you mean 'ranks'"):
        get_axis("ranksize")
