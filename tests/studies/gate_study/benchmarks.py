"""The study's cells the usual way, by pytest-benchmark: one run after another of the same code."""

import pytest
import torch

from supcr_bench.inputs.tensors import make_batch
from supcr_bench.subjects.adapter import Adapter
from supcr_bench.subjects.registry import load, locate
from supcr_bench.values.case import PASSES
from supcr_bench.values.definition import TORCHCELL
from tests.studies.gate_study.record import WORKLOADS


@pytest.mark.parametrize("pass_", PASSES)
@pytest.mark.parametrize("name", WORKLOADS)
def test_call(benchmark, name, pass_):
    torch.set_num_threads(1)
    workload = WORKLOADS[name]
    batch = make_batch(workload)
    loss = Adapter.usual(load(locate(name)).factory).bind(TORCHCELL, batch)

    def cleared():
        loss.clear_gradients()
        loss.call(pass_)

    benchmark(cleared)
