"""What is particular to ``scan``: blocks, ranges of exponentials, and that it stands alone."""

import importlib
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from supcr_bench.measure.allocator_events import peak_allocated_bytes
from supcr_bench.values.case import Case
from supcr_bench.values.definition import NO_SELF, TORCHCELL, Definition
from tests.batches import make_leaves
from tests.forked.start import Servers
from tests.implementations.against_reference import WORKLOADS, Factory, worst_deviation

BOTH = pytest.mark.parametrize("definition", [TORCHCELL, NO_SELF], ids=lambda d: d.name)


@pytest.fixture
def scan() -> ModuleType:
    return importlib.import_module("supcr_bench.implementations._scan")


def factory_of(module: ModuleType, definition: Definition) -> Factory:
    return partial(module.ScanSupCR, definition=definition.name)


@BOTH
@pytest.mark.parametrize("anchors", [1, 5, 16, 50])
@pytest.mark.parametrize("labels", ["continuous", "tied"])
def test_the_size_of_a_block_changes_nothing(
    scan: ModuleType,
    definition: Definition,
    anchors: int,
    labels: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scan, "ANCHORS", (1, anchors))
    workload = Case(batch_size=23, dims=3, nan_density=0.2, labels=labels)
    assert worst_deviation(factory_of(scan, definition), workload, definition) <= 1


@BOTH
@pytest.mark.parametrize("range_", [0.0, 1e9], ids=["logarithms", "exponentials"])
@given(workload=WORKLOADS.filter(lambda w: w.temperature >= 0.05))
@settings(deadline=None, derandomize=True, max_examples=30)
def test_sums_and_sums_kept_as_logarithms_are_both_right(
    definition: Definition, range_: float, workload: Case
) -> None:
    scan = importlib.import_module("supcr_bench.implementations._scan")
    kept = dict(scan.RANGE)
    scan.RANGE.update(dict.fromkeys(kept, range_))
    try:
        assert worst_deviation(factory_of(scan, definition), workload, definition) <= 1
    finally:
        scan.RANGE.update(kept)


@given(
    st.lists(st.integers(-4, 4), min_size=2, max_size=9),
    st.sampled_from([torch.float32, torch.bfloat16, torch.int64]),
)
@settings(deadline=None, derandomize=True, max_examples=60)
def test_every_row_is_ordered_by_label_distance(labels: list[int], dtype: torch.dtype) -> None:
    scan = importlib.import_module("supcr_bench.implementations._scan")
    y = torch.tensor(labels).to(dtype)
    m = len(y)
    distance = (y.unsqueeze(0) - y.unsqueeze(1)).abs().double()
    for start, stop in [(0, m), *((i, i + 1) for i in range(m))]:
        group = scan.Group([0], torch.arange(m)[None], y[None, :, None], (0, m))
        logits = torch.zeros(1, 1, stop - start, 1, m)
        orders, endings = scan.order_by_distance(group, scan.Choices(), start, stop, logits)
        endings = endings.expand(orders.shape)
        for i in range(start, stop):
            order, ending = orders[0, i - start].flip(0), endings[0, i - start].tolist()
            assert sorted(order.tolist()) == list(range(m))
            falling = distance[i][order]
            assert torch.equal(falling, distance[i].sort(descending=True).values)
            for q in range(m):
                partners = int((falling == falling[q]).sum()) - int(falling[q] == 0)
                ends = q == m - 1 or falling[q + 1] < falling[q]
                assert ending[q] == (partners if ends else 0)


def test_no_tensor_of_all_pairs_outlives_its_block(
    scan: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training needs memory of N, once a batch is larger than a block."""
    monkeypatch.setattr(scan, "ANCHORS", (1, 16))
    module = scan.ScanSupCR()
    peaks = []
    for n in (128, 256, 512):
        batch = make_leaves(Case(batch_size=n, embedding_size=16))

        def call(batch: object = batch) -> object:
            loss = module(batch.first, batch.second, batch.labels)[0]  # type: ignore[attr-defined]
            loss.backward()
            return loss

        peaks.append(peak_allocated_bytes(call))
    assert peaks[2] - peaks[1] == pytest.approx(2 * (peaks[1] - peaks[0]), rel=0.1)


def test_an_infinite_row_without_a_partner_has_no_gradient(scan: ModuleType) -> None:
    views = [torch.full((1, 3), torch.inf, requires_grad=True) for _ in range(2)]
    loss, _ = scan.ScanSupCR()(*views, torch.rand(1, 2))
    loss.backward()
    for view in views:
        assert view.grad is not None
        assert not view.grad.any()


def test_it_can_be_copied_into_another_project(
    scan: ModuleType, tmp_path: Path, servers: Servers
) -> None:
    """The file alone, where this package cannot be imported."""
    assert scan.__file__ is not None
    (tmp_path / "loss.py").write_text(Path(scan.__file__).read_text())
    code = (
        "import sys\n"
        "own = [name for name in sys.modules if name.startswith('supcr_bench.')]\n"
        "sys.modules.update(dict.fromkeys(['supcr_bench', *own]))\n"
        "import torch\n"
        "from loss import ScanSupCR\n"
        "view = torch.eye(4).requires_grad_()\n"
        "loss, parts = ScanSupCR()(view, view, torch.tensor([[0.0], [1.0], [3.0], [7.0]]))\n"
        "loss.backward()\n"
        "print(float(loss), tuple(parts.shape), bool(view.grad.any()))\n"
    )
    done = servers.run_code(code, tmp_path)
    assert done.returncode == 0, done.stderr
    value, rest = done.stdout.split(" ", 1)
    # Equal similarities: the mean of log |S(i,j)| over pairs, of sizes 1, 2 and 3, for two views.
    expected = 2 * sum(map(float, torch.tensor([1.0, 2.0, 3.0]).log())) / 3
    assert float(value) == pytest.approx(expected, rel=1e-6)
    assert rest.split() == ["(1,)", "True"]
