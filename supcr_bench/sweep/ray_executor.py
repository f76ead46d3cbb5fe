"""Cells on a Ray cluster. Nothing of Ray is anywhere else.

A cell is one Ray task that asks for every core of a machine, or for a GPU and its share of them, so
that Ray itself keeps other work away from it. In the task's process cells are run as on this
machine, by a :class:`LocalExecutor` whose worker outlives the task, and events are streamed back.
Ray is not asked to try again: what is lost is run again by whoever knows which arms are done.
"""

import contextlib
import importlib.util
import logging
import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from supcr_bench.inputs.label_file import LabelFile
from supcr_bench.subjects.registry import Subject
from supcr_bench.sweep import cluster_node
from supcr_bench.sweep.cluster_executor import ClusterExecutor, PlaceLostError
from supcr_bench.sweep.cluster_node import Labels, Setting, read_labels, require_alike
from supcr_bench.sweep.executor import Checked, Event
from supcr_bench.sweep.places import Place
from supcr_bench.sweep.plan import make_budget, usable_cpus
from supcr_bench.sweep.suite import Suite
from supcr_bench.values.case import Workload
from supcr_bench.values.cell import Budget, Cell
from supcr_bench.values.errors import UsageError, WorkerError
from supcr_bench.workers.activity import Activity

LOOPBACK = "127.0.0.1"
CONNECT_LIMIT_S = 5.0
"""To be answered at an address."""
ANSWER_LIMIT_S = 120.0
"""For a machine to give its cores and start a worker; torch may come from a cold disk."""
POLL_S = 0.5
_SETTINGS = b"\x04"
_HTTP2_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0" + _SETTINGS + b"\0" * 5
"""How HTTP/2 begins, with settings of which none is set; the answer is a frame of settings too."""
_QUIET: Mapping[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
OBJECT_STORE_BYTES = 100 * 2**20
"""Of a Ray that is started here; Ray would take a third of the memory that is to be measured in."""


def require_ray() -> None:
    """Raise a UsageError where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise UsageError("--executor ray needs Ray: pip install 'supcr-bench[ray]'")


def make_ray_executor(
    address: str | None, suite: Suite, subjects: Sequence[Subject], labels: LabelFile | None
) -> ClusterExecutor:
    """Connect to a cluster, or start Ray on this machine, and look at every machine of it.

    Args:
        address: ``HOST:PORT`` of the cluster's head; ``None`` to start one here that is gone with
            the executor.
        suite: whose budget each machine gets, by its own cores and memory.
        subjects: what is to be measured; a file has to be the same everywhere.
        labels: a person's own.

    Raises:
        UsageError: nothing answers there, or a machine cannot take part; says which and why.
    """
    require_ray()
    if address is not None:
        require_address(address)
    machines = _RayMachines(address, read_labels(labels))
    try:
        return ClusterExecutor(machines.places(suite, subjects), machines)
    except BaseException:
        machines.close()
        raise


class _RayMachines:
    """The machines of a Ray cluster, reached by tasks.

    Args:
        address: of the cluster; ``None`` to start one.
        labels: for every worker.
    """

    def __init__(self, address: str | None, labels: Labels | None) -> None:
        _prepare_environment(address)
        import ray

        self._ray: Any = ray  # a part of it is typed
        self._labels = labels
        if address is None:
            ray.init(
                address="local",
                _node_ip_address=LOOPBACK,
                num_cpus=usable_cpus(),
                object_store_memory=OBJECT_STORE_BYTES,
                include_dashboard=False,
                **_QUIET,
            )
            return
        try:
            ray.init(address=address, **_QUIET)
        except Exception as error:  # noqa: BLE001 - as many kinds as there are ways to fail
            raise UsageError(
                f"--executor ray:{address}: {_first_line(error)}; this machine has to be a part of "
                "the cluster, and where that takes a token, RAY_AUTH_MODE=token has to be set"
            ) from None

    def close(self) -> None:
        """Leave the cluster, which ends this run's processes there; end it if it began here."""
        self._ray.shutdown()

    def places(self, suite: Suite, subjects: Sequence[Subject]) -> list[Place]:
        """Every machine that has cores, and every GPU.

        Raises:
            UsageError: one has other code, or does not answer.
        """
        files = [subject.target for subject in subjects if subject.kind == "file"]
        here = cluster_node.facts(files)
        nodes = [
            node for node in self._ray.nodes() if node["Alive"] and node["Resources"].get("CPU")
        ]
        if not nodes:
            raise UsageError("the Ray cluster has no machine with a CPU to give")
        nodes.sort(key=lambda node: (node["NodeManagerAddress"], node["NodeID"]))
        asked = [
            (node, self._task(cluster_node.facts, _whole(node)).remote(files)) for node in nodes
        ]
        begun: list[tuple[Place, Any]] = []
        for node, answer in asked:
            name = f"{node['NodeManagerAddress']} ({node['NodeID'][:6]})"
            facts = self._answer(answer, name)
            require_alike(here, facts, name)
            for place in _places_of(node, name, facts, suite):
                task = self._task(cluster_node.environment, place)
                begun.append((place, task.remote(self._setting(place))))
        with_gpus = {place.node for place, _ in begun if place.gpu is not None}
        return [
            _with_environment(place, self._answer(task, place.name), place.node in with_gpus)
            for place, task in begun
        ]

    def _setting(self, place: Place) -> Setting:
        return Setting(place.budget.threads, self._labels)

    def _task(self, function: Any, place: Place, **options: Any) -> Any:
        """A function as a task that has its place to itself."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return self._ray.remote(function).options(
            num_cpus=place.cpus,
            num_gpus=0 if place.gpu is None else 1,
            max_retries=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(place.node, soft=False),
            **options,
        )

    def _answer(self, task: Any, name: str, limit_s: float | None = ANSWER_LIMIT_S) -> Any:
        """What a short task returns.

        Raises:
            UsageError: it failed, or its machine did not give it room.
        """
        errors = self._ray.exceptions
        try:
            return self._ray.get(task, timeout=limit_s)
        except errors.GetTimeoutError:
            self._ray.cancel(task, force=True)
            reason = f"did not answer within {limit_s:.0f} s: other work has its cores"
        except errors.RayTaskError as error:
            reason = f"cannot take part: {_first_line(getattr(error, 'cause', error))}"
            if "No module named" in str(error):
                reason = (
                    "has no supcr-bench that a task can import: install the same version there, "
                    "in the environment that Ray runs in"
                )
        except errors.RayError as error:
            reason = f"cannot take part: {_first_line(error)}"
        raise UsageError(f"{name} {reason}")

    def check(
        self, places: Sequence[Place], subjects: Sequence[Subject], like: Workload
    ) -> list[Mapping[str, Checked]]:
        """Load and call each subject at each place, at all of them at once."""
        tasks = [
            self._task(cluster_node.check, place).remote(self._setting(place), list(subjects), like)
            for place in places
        ]
        # A worker that hangs in a subject is ended by its own limit.
        return [
            self._answer(task, place.name, None) for task, place in zip(tasks, places, strict=True)
        ]

    def measure(self, place: Place, cell: Cell, subjects: Sequence[Subject]) -> Iterator[Event]:
        """Run a cell there as one task, and give its events as they come."""
        errors = self._ray.exceptions
        wanted = {arm.implementation for arm in cell.arms}
        stream = self._task(cluster_node.measure, place, num_returns="streaming").remote(
            self._setting(place), cell, [s for s in subjects if s.name in wanted], place.budget
        )
        last = Activity("waiting for a machine", None, time.monotonic())
        ended = False
        try:
            while True:
                ready, _ = self._ray.wait([stream], timeout=POLL_S)
                if not ready:
                    yield last
                    continue
                event = self._ray.get(next(stream))
                if isinstance(event, tuple):
                    activity, elapsed_s = event
                    event = last = Activity(
                        activity.stage, activity.arm, time.monotonic() - elapsed_s
                    )
                yield event
        except StopIteration:
            ended = True
        except errors.RayTaskError as error:  # raised by the task itself
            cause = getattr(error, "cause", error)
            raise WorkerError(f"{place.name}: {_first_line(cause)}") from None
        except errors.TaskUnschedulableError as error:
            raise PlaceLostError(_first_line(error), whole=True, began=False) from None
        except errors.NodeDiedError:
            raise PlaceLostError("the machine was lost", whole=True) from None
        except errors.RayError as error:
            raise PlaceLostError(_first_line(error), whole=False) from None
        finally:
            if not ended:
                with contextlib.suppress(errors.RayError):
                    self._ray.cancel(stream, force=True)


def _prepare_environment(address: str | None) -> None:
    """Settings that Ray reads when it is imported.

    Without them it reports its use, prints over what a person is looking at, and listens on every
    interface: only on systems where it takes clusters to be unusual does it let a machine be known
    as 127.0.0.1, to which it binds then.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    if address is None or address.rpartition(":")[0] in (LOOPBACK, "localhost"):
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    if address is None and "RAY_AUTH_MODE" not in os.environ:
        # Ray would leave a token in the home folder, for every cluster to come.
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def require_address(address: str) -> None:
    """Raise a UsageError where no Ray can be at an address; Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(
            f"--executor ray:{address}: write it like ray:HOST:PORT, as `ray start` prints it"
        )
    if os.environ.get("RAY_USE_TLS", "0") != "0":
        return  # what answers there says nothing to a stranger
    try:
        _require_grpc(host, int(port))
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"--executor ray:{address}: no Ray answers there ({error}); `ray start --head` "
            "prints the address, and without one Ray is started here"
        ) from None


def _require_grpc(host: str, port: int) -> None:
    """Raise an OSError where nothing speaks HTTP/2, as Ray does."""
    with socket.create_connection((host, port), CONNECT_LIMIT_S) as connection:
        connection.settimeout(CONNECT_LIMIT_S)
        connection.sendall(_HTTP2_GREETING)
        if connection.recv(4)[3:] != _SETTINGS:
            raise ConnectionError("something else listens there")


def _first_line(error: object) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def _whole(node: Mapping[str, Any]) -> Place:
    """A machine of which nothing is known yet."""
    return Place(
        node=node["NodeID"],
        name=node["NodeManagerAddress"],
        cpus=node["Resources"]["CPU"],
        devices=(),
        environment={},
        budget=Budget(),
    )


def _places_of(
    node: Mapping[str, Any], name: str, facts: Mapping[str, Any], suite: Suite
) -> Iterator[Place]:
    cpus = node["Resources"]["CPU"]
    gpus = int(node["Resources"].get("GPU", 0))
    shares: list[tuple[int | None, float, int]] = [(None, cpus, 1)]
    shares += [(gpu, cpus / gpus, gpus) for gpu in range(gpus)]
    for gpu, share, parts in shares:
        cores = max(min(facts["cpus"] // parts, int(share)), 1)
        yield Place(
            node=node["NodeID"],
            name=name,
            gpu=gpu,
            cpus=share,
            devices=(),
            environment={},
            budget=make_budget(
                suite,
                lambda parts=parts: facts["available_bytes"] // parts,  # type: ignore[misc]
                lambda cores=cores: cores,  # type: ignore[misc]
            ),
        )


def _with_environment(place: Place, environment: Mapping[str, Any], gpus: bool) -> Place:
    """The place, once a worker there has said what it has."""
    devices: list[str] = environment["devices"]
    if place.gpu is not None:
        devices = [device for device in devices if device != "cpu"]
    elif gpus:  # a task without a GPU may see them all the same
        devices = ["cpu"]
    return replace(place, devices=tuple(devices), environment=environment)
