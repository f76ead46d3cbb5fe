"""Runs cells on a Ray cluster; the only file that uses Ray.

A cell (unit of work) is one Ray task that asks for every core of a machine, or for a GPU and its
share of the cores, so that Ray keeps other work away. In the task's process a LocalExecutor, whose
worker outlives the task, runs the cell and streams its events back. Ray does not retry tasks:
:class:`ClusterExecutor` knows which arms (implementation and pass) are done and repeats the others.
"""

import contextlib
import hashlib
import importlib.util
import logging
import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from supcr_bench.inputs.label_file import LabelFile
from supcr_bench.subjects.registry import Subject, folder
from supcr_bench.sweep.cluster_executor import ClusterExecutor, Slot, SlotLostError
from supcr_bench.sweep.local_executor import LocalExecutor
from supcr_bench.sweep.plan import make_budget
from supcr_bench.sweep.runner import Event
from supcr_bench.sweep.suite import Suite
from supcr_bench.values.cell import Budget, Cell
from supcr_bench.values.errors import UsageError, WorkerError
from supcr_bench.values.machine import usable_cpus
from supcr_bench.workers.messages import Activity, Failed

LOOPBACK = "127.0.0.1"
CONNECT_LIMIT_S = 5.0
"""Seconds to wait for an answer at an address."""
ANSWER_LIMIT_S = 120.0
"""Seconds in which a machine must free its cores and start a worker that imports torch."""
POLL_S = 0.5
_SETTINGS = b"\x04"
_HTTP2_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0" + _SETTINGS + b"\0" * 5
"""How an HTTP/2 connection begins: a greeting and empty settings; the server answers likewise."""
_QUIET: Mapping[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
OBJECT_STORE_BYTES = 100 * 2**20
"""Bytes of Ray's object store when it is started here; its default is a third of the memory."""
DISTRIBUTION = "supcr-bench"
BESIDE = ("implementations", "suites")
"""Folders beside the package in a checkout; an installed package contains them."""
HEARTBEAT_S = 1.0
"""Seconds between messages about an unchanged activity: each disturbs the measurement."""

_KEPT: dict[object, LocalExecutor] = {}
"""The executor that later tasks in a process of a machine reuse, by its options."""


def require_ray() -> None:
    if importlib.util.find_spec("ray") is None:
        raise UsageError("--executor ray needs Ray: pip install ray")


def make_ray_executor(
    address: str | None, suite: Suite, subjects: Sequence[Subject], labels: LabelFile | None
) -> ClusterExecutor:
    """Connect to a cluster at ``HOST:PORT``, or start Ray on this machine, and find its slots."""
    require_ray()
    if address is not None:
        require_address(address)
    backend = RayBackend(address, labels)
    try:
        return ClusterExecutor(backend.slots(suite, subjects), backend)
    except BaseException:
        backend.close()
        raise


class RayBackend:
    """Runs tasks on the slots of a Ray cluster; starts Ray here if there is no address."""

    def __init__(self, address: str | None, labels: LabelFile | None) -> None:
        _prepare_environment(address)
        import ray

        self._ray: Any = ray  # ray is only partly typed
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
        except Exception as error:  # noqa: BLE001 - Ray raises many kinds
            raise UsageError(
                f"--executor ray:{address}: {_first_line(error)}; this machine must be part of the "
                "cluster, and if the cluster uses a token, set RAY_AUTH_MODE=token"
            ) from None

    def close(self) -> None:
        self._ray.shutdown()

    def slots(self, suite: Suite, subjects: Sequence[Subject]) -> list[Slot]:
        """One slot for every machine with cores, and one for every GPU."""
        files = [subject.target for subject in subjects if subject.kind == "file"]
        here = node_facts(files)
        nodes = [
            node for node in self._ray.nodes() if node["Alive"] and node["Resources"].get("CPU")
        ]
        if not nodes:
            raise UsageError(
                "no machine of the Ray cluster offers a CPU: start one with --num-cpus"
            )
        nodes.sort(key=lambda node: (node["NodeManagerAddress"], node["NodeID"]))
        whole = [
            Slot(
                node=node["NodeID"],
                name=f"{node['NodeManagerAddress']} ({node['NodeID'][:6]})",
                cpus=node["Resources"]["CPU"],
            )
            for node in nodes
        ]
        asked = [self._task(node_facts, machine).remote(files) for machine in whole]
        begun: list[tuple[Slot, Any]] = []
        for node, machine, answer in zip(nodes, whole, asked, strict=True):
            facts = self._answer(answer, machine.name)
            require_same_code(here, facts, machine.name)
            for slot in _slots_of(machine, int(node["Resources"].get("GPU", 0)), facts, suite):
                task = self._task(node_environment, slot)
                begun.append((slot, task.remote(slot.budget.threads, self._labels)))
        with_gpus = {slot.node for slot, _ in begun if slot.gpu is not None}
        return [
            _with_environment(slot, self._answer(task, slot.name), slot.node in with_gpus)
            for slot, task in begun
        ]

    def _task(self, function: Any, slot: Slot, **options: Any) -> Any:
        """Make a function a Ray task with exclusive use of the slot."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return self._ray.remote(function).options(
            num_cpus=slot.cpus,
            num_gpus=0 if slot.gpu is None else 1,
            max_retries=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(slot.node, soft=False),
            **options,
        )

    def _answer(self, task: Any, name: str, limit_s: float | None = ANSWER_LIMIT_S) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(task, timeout=limit_s)
        except errors.GetTimeoutError:
            self._ray.cancel(task, force=True)
            reason = f"did not answer within {limit_s:.0f} s: other work may hold its cores"
        except errors.RayTaskError as error:
            reason = f"cannot take part: {_first_line(getattr(error, 'cause', error))}"
            if "No module named" in str(error):
                reason = (
                    "has no supcr-bench that a task can import: install the same version, "
                    "in the environment that Ray runs in"
                )
        except errors.RayError as error:
            reason = f"cannot take part: {_first_line(error)}"
        raise UsageError(f"{name} {reason}")

    def preflight(
        self, slots: Sequence[Slot], subjects: Sequence[Subject], device: str
    ) -> list[Mapping[str, Subject | Failed]]:
        asked = []
        for slot in slots:
            task = self._task(node_preflight, slot)
            asked.append(task.remote(slot.budget.threads, self._labels, list(subjects), device))
        # The LocalExecutor there ends an implementation that hangs, by its time limit.
        return [self._answer(task, s.name, None) for task, s in zip(asked, slots, strict=True)]

    def measure(self, slot: Slot, cell: Cell, subjects: Sequence[Subject]) -> Iterator[Event]:
        errors = self._ray.exceptions
        task = self._task(node_measure, slot, num_returns="streaming")
        stream = task.remote(self._labels, cell, list(subjects), slot.budget)
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
        except errors.RayTaskError as error:  # the code in the task raised it
            cause = getattr(error, "cause", error)
            raise WorkerError(f"{slot.name}: {_first_line(cause)}") from None
        except errors.TaskUnschedulableError as error:
            raise SlotLostError(_first_line(error), node_lost=True, started=False) from None
        except errors.NodeDiedError:
            raise SlotLostError("the machine was lost", node_lost=True) from None
        except errors.RayError as error:
            raise SlotLostError(_first_line(error), node_lost=False) from None
        finally:
            if not ended:
                with contextlib.suppress(errors.RayError):
                    self._ray.cancel(stream, force=True)


def _prepare_environment(address: str | None) -> None:
    """Set the variables that Ray reads when it is imported.

    By default Ray reports usage statistics, prints log lines of other processes, and listens on
    every network interface. Ray binds to 127.0.0.1 alone only with a setting that is meant for
    Windows and macOS. Where it is started here, it would start a worker for each core at once, and
    a run needs one.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    if address is None or address.rpartition(":")[0] in (LOOPBACK, "localhost"):
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    if address is None:
        os.environ.setdefault("RAY_prestart_worker_first_driver", "0")
    if address is None and "RAY_AUTH_MODE" not in os.environ:
        # Without these, Ray would leave a token in the home folder.
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def require_address(address: str) -> None:
    """Raise a UsageError if no Ray answers at an address; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(
            f"--executor ray:{address}: write ray:HOST:PORT, the address that `ray start` prints"
        )
    if os.environ.get("RAY_USE_TLS", "0") != "0":
        return  # a TLS server does not answer the HTTP/2 greeting
    try:
        with socket.create_connection((host, int(port)), CONNECT_LIMIT_S) as connection:
            connection.settimeout(CONNECT_LIMIT_S)
            connection.sendall(_HTTP2_GREETING)
            if connection.recv(4)[3:] != _SETTINGS:
                raise ConnectionError("something else listens there")
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"--executor ray:{address}: no Ray answers there ({error}); use the address that "
            "`ray start --head` prints, or --executor ray to start Ray on this machine"
        ) from None


def _first_line(error: object) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def _slots_of(machine: Slot, gpus: int, facts: Mapping[str, Any], suite: Suite) -> Iterator[Slot]:
    shares = [(None, 1), *((gpu, gpus) for gpu in range(gpus))]
    for gpu, parts in shares:
        cpus = machine.cpus / parts
        cores = max(min(facts["cpus"] // parts, int(cpus)), 1)
        budget = make_budget(suite, facts["available_bytes"] // parts, cores)
        yield replace(machine, gpu=gpu, cpus=cpus, budget=budget)


def _with_environment(slot: Slot, environment: Mapping[str, Any], gpus: bool) -> Slot:
    devices: list[str] = environment["devices"]
    if slot.gpu is not None:
        devices = [device for device in devices if device != "cpu"]
    elif gpus:  # the cell may see GPUs that Ray has not given it
        devices = ["cpu"]
    return replace(slot, devices=tuple(devices), environment=environment)


def require_same_code(here: Mapping[str, Any], there: Mapping[str, Any], name: str) -> None:
    """Raise a UsageError unless two machines, described by their facts, have the same code."""
    has = f"{name} has supcr-bench {there['version']}"
    cure = "install the same version on every machine"
    if there["version"] != here["version"]:
        raise UsageError(f"{has}, this machine has {here['version']}: {cure}")
    if there["code"] != here["code"]:
        raise UsageError(f"{has} with other code than this machine: {cure}")
    for file, digest in here["files"].items():
        if there["files"][file] is None:
            raise UsageError(f"{name} has no file {file}: copy it there, or use a shared disk")
        if there["files"][file] != digest:
            raise UsageError(
                f"{name} has another file {file} than this machine: copy it there again"
            )


def kept_executor(threads: int, labels: LabelFile | None) -> LocalExecutor:
    wanted = threads, labels, os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted not in _KEPT:
        while _KEPT:
            _KEPT.popitem()[1].close()
        _KEPT[wanted] = LocalExecutor(threads, labels)
    return _KEPT[wanted]


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _code() -> str:
    package, own = Path(__file__).parents[1], folder()
    parts = [
        f"{path.relative_to(root)} {_digest(path)}"
        for root in (package, own)
        for path in sorted(root.rglob("*.py"))
        if root == own or path.relative_to(root).parts[0] not in BESIDE
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def node_facts(files: Sequence[str]) -> dict[str, Any]:
    """Facts about a machine that are checked before a worker starts on it."""
    return {
        "version": version(DISTRIBUTION),
        "code": _code(),
        "files": {file: _digest(Path(file)) for file in files},
        "cpus": usable_cpus(),
        "available_bytes": psutil.virtual_memory().available,
    }


def node_environment(threads: int, labels: LabelFile | None) -> dict[str, Any]:
    return dict(kept_executor(threads, labels).environment)


def node_preflight(
    threads: int, labels: LabelFile | None, subjects: Sequence[Subject], device: str
) -> Mapping[str, Subject | Failed]:
    return kept_executor(threads, labels).preflight(subjects, device)


def node_measure(
    labels: LabelFile | None, cell: Cell, subjects: Sequence[Subject], budget: Budget
) -> Iterator[Event | tuple[Activity, float]]:
    """Run a cell and yield its events; an activity carries its duration, because clocks differ."""
    last_sent: Activity | None = None
    last_sent_s = 0.0
    for event in kept_executor(budget.threads, labels).run(cell, subjects, budget):
        if not isinstance(event, Activity):
            yield event
            continue
        now = time.monotonic()
        if event != last_sent or now - last_sent_s >= HEARTBEAT_S:
            last_sent, last_sent_s = event, now
            yield event, event.elapsed_s
