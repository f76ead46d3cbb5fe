import json
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supcr_bench.values.case import DTYPES, PASSES, Case, Pass, Workload
from supcr_bench.values.definition import DEFINITIONS, RANK_N_CONTRAST, Definition

WORKLOADS = st.builds(
    Workload,
    batch_size=st.integers(2, 4096),
    nan_density=st.none() | st.floats(0, 1),
    dims=st.integers(1, 8),
    embedding_size=st.integers(1, 1024),
    dtype=st.sampled_from(DTYPES),
    temperature=st.none() | st.floats(1e-4, 10),
    labels=st.sampled_from(["continuous", "tied", "file:0123456789ab"]),
    device=st.sampled_from(["cpu", "cuda", "cuda:1"]),
    seed=st.integers(0, 2**32),
)
EXAMPLES = settings(deadline=None, derandomize=True, max_examples=50)


@given(WORKLOADS)
@EXAMPLES
def test_a_series_differs_only_in_the_batch_size(workload: Workload) -> None:
    assert workload.series() == replace(workload, batch_size=17).series()
    assert workload.series() != replace(workload, seed=workload.seed + 1).series()


def test_the_passes_of_a_workload_share_a_series() -> None:
    forward, training = (Case.of(Workload(batch_size=8), pass_) for pass_ in PASSES)
    assert forward.series() == training.series()
    assert forward != training


SHIPPED = st.sampled_from(list(DEFINITIONS.values()))


@given(WORKLOADS, st.sampled_from(PASSES), SHIPPED)
@EXAMPLES
def test_a_case_gives_back_its_workload(
    workload: Workload, pass_: Pass, definition: Definition
) -> None:
    case = Case.of(workload, pass_, definition)
    assert (case.pass_, case.definition) == (pass_, definition.name)
    assert case.temperature == (workload.temperature or definition.temperature)
    assert case.series() == workload.series()
    assert case.shared == Case.of(workload, pass_)
    stored = json.dumps(case.to_mapping() | {"something": "else"})
    assert Case.from_mapping(json.loads(stored)) == case
    assert case.workload == workload
    assert type(case.workload) is Workload
    assert Case.of(case.workload, pass_, definition) == case


def test_a_case_is_frozen_and_hashable() -> None:
    case = Case(batch_size=8)
    with pytest.raises(FrozenInstanceError):
        case.batch_size = 9  # type: ignore[misc]
    assert len({case, Case(batch_size=8), Case(batch_size=9)}) == 2


def test_a_description_names_only_what_is_not_obvious() -> None:
    assert Workload(batch_size=64).describe() == "N=64 D=1 NaN 0%"
    assert Workload(batch_size=64).describe_series() == "D=1 NaN 0%"
    unusual = Workload(
        batch_size=8,
        nan_density=None,
        dims=3,
        labels="file:0123456789ab",
        dtype="float16",
        temperature=0.5,
        device="cuda:1",
    )
    assert unusual.describe() == "N=8 D=3 own labels float16 tau=0.5 cuda:1"


def test_a_description_among_others_names_the_usual_value_that_tells_it_apart() -> None:
    usual = Workload(batch_size=64, temperature=0.1)
    for other, more in (
        ({"device": "cuda"}, " cpu"),
        ({"dtype": "float64"}, " float32"),
        ({"temperature": 0.5}, " tau=0.1"),
        ({"dims": 2}, ""),
    ):
        among = [usual, replace(usual, **other)]
        assert usual.describe_series(among) == f"D=1 NaN 0%{more}"
    of_its_own = Workload(batch_size=64)
    assert of_its_own.describe(among=[of_its_own, usual]) == "N=64 D=1 NaN 0%"


def test_ranks_are_part_of_a_workload_and_those_of_old_runs_are_one() -> None:
    shared = Workload(batch_size=64, ranks=2)
    assert shared.describe() == "N=64 D=1 NaN 0% 2 ranks"
    assert shared.series() != Workload(batch_size=64).series()
    values = Case.of(shared, "forward").to_mapping()
    assert Case.from_mapping(values).workload == shared
    del values["ranks"]
    assert Case.from_mapping(values).workload == Workload(batch_size=64)


def test_a_temperature_of_an_older_run_is_the_definitions_own_where_it_is_its_default() -> None:
    def read(**values: Any) -> Case:
        stored = Case(batch_size=8).to_mapping() | values
        del stored["own_temperature"], stored["ranks"]
        return Case.from_mapping(stored)

    assert read() == Case(batch_size=8)
    assert read().workload.temperature is None
    assert read(temperature=0.5).workload.temperature == 0.5
    contrast = read(definition="rank-n-contrast", temperature=2.0)
    assert contrast.series() == read(definition="paper").series() == read().series()
    assert contrast.shared == read()
    assert contrast == Case.of(Workload(batch_size=8), "forward", RANK_N_CONTRAST)
