from dataclasses import replace

import pytest

from supcr_bench.values.case import Case
from supcr_bench.values.metrics import COSTS, COUNTS, MEMORY, METRICS, TIME
from tests.made_results import make_result

RESULT = make_result(
    times=[2.0, 1.0, 3.0],
    elements_processed=92_150,
    dispatched_ops=9_752,
    peak_bytes=89_389,
    python_instructions=2_377,
)
FIGURES = {
    "time": (2.0, "2.00 s"),
    "elements_processed": (92_150, "92,150"),
    "dispatched_ops": (9_752, "9,752"),
    "python_instructions": (2_377, "2,377"),
    "memory": (89_389, "89.4 kB"),
}


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_reads_its_figure_and_writes_it_with_its_unit(name: str) -> None:
    metric = METRICS[name]
    figure = metric.get(RESULT)
    assert (figure, metric.format(figure)) == FIGURES[name]
    assert metric.get(make_result()) is None
    assert metric.format(None) == "-"


def test_the_key_of_a_metric_is_a_key_of_a_stored_result() -> None:
    assert {metric.key for metric in METRICS.values()} <= RESULT.to_mapping().keys()


def test_counts_are_the_costs_without_noise() -> None:
    assert {*COSTS} - {*COUNTS} == {TIME}


def test_the_peak_of_what_ranks_share_is_not_compared() -> None:
    assert MEMORY.compared(RESULT) == MEMORY.get(RESULT)
    shared = replace(RESULT, case=Case(batch_size=64, ranks=2))
    assert MEMORY.compared(shared) is None
