"""What can be told of a cluster without one; with one: ``tests/commands/test_ray_run.py``."""

import importlib.util
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from supcr_bench.sweep import ray_executor
from supcr_bench.sweep.cluster_executor import Slot
from supcr_bench.sweep.ray_executor import (
    node_facts,
    require_address,
    require_ray,
    require_same_code,
)
from supcr_bench.sweep.suite import Suite
from supcr_bench.values.errors import UsageError

SUITE = Suite.model_validate(
    {"name": "x", "purpose": "To see.", "implementations": ["a"], "axes": {"batch_size": 8}}
)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Something that is not Ray: it greets whoever comes and says no more."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"220 mail\r\n")
                connection.recv(1000)

        thread = threading.Thread(target=greet)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_without_ray_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install ray"):
        require_ray()


@pytest.mark.parametrize("address", ["x", "head:", ":6379", "ray://head:port", "head:6379/x"])
def test_what_is_no_address_is_answered_with_one(address: str) -> None:
    with pytest.raises(UsageError, match="ray:HOST:PORT"):
        require_address(address)


def test_an_address_where_nothing_listens_is_a_usage_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(UsageError, match="no Ray answers there"):
        require_address(f"127.0.0.1:{port}")


def test_what_listens_and_is_not_ray_is_told_from_it(silent_port: int) -> None:
    with pytest.raises(UsageError, match="something else listens there"):
        require_address(f"127.0.0.1:{silent_port}")


def machine(cpus: float) -> Slot:
    return Slot(node="abc", name="m", cpus=cpus)


def test_a_machine_has_the_budget_of_its_own_cores_and_memory() -> None:
    facts = {"cpus": 8, "available_bytes": 10 * 2**30}
    (whole,) = ray_executor._slots_of(machine(4), 0, facts, SUITE)
    assert whole.cpus == 4
    assert whole.budget.threads == 3  # Ray has four of the eight
    assert whole.budget.memory_limit_bytes == 8 * 2**30


def test_a_gpu_gets_its_share_of_cores_and_memory() -> None:
    facts = {"cpus": 8, "available_bytes": 10 * 2**30}
    whole, *gpus = ray_executor._slots_of(machine(8), 2, facts, SUITE)
    assert [p.gpu for p in gpus] == [0, 1]
    assert [(p.cpus, p.budget.threads) for p in gpus] == [(4, 3), (4, 3)]
    assert gpus[0].budget.memory_limit_bytes == 4 * 2**30
    found = {"devices": ["cpu", "cuda", "cuda:0"]}
    assert ray_executor._with_environment(gpus[0], found, gpus=True).devices == ("cuda", "cuda:0")
    assert ray_executor._with_environment(whole, found, gpus=True).devices == ("cpu",)
    assert ray_executor._with_environment(whole, found, gpus=False).devices[1] == "cuda"


def test_a_machine_with_other_code_or_another_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "loss.py"
    file.write_text("one")
    here = node_facts([str(file)])
    require_same_code(here, node_facts([str(file)]), "m7")
    file.write_text("two")
    for there, words in (
        (node_facts([str(file)]), "has another file"),
        (here | {"files": {str(file): None}}, "m7 has no file"),
        (here | {"version": "9.9"}, "m7 has supcr-bench 9.9, this machine has"),
        (here | {"code": "other"}, "m7 has supcr-bench .* with other code than this machine"),
    ):
        with pytest.raises(UsageError, match=words):
            require_same_code(here, there, "m7")
