"""Whole runs of simulated implementations whose costs are known, on a noisy machine.

Besides the noise of a sweep (``simulated_sweeps``), samples have heavy tails, the machine drifts
within a cell and has a slow mode, and some arms end early. Calls fail, run out of memory, or are
skipped because a forecast says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from supcr_bench.measure.timing import MOST_SAMPLES
from supcr_bench.sweep.forecast import Forecast
from supcr_bench.values.axes import PASSES, Pass
from supcr_bench.values.case import Case
from supcr_bench.values.cell import FEWEST_SAMPLES, Budget
from supcr_bench.values.growth_law import LAWS
from supcr_bench.values.result import Result, Status
from tests.analysis.simulated_programs import Program, drawn_program
from tests.analysis.simulated_sweeps import TIME_LIMIT_S, Law, as_taken, cell_samples

MEMORY_LIMIT = 2**31
NOTE = ("loopy", "broadcast", "rowsort")
SERIES = ((1, 0.0), (2, 0.2))
"""Label dimensions and NaN density of the series of a run."""
SIZES = (16, 32, 64, 128, 256, 512)


@dataclass(frozen=True)
class Subject:
    """An implementation: its time by device and pass, its work by pass, and its memory."""

    times: Mapping[tuple[str, Pass], Law]
    work: Mapping[Pass, tuple[str, float]]
    program: Program
    definition: str = "torchcell"
    wrong: bool = False

    def seconds(self, case: Case) -> float:
        return case.dims * self.times[case.device, case.pass_].seconds(case.labelled_rows)

    def elements(self, case: Case) -> int:
        law, slower = self.work[case.pass_]
        m = case.labelled_rows
        return round(100 * case.dims * (LAWS[law].of(m) + slower * m**2 + 30 * m))

    def peak(self, case: Case) -> int:
        return case.dims * self.program.peak(case.batch_size, case.labelled_rows)


def drawn_subject(
    random: np.random.Generator, devices: Sequence[str], alike: Subject | None
) -> Subject:
    """A subject at random; one that is ``alike`` another has its times, up to 2 %."""
    times = {}
    for place in product(devices, PASSES):
        name = str(random.choice(["N", "N^2", "N^2 log N", "N^3"]))
        smallest_s = 10 ** random.uniform(-5, -3)
        overhead_s = smallest_s * float(random.choice([0.0, 1.0, 30.0, 300.0]))
        times[place] = Law(name, overhead_s, smallest_s / LAWS[name].of(16))
        if alike:
            law, by = alike.times[place], float(random.choice([1.0, 0.98, 1.02]))
            times[place] = Law(law.name, by * law.overhead_s, by * law.scale_s)
    work = {
        pass_: (str(random.choice(["N^2", "N^2 log N", "N^3", "N^4"])), random.uniform(0, 20))
        for pass_ in PASSES
    }
    return Subject(times, work, drawn_program(random, same_path=True), wrong=random.random() < 0.05)


def noisy_cell(
    random: np.random.Generator, seconds: Sequence[float], rounds: int
) -> list[tuple[float, ...]]:
    """Samples of the arms of a cell, whose true costs are given."""
    slow = 1.15 ** (random.random(rounds) < random.uniform(0, 0.3))
    drift = np.exp(random.normal(0, 0.1) * np.linspace(-0.5, 0.5, rounds)) * slow
    found = []
    for samples in cell_samples(random, seconds, rounds):
        late = random.random(rounds) < 0.03
        tail = np.where(late, 1 + random.pareto(1.5, rounds), 1.0)
        count = int(random.integers(2, 9)) if random.random() < 0.08 else rounds
        found.append(tuple(map(float, (np.array(samples) * drift * tail)[:count])))
    return found


def drawn_subjects(random: np.random.Generator, devices: Sequence[str]) -> dict[str, Subject]:
    found: dict[str, Subject] = {}
    for name in (*NOTE, "scan"):
        alike = next(iter(found.values()), None) if random.random() < 0.2 else None
        found[name] = drawn_subject(random, devices, alike)
    if random.random() < 0.3:
        found["scan"] = replace(found["scan"], definition="no-self")
    return found


def _ended(
    random: np.random.Generator, name: str, subject: Subject, case: Case, forecast: Forecast
) -> tuple[Status, str] | None:
    """How a call ends that is not measured; ``None`` if it is."""
    if skipped := forecast.skip(name, case):
        return Status.SKIPPED, skipped[1]
    if subject.peak(case) > MEMORY_LIMIT:
        return Status.OUT_OF_MEMORY, "an allocation failed"
    return (Status.FAILED, "RuntimeError: at random") if random.random() < 0.01 else None


def _differences(
    name: str, names: Sequence[str], subjects: Mapping[str, Subject]
) -> dict[str, float | None]:
    """Relative differences to the others; ``None`` where one of the two is wrong."""
    own = subjects[name]
    others = [other for other in names if other != name]
    return {n: None if own.wrong or subjects[n].wrong else 1e-7 for n in others}


def simulated_run(
    random: np.random.Generator, subjects: Mapping[str, Subject], devices: Sequence[str]
) -> list[Result]:
    """The results of all subjects in forward and training, by series and device."""
    results: list[Result] = []
    forecast = Forecast(Budget(time_limit_s=TIME_LIMIT_S))
    for device, (dims, density), pass_, n in product(devices, SERIES, PASSES, SIZES):
        case = Case(batch_size=n, dims=dims, nan_density=density, device=device, pass_=pass_)
        ended = {
            name: end
            for name, own in subjects.items()
            if (end := _ended(random, name, own, case, forecast))
        }
        names = [name for name in subjects if name not in ended]
        true = [subjects[name].seconds(case) for name in names]
        rounds = int(random.integers(FEWEST_SAMPLES, MOST_SAMPLES))
        fastest = names[true.index(min(true))] if true else None
        *drawn, again = noisy_cell(random, [*true, *sorted(true)[:1]], rounds) or [()]
        samples = dict(zip(names, as_taken(drawn), strict=True))
        for name, own in subjects.items():
            status, reason = ended.get(name, (Status.MEASURED, None))
            measured = name not in ended
            result = Result(
                implementation=name,
                case=replace(case, definition=own.definition),
                status=Status.WRONG if measured and own.wrong else status,
                reason="the loss is off" if measured and own.wrong else reason,
                session=case.describe() + pass_,
                time_samples_s=samples.get(name),
                aa_samples_s=again[: len(samples[name])] if name == fastest else None,
                peak_bytes=own.peak(case) if measured else None,
                elements_processed=own.elements(case) if measured else None,
                dispatched_ops=100 if measured else None,
                value_difference=_differences(name, names, subjects) if measured else None,
                time_limit_s=TIME_LIMIT_S,
                memory_limit_bytes=MEMORY_LIMIT,
            )
            forecast.observe(result)
            results.append(result)
    return results
