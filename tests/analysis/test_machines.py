"""Figures of unlike machines are never fitted, paired or compared."""

from collections.abc import Sequence

from supcr_bench.analysis.compare import compare_results
from supcr_bench.analysis.findings import Findings, find
from supcr_bench.analysis.recommend import Question, recommend
from supcr_bench.render.answer import answer
from supcr_bench.render.recommendation import explanation
from supcr_bench.render.run_tables import run_tables
from supcr_bench.values.machine import by_machine
from supcr_bench.values.result import Result
from tests.made_results import make_series
from tests.made_runs import make_run

SIZES = (16, 24, 32, 48, 64, 96, 128, 192, 256)


def two_machines() -> list[Result]:
    """One machine is quick, of N^2; the other, of N^3, has the sizes between."""
    return [
        *make_series("a", SIZES[::2], lambda n: 1e-7 * n**2, machine="quick1", session="s"),
        *make_series(
            "a", SIZES[1::2], lambda n: 1e-5 * n**3, lambda n: n**3, machine="slow22", session="s"
        ),
    ]


def found_in(results: Sequence[Result]) -> Findings:
    return find(results, {})


def test_results_of_one_kind_of_machine_stay_as_they_are() -> None:
    own = make_series("a", SIZES, lambda n: 1.0, machine="quick1")
    assert by_machine(own) is own
    unknown = make_series("a", SIZES, lambda n: 1.0)
    assert by_machine(unknown) is unknown


def test_a_device_of_several_kinds_is_named_with_the_machine() -> None:
    named = by_machine(two_machines())
    assert {r.case.device for r in named} == {"cpu@quick1", "cpu@slow22"}
    assert {r.case.device.split("@")[0] for r in named} == {"cpu"}
    assert by_machine(named) is named


def test_a_device_of_one_kind_keeps_its_name_beside_one_of_several() -> None:
    gpu = make_series("a", SIZES, lambda n: 1.0, machine="has-gpu", case={"device": "cuda"})
    devices = {r.case.device for r in by_machine([*two_machines(), *gpu])}
    assert devices == {"cpu@quick1", "cpu@slow22", "cuda"}


def test_each_machine_has_its_own_law_of_time_and_of_bytes() -> None:
    growth = {(g.metric.name, g.case.device): g for g in found_in(two_machines()).growth}
    assert set(growth) == {(f, d) for f in ("time", "memory") for d in ("cpu@quick1", "cpu@slow22")}
    assert growth["time", "cpu@quick1"].sizes == SIZES[::2]
    assert growth["time", "cpu@slow22"].sizes == SIZES[1::2]
    assert abs(growth["time", "cpu@quick1"].last_exponent - 2) < 1e-6
    assert abs(growth["time", "cpu@slow22"].last_exponent - 3) < 1e-6


def test_samples_of_unlike_machines_are_not_paired() -> None:
    mine = make_series("a", SIZES, lambda n: 1e-6 * n, machine="quick1", session="s")
    other = make_series("b", SIZES, lambda n: 1e-8 * n**2, machine="slow22", session="s")
    assert found_in(
        [*mine, *make_series("b", SIZES, lambda n: 1e-8 * n**2, machine="quick1", session="s")]
    ).crossovers
    assert not found_in([*mine, *other]).crossovers


def test_tables_and_sentences_name_the_machine_where_there_are_several() -> None:
    findings = found_in(two_machines())
    tables = {g.name: g for g in run_tables(findings)}
    for name in ("time-forward", "memory-forward", "growth"):
        assert "device" in tables[name].headers
        cells = {cell for row in tables[name].texts for cell in row}
        assert {"cpu@quick1", "cpu@slow22"} <= cells
    used = answer(make_run(findings.results), findings)["What to use"]
    said = " ".join(sentence.text for sentence in used)
    assert "cpu@quick1)" in said
    assert "cpu@slow22)" in said


def test_a_recommendation_is_of_one_kind_of_machine() -> None:
    results = two_machines()
    vague = recommend(results, Question(batch_size=64, pass_="forward"))
    assert vague.implementation is None
    assert "cpu@quick1" in explanation(vague)
    told = recommend(results, Question(batch_size=64, pass_="forward", device="cpu@quick1"))
    assert told.implementation == "a"


def test_times_are_compared_on_like_machines_alone() -> None:
    first = make_series("a", SIZES, lambda n: 1.0, machine="quick1")
    second = two_machines()
    comparison = compare_results(
        first, second, unlike=lambda one, other: one.machine != other.machine
    )
    reasons = {row.case.batch_size: row.time and row.time.reason for row in comparison.rows}
    assert {n for n, reason in reasons.items() if reason == "other machine"} == set(SIZES[1::2])
    assert {results for _, results in comparison.drift.values()} == {0}
