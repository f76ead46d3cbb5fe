from itertools import pairwise
from typing import Any

import pytest

from supcr_bench.inputs.label_file import LabelFile
from supcr_bench.sweep.plan import make_budget, make_plan, under, untimed
from supcr_bench.sweep.suite import Suite, load_suite, read_axes, suite_names
from supcr_bench.values.cell import Arm, Cell
from supcr_bench.values.definition import NO_SELF, RANK_N_CONTRAST
from supcr_bench.values.errors import InputError, SuiteError


def suite(**fields: Any) -> Suite:
    return Suite.model_validate(
        {"name": "mine", "purpose": "To see.", "implementations": ["a"], **fields}
    )


def sizes(plan: list[Cell]) -> list[int]:
    return [planned.workload.batch_size for planned in plan]


def test_a_grid_is_the_product_of_its_axes() -> None:
    plan = make_plan(
        suite(axes={"batch_size": [8, 16], "dims": [1, 2], "nan_density": [0, 0.5]}), ["a"]
    )
    found = {(p.workload.batch_size, p.workload.dims, p.workload.nan_density) for p in plan}
    assert len(plan) == 8
    assert found == {(n, d, x) for n in (8, 16) for d in (1, 2) for x in (0.0, 0.5)}


def test_the_arms_of_a_cell_are_every_implementation_in_every_pass() -> None:
    (planned,) = make_plan(suite(), ["a", "b"])
    assert planned.arms == (
        Arm("a", "forward"),
        Arm("a", "training"),
        Arm("b", "forward"),
        Arm("b", "training"),
    )


def test_ranks_are_an_axis_of_the_cpu_alone() -> None:
    plan = make_plan(suite(axes={"ranks": [1, 2], "batch_size": [8, 16]}), ["a"])
    assert [(p.workload.ranks, p.workload.batch_size) for p in plan] == [
        (1, 8),
        (1, 16),
        (2, 8),
        (2, 16),
    ]
    with pytest.raises(
        SuiteError, match=r"over 2 ranks, which run on the CPU only: .* device cuda"
    ):
        make_plan(suite(axes={"ranks": 2, "device": "cuda"}), ["a"])


def test_batch_sizes_rise_within_each_series() -> None:
    plan = make_plan(suite(axes={"batch_size": [64, 8, 16], "dims": [2, 1]}), ["a"])
    assert sizes(plan) == [8, 16, 64, 8, 16, 64]
    assert [p.workload.dims for p in plan] == [2, 2, 2, 1, 1, 1]


def test_batch_sizes_rise_across_grids_too() -> None:
    grid = [{"batch_size": [16, 64]}, {"batch_size": 32, "labels": "tied"}, {"batch_size": [8, 32]}]
    plan = make_plan(suite(grid=grid), ["a"])
    assert [(p.workload.labels, p.workload.batch_size) for p in plan] == [
        ("continuous", 8),
        ("continuous", 16),
        ("continuous", 32),
        ("continuous", 64),
        ("tied", 32),
    ]


def test_a_workload_of_two_grids_is_one_cell_with_the_passes_of_both() -> None:
    grid = [{"pass": "forward"}, {"pass": "training"}, {"pass": ["forward", "training"]}]
    (planned,) = make_plan(suite(grid=grid), ["a"])
    assert planned.arms == (Arm("a", "forward"), Arm("a", "training"))


def test_cells_are_timed_unless_their_grid_says_otherwise() -> None:
    grid = [{"batch_size": [8, 16], "timed": False}, {"batch_size": [16, 32]}]
    plan = make_plan(suite(grid=grid), ["a"])
    assert {p.workload.batch_size: p.timed for p in plan} == {8: False, 16: True, 32: True}


def test_a_grid_leaves_out_whom_it_names_and_another_may_have_them() -> None:
    plan = make_plan(
        suite(grid=[{"batch_size": [8, 16], "without": "b"}, {"batch_size": 16, "dims": [1]}]),
        ["a", "b"],
    )
    found = {p.workload.batch_size: [arm.implementation for arm in p.arms] for p in plan}
    assert found == {8: ["a", "a"], 16: ["a", "a", "b", "b"]}


def test_a_cell_that_nobody_is_left_for_is_none() -> None:
    only = suite(grid=[{"batch_size": 8, "without": ["a"]}, {"batch_size": 16}])
    assert sizes(make_plan(only, ["a"])) == [16]
    with pytest.raises(SuiteError, match="nothing to run"):
        make_plan(suite(grid=[{"without": ["a"]}]), ["a"])


def test_no_cell_of_an_untimed_plan_is_timed_and_nothing_else_of_it_changes() -> None:
    plan = make_plan(suite(axes={"batch_size": [8, 16]}), ["a"])
    counted = untimed(plan)
    assert [p.timed for p in counted] == [False, False]
    assert [(p.workload, p.arms) for p in counted] == [(p.workload, p.arms) for p in plan]


def test_the_seed_of_the_suite_reaches_every_workload() -> None:
    plan = make_plan(suite(seed=5, axes={"dims": [1, 2]}), ["a"])
    assert {p.workload.seed for p in plan} == {5}


def test_each_implementation_has_its_definition_and_its_temperature_where_none_is_set() -> None:
    definitions = {"a": NO_SELF, "b": RANK_N_CONTRAST}
    for temperature, expected in ((None, {"a": 0.1, "b": 2.0}), (0.5, {"a": 0.5, "b": 0.5})):
        axes = {} if temperature is None else {"temperature": temperature}
        (planned,) = under(make_plan(suite(axes=axes), ["a", "b"]), definitions)
        cases = {arm.implementation: planned.case(arm) for arm in planned.arms}
        assert {name: case.definition for name, case in cases.items()} == {
            "a": "no-self",
            "b": "rank-n-contrast",
        }
        assert {name: case.temperature for name, case in cases.items()} == expected
        assert cases["a"].workload == cases["b"].workload == planned.workload
        assert cases["a"].series() == cases["b"].series()


def test_own_labels_bring_dimensions_density_and_kind() -> None:
    own = LabelFile("labels.csv", ("a", "b", "c"), "0123456789ab", rows=100)
    axes = {"batch_size": [8, 16], "dims": [1, 2], "nan_density": [0, 0.5], "labels": "tied"}
    plan = make_plan(suite(axes=axes), ["a"], own)
    assert sizes(plan) == [8, 16]
    assert {(p.workload.dims, p.workload.nan_density, p.workload.labels) for p in plan} == {
        (3, None, "file:0123456789ab")
    }


def test_a_batch_larger_than_the_labels_file_is_refused_before_anything_runs() -> None:
    own = LabelFile("labels.csv", ("a",), "0123456789ab", rows=20)
    with pytest.raises(InputError, match=r"has 20 rows.*batch of 32; use --batch-size up to 20"):
        make_plan(suite(axes={"batch_size": [8, 32]}), ["a"], own)
    assert sizes(make_plan(suite(axes={"batch_size": 20}), ["a"], own)) == [20]


def test_without_implementations_there_is_nothing_to_run() -> None:
    with pytest.raises(SuiteError, match="nothing to run"):
        make_plan(suite(), [])


def test_no_cell_of_a_shipped_suite_comes_twice_or_out_of_order() -> None:
    for name in suite_names():
        plan = make_plan(load_suite(name), ["a"])
        workloads = [p.workload for p in plan]
        assert len(set(workloads)) == len(workloads)
        for one, next_ in pairwise(workloads):
            assert one.series() != next_.series() or one.batch_size < next_.batch_size


def test_the_budget_is_the_suites_within_four_fifths_of_free_memory() -> None:
    limited = suite(
        budget={
            "time_limit": "3s",
            "sampling": "100ms",
            "precision": 0.1,
            "memory_limit": "1GiB",
            "threads": 2,
        }
    )
    roomy, tight = (make_budget(limited, free) for free in (2**40, 10**9))
    assert roomy.time_limit_s == 3.0
    assert roomy.sampling_s == 0.1
    assert roomy.precision == 0.1
    assert roomy.threads == 2
    assert roomy.memory_limit_bytes == 2**30
    assert tight.memory_limit_bytes == 8 * 10**8
    assert make_budget(suite(), 1000).memory_limit_bytes == 800


def test_the_norm_of_the_embeddings_is_an_axis_of_suites_and_of_the_command_line() -> None:
    suite = Suite.model_validate(
        {
            "name": "x",
            "purpose": "x",
            "implementations": ["a"],
            "axes": {"embedding_norm": [1, 100]},
        }
    )
    plan = make_plan(suite, ["a"])
    assert [p.workload.embedding_norm for p in plan] == [1.0, 100.0]
    assert plan[1].workload.describe() == "N=64 D=1 NaN 0% norm 100"
    changed = suite.with_axes(read_axes({"embedding_norm": "0.5"}))
    assert [p.workload.embedding_norm for p in make_plan(changed, ["a"])] == [0.5]
    with pytest.raises(
        SuiteError, match="--set embedding_norm: '0' is not valid; use numbers above 0"
    ):
        read_axes({"embedding_norm": "0"})
    assert str(read_axes({"nan_density": "-0"}).nan_density) == "(0.0,)"
