"""``make store-study``: random events happen to a run, and nothing may be lost, doubled or mixed.

Each sequence works on one small suite by the real command: it is started, continued, killed (it or
its worker), started twice at once, its disk fills up, its files are cut, doubled, taken away or
changed, its code changes, and the clock goes back. After every event the stored results are held
against all that were ever seen. A seed gives the same events; the moments of a kill are those of
the machine. 200 sequences take about half an hour.
"""

import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from tests.forked.command import CLOCK
from tests.forked.start import ForkedProcess, Servers
from tests.patience import HANGS_S

SUITE = """
purpose = "Small enough to be run many times."
implementations = ["own.py:IMPLEMENTATION"]

[[grid]]
batch_size = [4, 6, 8, 10]
embedding_size = 4
timed = false
"""
OWN = """
from dataclasses import replace

from helper import VERSION
from supcr_bench.implementations.broadcast import IMPLEMENTATION as BROADCAST


def factory(**given):
    loss = BROADCAST.factory(**given)

    def call(perturbed, intact, labels):
        for _ in range(VERSION):
            perturbed = perturbed + 0
        return loss(perturbed, intact, labels)

    return call


IMPLEMENTATION = replace(BROADCAST, factory=factory)
"""
CASES = 8
EVENTS = 8
"""Events of a sequence; then what is left is measured."""
STATUSES = (0, 1, 2, 3)
COVERAGE_ENDS = "Exception ignored in atexit callback: <bound method Coverage"
"""Coverage cannot write its own data to a full disk either; this is the last that is said then."""


class Ended(NamedTuple):
    """How a command ended, and what it said."""

    status: int
    said: str
    printed: str


class UnderFire:
    """One sequence of events, in a folder of its own; an AssertionError tells what was violated."""

    def __init__(self, servers: Servers, folder: Path, seed: int, events: int = EVENTS) -> None:
        self.servers, self.folder, self.seed, self.events = servers, folder, seed, events
        self.random = random.Random(seed)
        self.log: list[str] = []
        self.version = 0
        self.run: Path | None = None
        self.begun_with: dict[Path, int] = {}
        self.seen: dict[Path, set[str]] = {}
        """Every complete line that was ever stored in a run, and not taken away by an event."""
        self.hours_back = 0
        (folder / "tiny.toml").write_text(SUITE)
        (folder / "own.py").write_text(OWN)
        (folder / "scratch").mkdir()
        self.change_code(0)

    def change_code(self, version: int) -> None:
        self.version = version
        (self.folder / "helper.py").write_text(f"VERSION = {version}\n")

    # --- commands ---

    def start(self, *arguments: str) -> tuple[ForkedProcess, int]:
        """Begin a command; the process, and where its errors can be read."""
        read, write = os.pipe()
        environment = {"TMPDIR": str(self.folder / "scratch"), CLOCK: str(-self.hours_back)}
        before = {name: os.environ.get(name) for name in environment}
        os.environ.update(environment)
        try:
            process = self.servers.start_command(arguments, self.folder, write)
        finally:
            os.close(write)
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
        return process, read

    def finish(self, process: ForkedProcess, errors: int) -> Ended:
        """Wait for the end, and hold what every command must do."""
        printed = process.stdout.read().decode()
        status = process.wait(HANGS_S)
        process.stdout.close()
        with os.fdopen(errors) as file:
            said = file.read().partition(COVERAGE_ENDS)[0]
        self.log.append(f"  status {status}: {said.strip()[-200:]}")
        assert "Traceback" not in said, said
        if status not in (-signal.SIGKILL, 0):
            assert status in STATUSES, status
            assert "supcr-bench: " in said or status == 1, f"status {status} without a reason"
        return Ended(status, said, printed)

    def measure(self) -> tuple[ForkedProcess, int]:
        """Continue the run, or begin one."""
        if self.run is None:
            return self.start("run", "tiny.toml")
        return self.start("run", "--resume", str(self.run))

    def find_run(self) -> None:
        """The run that was begun last, if the last one is not known yet."""
        for path in (self.folder / "results").glob("*/run.json"):
            if path.parent not in self.begun_with:
                self.run = path.parent
                self.begun_with[path.parent] = self.version
                self.seen[path.parent] = set()

    def wait_for(self, process: ForkedProcess, results: int) -> None:
        """Until so many more results are stored, or for a moment, or to the end."""
        before = {run: len(lines_of(run)) for run in self.seen}
        deadline = time.monotonic() + 10
        while process.poll() is None and time.monotonic() < deadline:
            found = (self.folder / "results").glob("*/measurements.jsonl")
            if any(len(lines_of(f.parent)) >= before.get(f.parent, 0) + results for f in found):
                return
            time.sleep(0.005)

    # --- events ---

    def go_on(self) -> None:
        ended = self.finish(*self.measure())
        assert ended.status in (0, 1), ended.said

    def kill_it(self) -> None:
        process, errors = self.measure()
        self.wait_for(process, self.random.randrange(CASES))
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        self.finish(process, errors)

    def end_it(self) -> None:
        number = self.random.choice((signal.SIGINT, signal.SIGTERM))
        process, errors = self.measure()
        self.wait_for(process, 1)
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
        process.stdout.read()
        status = process.wait(HANGS_S)
        process.stdout.close()
        with os.fdopen(errors) as file:
            said = file.read()
        self.log.append(f"  status {status}: {said.strip()[-200:]}")
        assert status in (0, 1, 128 + number), f"{status}: {said}"
        if status > 1 and (self.folder / "results").exists():
            assert "results are kept in" in said or "interrupted" in said or "Term" in said, said

    def kill_its_worker(self) -> None:
        process, errors = self.measure()
        self.wait_for(process, self.random.randrange(CASES))
        with suppress(psutil.Error):
            for other in psutil.Process(psutil.Process(process.pid).ppid()).children():
                with suppress(psutil.Error):
                    if other.pid != process.pid and Path(other.cwd()) == self.folder:
                        other.kill()
        ended = self.finish(process, errors)
        assert ended.status in (0, 1, 2), ended.said

    def two_at_once(self) -> None:
        self.require_run()
        first = self.measure()
        time.sleep(self.random.random() / 2)
        second = self.measure()
        ended = [self.finish(*first), self.finish(*second)]
        refused = [e for e in ended if e.status == 2]
        assert all("another process measures" in e.said for e in refused), ended
        assert len(refused) < 2

    def fill_the_disk(self) -> None:
        self.require_run()
        process, errors = self.measure()
        assert self.run is not None
        size = (self.run / "measurements.jsonl").stat().st_size + self.random.randrange(4000)
        with suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, size))
        self.finish(process, errors)

    def tear_a_line(self) -> None:
        run = self.require_run()
        with (run / "measurements.jsonl").open("ab") as file:
            file.write(b'{"implementation": "own.py:IMPLEM'[: self.random.randrange(1, 30)])
        ended = self.finish(*self.start("report", str(run)))
        assert ended.status == 0, ended.said
        assert "the last line is incomplete" in ended.said

    def change_its_code(self) -> None:
        run = self.require_run()
        before = (run / "measurements.jsonl").read_bytes()
        kept = self.version
        self.change_code(kept + 1)
        ended = self.finish(*self.measure())
        assert ended.status == 2, ended
        assert "helper.py has changed since the run began; start a new run" in ended.said
        complete = before[: before.rfind(b"\n") + 1]
        assert (run / "measurements.jsonl").read_bytes() in (before, complete)
        if self.random.random() < 0.5:
            self.change_code(kept)
        else:
            self.run = None  # a new one begins with the next event

    def change_its_suite(self) -> None:
        self.require_run()
        (self.folder / "tiny.toml").write_text(SUITE.replace("10]", "12]"))
        ended = self.finish(*self.measure())
        (self.folder / "tiny.toml").write_text(SUITE)
        assert ended.status == 2, ended
        assert "tiny.toml has changed since the run began" in ended.said

    def take_a_file(self) -> None:
        run = self.require_run()
        pages = list((self.folder / "reports").glob("*/index.html"))
        whole = {page: page.read_bytes() for page in pages}
        file = run / self.random.choice(("measurements.jsonl", "run.json"))
        aside = self.folder / "aside"
        file.rename(aside)
        for command in (("report", str(run)), ("run", "--resume", str(run))):
            ended = self.finish(*self.start(*command))
            assert ended.status == 2, ended
        assert {page: page.read_bytes() for page in pages} == whole
        aside.rename(file)

    def damage_a_file(self) -> None:
        run = self.require_run()
        file = run / self.random.choice(("measurements.jsonl", "run.json"))
        whole = file.read_bytes()
        at = self.random.randrange(len(whole) or 1)
        file.write_bytes(whole[:at] + b"\n\x00\xff" + whole[at + 3 :])
        ended = self.finish(*self.start("report", str(run)))
        assert ended.status in (0, 2), ended
        file.write_bytes(whole)

    def double_a_line(self) -> None:
        run = self.require_run()
        lines = lines_of(run)
        if not lines:
            return
        doubled = [*lines, self.random.choice(lines)]
        (run / "measurements.jsonl").write_text("".join(f"{line}\n" for line in doubled))
        ended = self.finish(*self.start("export", str(run), "--format", "csv"))
        assert ended.status == 0, ended
        assert "further results of cases that it has" in ended.said
        rows = ended.printed.strip().splitlines()[1:]
        assert len(rows) == len(set(map(key_of, lines)))
        (run / "measurements.jsonl").write_text("".join(f"{line}\n" for line in lines))

    def set_the_clock_back(self) -> None:
        self.hours_back += self.random.randrange(1, 100)

    def begin_another(self) -> None:
        self.run = None
        self.go_on()

    def require_run(self) -> Path:
        if self.run is None:
            self.go_on()
            self.find_run()
        assert self.run is not None
        return self.run

    # --- what must hold ---

    def check(self) -> None:
        """No result is lost, none is double, and none is of other code than its run."""
        self.find_run()
        versions: dict[tuple[Path, str], set[int]] = {}
        for run, seen in self.seen.items():
            lines = lines_of(run)
            assert seen <= set(lines), f"lost: {seen - set(lines)}"
            seen.update(lines)
            keys = [key_of(line) for line in lines]
            assert len(set(keys)) == len(keys) <= CASES, f"double: {keys}"
            for line in lines:
                row = json.loads(line)
                if row["launches"] is not None:  # a version adds an operation to each call
                    versions.setdefault((run, row["pass"]), set()).add(row["launches"])
        mixed = {key: found for key, found in versions.items() if len(found) > 1}
        assert not mixed, f"mixed: {mixed}"

    def all(self) -> None:
        """Have the events, and measure what is left."""
        events: list[Callable[[], None]] = [
            *(self.go_on, self.kill_it, self.kill_it, self.kill_it, self.end_it),
            *(self.kill_its_worker, self.two_at_once, self.fill_the_disk, self.fill_the_disk),
            *(self.tear_a_line, self.change_its_code, self.change_its_suite, self.take_a_file),
            *(self.damage_a_file, self.double_a_line, self.set_the_clock_back, self.begin_another),
        ]
        try:
            for event in self.random.choices(events, k=self.events):
                self.log.append(event.__name__)
                event()
                self.check()
            self.log.append("the rest")
            self.go_on()
            self.check()
            assert self.run is not None
            assert len(lines_of(self.run)) == CASES
            if "kill_it" not in self.log:  # a kill -9 may come before a worker knows its folder
                left = sorted((self.folder / "scratch").glob("supcr-bench-*"))
                assert not left, f"scratch folders are left: {left}"
        except AssertionError as error:
            raise AssertionError(
                f"sequence {self.seed}: {error}\n" + "\n".join(self.log)
            ) from error


def lines_of(run: Path) -> list[str]:
    """The complete lines of a run's measurements."""
    try:
        content = (run / "measurements.jsonl").read_bytes()
    except OSError:
        return []
    return content[: content.rfind(b"\n") + 1].decode().splitlines()


def key_of(line: str) -> tuple[Any, ...]:
    row = json.loads(line)
    return row["implementation"], row["pass"], row["batch_size"]


@contextmanager
def new_folder() -> Iterator[Path]:
    """A folder that is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="fire-")).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Have so many sequences (200), from that seed on (1000), and say what was violated."""
    count, first = (int(a) for a in (sys.argv[1:] + ["200", "1000"][len(sys.argv) - 1 :])[:2])
    violated = 0
    with tempfile.TemporaryDirectory(prefix="servers-") as name:
        servers = Servers(Path(name), owned=True)
        for seed in range(first, first + count):
            with new_folder() as folder:
                try:
                    UnderFire(servers, folder, seed).all()
                except AssertionError as error:
                    violated += 1
                    sys.stdout.write(f"{error}\n")
            sys.stdout.write(f"{seed - first + 1} of {count} sequences, {violated} violations\n")
            sys.stdout.flush()
        servers.close()
    return 1 if violated else 0


if __name__ == "__main__":
    sys.exit(main())
