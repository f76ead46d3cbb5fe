"""What an axis changes, with everything else equal."""

from collections.abc import Sequence
from dataclasses import replace

from supcr_bench.analysis.summary import COMPARED, Effect, axis_effects
from supcr_bench.render.cells import case_columns
from supcr_bench.values.axes import get_axis
from supcr_bench.values.metrics import MEMORY, TIME
from supcr_bench.values.result import Result, Status
from tests.made_results import make_result


def at(density: float | None, seconds: float = 1.0, n: int = 32, dims: int = 2) -> Result:
    return make_result(
        n=n,
        times=[seconds] * 6,
        peak_bytes=round(1000 * seconds),
        value_tolerances=0.1,
        gradient_tolerances=seconds,
        case={"nan_density": density, "dims": dims},
    )


def along(axis: str, results: Sequence[Result]) -> list[Effect]:
    return [effect for members in axis_effects(results, get_axis(axis)) for effect in members]


def values(axis: str, effects: Sequence[Effect]) -> list[object]:
    return [get_axis(axis).of(effect.result.case) for effect in effects]


def test_each_value_is_held_against_the_first_at_the_same_size() -> None:
    results = [at(0.0, 4.0), at(0.0, 8.0, n=64), at(0.5, 1.0), at(0.5, 4.0, n=64)]
    rows = along("nan_density", results)
    assert [(r.case.batch_size, r.case.nan_density, r is base) for r, base in rows] == [
        (32, 0.0, True),
        (32, 0.5, False),
        (64, 0.0, True),
        (64, 0.5, False),
    ]
    assert [effect.ratio(TIME) for effect in rows] == [1.0, 0.25, 1.0, 0.5]
    assert [effect.ratio(MEMORY) for effect in rows] == [1.0, 0.25, 1.0, 0.5]
    assert [r.tolerances for r, _ in rows] == [4.0, 1.0, 8.0, 4.0]
    assert [TIME.get(r) for r, _ in rows] == [4.0, 1.0, 8.0, 4.0]


def test_everything_else_must_be_equal() -> None:
    apart = [at(0.0), at(0.5, n=64), at(0.5, dims=1)]
    assert along("nan_density", apart) == []
    assert len(along("nan_density", [*apart, at(0.5)])) == 2
    # D varies between these two, and nothing else does.
    assert values("dims", along("dims", [at(0.5), at(0.5, dims=1)])) == [2, 1]


def test_a_value_without_figures_keeps_its_row_and_is_no_base() -> None:
    case = {"nan_density": 0.0, "dims": 2}
    out = make_result(n=32, status=Status.OUT_OF_MEMORY, case=case)
    rows = along("nan_density", [out, at(0.5, 2.0), at(0.9, 1.0)])
    assert [(e.result.status, e.result is e.base, e.ratio(TIME)) for e in rows] == [
        (Status.OUT_OF_MEMORY, False, None),
        (Status.MEASURED, True, 1.0),
        (Status.MEASURED, False, 0.5),
    ]
    assert along("nan_density", [out, at(0.5)]) == []  # one is no comparison


def test_own_labels_have_no_density_to_vary() -> None:
    assert along("nan_density", [at(None), at(0.5)]) == []


def test_temperature_and_dtype_are_axes_too() -> None:
    both_of: dict[str, tuple[float | str, ...]] = {
        "temperature": (1.0, 0.1),
        "dtype": ("float64", "float16"),
    }
    for axis, both in both_of.items():
        results = [make_result(times=[1.0], case={axis: value}) for value in both]
        assert tuple(values(axis, along(axis, results))) == both
        assert not any(axis_effects(results, other) for other in COMPARED if other.name != axis)


def test_an_answer_that_is_no_number_has_no_multiple_of_the_tolerance() -> None:
    right = make_result(times=[1.0], value_tolerances=0.5)
    wrong = make_result(times=[1.0], status=Status.WRONG, case={"dims": 2})
    # The value is right and the gradient is not finite.
    half = replace(wrong, value_tolerances=0.1, case=replace(wrong.case, dims=4))
    rows = along("dims", [right, wrong, half])
    assert [r.tolerances for r, _ in rows] == [0.5, None, None]


def test_the_norm_of_the_embeddings_is_compared_along() -> None:
    results = [
        make_result(times=[float(norm)], case={"embedding_norm": norm}) for norm in (1.0, 4.0)
    ]
    effects = along("embedding_norm", results)
    assert values("embedding_norm", effects) == [1.0, 4.0]
    assert [effect.ratio(TIME) for effect in effects] == [1.0, 4.0]
    headers, texts = case_columns([r.case for r in results])
    assert (headers, texts(results[1].case)) == (("D", "NaN", "norm"), ("1", "0%", "4"))
