"""Losses that spoil or fool a careless harness, in one session of the fixture, in a process."""

import shutil
from pathlib import Path

import pytest

from tests.forked.start import Servers
from tests.hostile import FOLDER

SESSION = """
import pytest
from tests.hostile import HOSTILE, HONEST, REFUSED, end_processes

SMALL = {"batch_size": 6, "dims": 2, "nan_density": 0.2, "embedding_size": 8}
SMALL["definition"] = "torchcell"  # recognising it takes a second
HONESTLY = ["rowsort", *(f"{name}.py:Loss" for name in HONEST)]
BY_CHANCE = "last_answer_by_address"
# A function of torch, of another loss and of the clock; a setting of torch, and two that the
# fixture sets. A cell of each other one is in tests/measure/test_hostile.py, and the fixture counts
# in such cells.
CHANGING = ["slow_exp", "slows_another", "slow_clock"]
CHANGING += ["bfloat16_products", "two_threads", "collector_off"]
ALONE = {}


@pytest.fixture
def counts(supcr_benchmark):
    def measure(name):
        found = supcr_benchmark(name, **SMALL)
        assert (found.status, found.process_changes) == ("measured", None)
        return found.loss, found.dispatched_ops, found.elements_processed, found.peak_bytes

    return measure


@pytest.mark.parametrize("name", HONESTLY)
def test_the_honest_before(counts, name):
    ALONE[name] = counts(name)


@pytest.mark.parametrize(
    "name", [n for n, own in HOSTILE.items() if (own.finding or n in CHANGING) and n != BY_CHANCE]
)
def test_each(supcr_benchmark, name):
    expected = HOSTILE[name]
    if expected.finding:
        with pytest.raises(Exception, match=expected.finding):
            supcr_benchmark(f"{name}.py:Loss", **SMALL)
    else:
        with pytest.warns(UserWarning, match=f"{expected.change}.*; it was undone"):
            supcr_benchmark(f"{name}.py:Loss", **SMALL)


@pytest.mark.parametrize("name", REFUSED)
def test_the_refused(supcr_benchmark, name):
    with pytest.raises(Exception, match="may compute its value when it is read"):
        supcr_benchmark(f"{name}.py:Loss", **SMALL)


@pytest.mark.parametrize("name", HONESTLY)
def test_the_honest_after(counts, name):
    assert counts(name) == ALONE[name]


@pytest.mark.parametrize("name", ["spinning_process.py:Loss", "rowsort"])
def test_what_spins_is_not_timed_nor_is_what_follows(supcr_benchmark, name):
    with pytest.raises(AssertionError, match="cannot be timed in this .*keeps a core busy"):
        supcr_benchmark(name, **SMALL)


def test_what_is_undone_by_hand(counts):
    end_processes()
    assert counts("rowsort") == ALONE["rowsort"]


def test_an_operator_of_torch_is_not_given_back(supcr_benchmark):
    with pytest.raises(AssertionError, match="cannot be timed .* overrides torch's operator"):
        supcr_benchmark("slow_operator.py:Loss", **SMALL)
"""


@pytest.mark.slow
def test_each_is_noticed_and_the_honest_are_as_they_were(tmp_path: Path, servers: Servers) -> None:
    for file in FOLDER.glob("[a-z]*.py"):
        shutil.copy(file, tmp_path)
    (tmp_path / "test_it.py").write_text(SESSION)
    options = "-q -p no:cacheprovider -p no:randomly --benchmark-disable-gc test_it.py"
    brief = ("--benchmark-max-time=0.000001", "--benchmark-min-rounds=8")
    code = f"import pytest, sys; sys.exit(pytest.main({[*options.split(), *brief]}))"
    done = servers.run_code(code, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
