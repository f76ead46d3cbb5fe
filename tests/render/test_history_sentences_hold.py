"""What ``history`` says is true of its snapshots: 500 simulated ones, by plain computation."""

import os

import numpy as np

from supcr_bench.gate.history import Snapshot, trends
from supcr_bench.render.gate_words import verdict_sentence
from supcr_bench.render.history import history_outcome, history_sentences
from tests.made_results import make_result
from tests.made_runs import make_run

HISTORIES = int(os.environ.get("SUPCR_BENCH_RUNS", "500"))
ALLOWED = {"dispatched_ops": 0.0, "peak_bytes": 0.01}


def simulated(seed: int) -> list[Snapshot]:
    """Two to five snapshots; an implementation may come late, or be gone at the end."""
    random = np.random.default_rng([20, seed])
    count = int(random.integers(2, 6))
    found = []
    grows = {name: float(random.choice([1.0, 1.0, 1.004, 1.1, 0.9])) for name in ("one", "two")}
    for at in range(count):
        results = [
            make_result(
                name,
                n=n,
                times=[1e-3] * 7 if random.random() < 0.5 else None,
                dispatched_ops=round(1000 * grow**at),
                peak_bytes=round(10**6 * grow**at),
            )
            for name, grow in grows.items()
            for n in (8, 16)
            if random.random() < 0.8
        ]
        found.append(Snapshot(f"r{at}", f"2026-01-0{at + 1}", make_run(results)))
    return found


def test_every_sentence_on_a_history_is_true_of_its_snapshots() -> None:
    late = 0
    for seed in range(HISTORIES):
        snapshots = simulated(seed)
        found = trends(snapshots, 0.05, 0.01)
        values: dict[tuple[object, ...], list[tuple[int, float]]] = {}
        for at, snapshot in enumerate(snapshots):
            for r in snapshot.run.results:
                for field in (*ALLOWED, "time_samples_s"):
                    if (value := getattr(r, field)) is not None:
                        last = value[0] if isinstance(value, tuple) else value
                        values.setdefault((field, *r.key), []).append((at, last))
        series = {key: own for key, own in values.items() if len(own) > 1}
        times = sum(key[0] == "time_samples_s" for key in series)
        worse = sum(
            own[-1][1] > own[0][1] * (1 + ALLOWED[str(key[0])])
            for key, own in series.items()
            if key[0] in ALLOWED
        )
        said = {s.kind: s.facts for s in history_sentences(found, snapshots)}
        assert said["history_of"] == {
            "snapshots": len(snapshots),
            "first": "r0",
            "last": snapshots[-1].label,
            "figures": len(series),
        }
        assert said.get("times_unjudged", {"times": 0})["times"] == times
        facts = verdict_sentence(history_outcome(found, snapshots)).facts
        counts = {str(verdict): n for verdict, n in facts["counts"].items()}
        assert counts.get("regression", 0) == worse
        assert sum(counts.values()) == len(series) - times
        begins_later = any(own[0][0] for key, own in series.items() if key[0] in ALLOWED)
        assert ("lacks" in facts["against"]) is begins_later
        late += begins_later
    assert late > HISTORIES / 10
