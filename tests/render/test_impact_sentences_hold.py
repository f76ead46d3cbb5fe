"""What `verify` says that a departure changes is true: of 500 simulated sets of rows, and of
gradients that are computed again, by loops, from the batches that a loss was called with.
"""

import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from supcr_bench.subjects.adapter import Adapter
from supcr_bench.values.definition import DEFINITIONS
from supcr_bench.verification.context import CheckContext
from supcr_bench.verification.impact import Impact, ImpactQuestion, impact_lines
from supcr_bench.verification.impact_study import ImpactStudy
from supcr_bench.verification.reading import Reading
from tests.made_verifications import make_impact

SETS = int(os.environ.get("SUPCR_BENCH_RUNS", "500"))
PARTS = ("strict inequality", "cosine similarity", "one L1 label distance over all dimensions")
LOST = "a gradient is zero or not finite in {} of {} batches"
COLUMNS = ((29, 46), (47, 64), (65, 73), (74, 79))
"""Where a line has the two angles, the ratio of lengths and the share of pairs."""


def simulated(seed: int) -> list[Impact]:
    random = np.random.default_rng([23, seed])
    generated, batches = bool(random.random() < 0.4), int(random.integers(1, 9))
    labels = ("continuous", "tied") if generated else ("ages.csv:age",)
    scale = 10 ** random.uniform(-5.5, 2.2)
    nearest = str(random.choice(list(DEFINITIONS)))
    about: dict[str, Any] = {
        "batch_size": int(random.choice([64, 256])),
        "left_out": 0 if generated else int(random.choice([0, 5])),
        "temperature": float(random.choice([0.1, 0.07, 2.0])),
        "note": str(random.choice(["it takes no temperature", ""])) or None,
    }
    others = () if generated else (d for d in DEFINITIONS if d != nearest)
    whole = [(None, d) for d in (nearest, *others)]
    own = [(part, nearest) for part in PARTS[: int(random.integers(4))]]
    rounding = [] if generated else [("float32 rounding", nearest)]
    kinds = [*(whole if random.random() < 0.7 else []), *own, *rounding]
    found = []
    for departure, definition in kinds:
        for kind in labels:
            for how in ("ordered",) if generated else ("random", "ordered"):
                angle = min(179.0, float(scale * random.lognormal(0, 1)))
                angle = 1e-5 if departure == "float32 rounding" else angle
                lost = int(random.integers(1, batches + 1)) if random.random() < 0.1 else 0
                note = "; ".join(
                    filter(None, (about["note"], LOST.format(lost, batches) if lost else None))
                )
                few = batches - lost < 6
                figures: dict[str, Any] = {
                    "angle": angle,
                    "low": None if few else 0.8 * angle,
                    "high": None if few else 1.3 * angle,
                    "length": float(random.lognormal()),
                    "pairs": None if departure is None else float(random.random()),
                }
                if lost == batches:
                    figures = dict.fromkeys(figures)
                figures |= about | {"note": note or None, "embeddings": how, "labels": kind}
                figures |= {"batches": batches - lost or batches, "definition": definition}
                found.append(make_impact(departure, **figures))
    return found


# --- What is true of the rows ---


def close(shown: str, value: float | None) -> bool:
    """Whether a figure is the value, in the digits that it has."""
    if shown == "-" or value is None:
        return shown == "-" and value is None
    digits = len(shown.partition(".")[2].partition("e")[0])
    unit = 10.0**-digits * (10 ** int(shown.partition("e")[2] or 0))
    if digits == 0 and "e" not in shown:
        unit = 10.0 ** (len(shown) - len(shown.rstrip("0"))) if len(shown) > 2 else 1.0
    return bool(abs(float(shown) - value) <= 0.5001 * unit)


def interval_holds(shown: str, row: Impact) -> bool:
    angle, low, high = re.fullmatch(r"(\S+)(?: \((\S+)-(\S+)\))?", shown).groups()  # type: ignore[union-attr]
    ends = low is None or (close(low, row.low) and close(high, row.high))
    return close(angle, row.angle) and ends and (low is not None or (row.high or 0) < 0.005)


def heading_holds(rows: Sequence[Impact], text: str) -> bool:
    told = re.fullmatch(
        r"Degrees between the gradient of this loss, or of one departure alone, and that of (\S+) "
        r"at temperature (\S+): median \(95 % interval\) of (\d+) batches of (\d+) rows of (.+?)"
        r"(?: \((\d+) rows have no label\))?, embeddings (random or )?ordered by label as after "
        r"training; length: over that of the definition; pairs: share whose term differs:",
        text,
    )
    assert told, text
    nearest, tau, batches, n, labels, left_out, random = told.groups()
    kinds = {row.labels for row in rows}
    return (
        {row.temperature for row in rows} == {float(tau)}
        and all(row.departure is None or row.definition == nearest for row in rows)
        and all(row.batches <= int(batches) for row in rows)
        and any(row.batches == int(batches) for row in rows)
        and {row.batch_size for row in rows} == {int(n)}
        and (labels == "generated labels" if "tied" in kinds else {labels} == kinds)
        and {row.left_out for row in rows} == {int(left_out or 0)}
        and ("random" in {row.embeddings for row in rows}) is bool(random)
    )


def rows_of(rows: Sequence[Impact], heads: Sequence[str], name: str) -> dict[str, Impact]:
    """The rows that a line is of, by the head of the column."""
    whole = re.fullmatch(r"loss, from (\S+)", name)
    return {
        head: row
        for row in rows
        for head in (row.labels, row.embeddings)
        if head in heads
        if (row.departure is None and whole is not None and row.definition == whole[1])
        or (row.departure or "").partition(":")[0] == name
    }


def row_holds(rows: Sequence[Impact], heads: Sequence[str], name: str, line: str) -> bool:
    own = rows_of(rows, heads, name)
    *angles, length, pairs = (line[a:b].strip() for a, b in COLUMNS)
    last = own[heads[1]]
    return (
        all(interval_holds(shown, own[head]) for shown, head in zip(angles, heads, strict=True))
        and close(length, last.length)
        and (not pairs) is (last.pairs is None)
        and (not pairs or close(pairs.removesuffix("%"), 100 * (last.pairs or 0)))
    )


def advice_holds(rows: Sequence[Impact], text: str) -> bool:
    """Whether the loss's own gradients, or else the departures', have what is said of the worst."""
    nearest = rows[0].definition
    own = [r for r in rows if r.definition == nearest and r.departure != "float32 rounding"]
    own = [r for r in own if r.departure is None] or own
    if any("not finite" in (r.note or "") for r in own) or nearest not in text:
        return False
    worst = max(r.angle or 0 for r in own)
    if text.startswith("This loss has the gradient of"):
        noise = [r.angle or 0 for r in rows if r.departure == "float32 rounding"]
        return worst <= 10 * max(noise, default=0) and "but for rounding: no need" in text
    if "raises" in text:
        return worst >= 90 and text.endswith(f"if you want {nearest}, train again.")
    told = re.search(r"lowers \S+ (\S+) % less than a step with \S+ itself: (.*)\.$", text)
    assert told, text
    lost = 100 * (1 - np.cos(np.radians(worst)))
    advice = ("little reason", "compare two", "if you want")[int(lost >= 1) + int(lost >= 10)]
    return math.isclose(float(told[1]), lost, rel_tol=0.051) and told[2].startswith(advice)


def table_in(lines: Sequence[str]) -> tuple[str, list[str], list[tuple[str, str]], str]:
    """The heading, the heads of the columns, the name and figures of each row, and the rest."""
    at = next((i for i, own in enumerate(lines) if own.split()[-2:] == ["length", "pairs"]), None)
    heading = "" if at is None else " ".join(lines[:at])
    heads = [] if at is None else lines[at].split()[:2]
    rest = list(lines) if at is None else list(lines[at + 1 :])
    found: list[tuple[str, str]] = []
    named = ""
    while rest and rest[0].startswith("  "):
        line = rest.pop(0)
        if not line[28:].strip() or not re.search(r"\S {2,}\S", line.strip()):
            named = named or line.strip()
            if not rest[0].startswith(" " * 28):
                continue
            line = rest.pop(0)
        found.append((named or line[2:28].strip(), line))
        named = ""
    return heading, heads, found, " ".join(rest)


def judged(rows: Sequence[Impact], lines: Sequence[str]) -> Iterator[tuple[str, bool]]:
    heading, heads, own, text = table_in(lines)
    if heads:
        yield "heading", heading_holds(rows, heading)
    for name, line in own:
        yield "row", row_holds(rows, heads, name, line)
    for said in re.findall(r"Note: .*?\.(?= Note: | This loss | At worst| --labels|$)", text):
        yield "note", said[6:-1] in {row.note for row in rows}
        text = text.replace(said, "", 1)
    if text.strip() == "--labels measures it on yours.":
        yield "hint", {row.labels for row in rows} == {"continuous", "tied"}
    elif text.strip():
        yield "advice", advice_holds(rows, text.strip())


# --- The tests ---


Told = list[tuple[list[Impact], list[str]]]
"""Sets of rows, each with the lines that are said of them."""


@pytest.fixture(scope="module")
def every() -> Told:
    return [(rows, [*impact_lines(rows)]) for rows in map(simulated, range(SETS)) if rows]


def test_every_line_is_true_of_the_rows(every: Told) -> None:
    said: Counter[str] = Counter()
    for rows, lines in every:
        for kind, true in judged(rows, lines):
            said[kind] += 1
            assert true, (kind, rows, lines)
    assert set(said) == {"heading", "row", "note", "hint", "advice"}
    assert min(said.values()) >= SETS / 10


def test_no_advice_is_given_beside_gradients_that_are_lost(every: Told) -> None:
    for rows, lines in every:
        text = " ".join(lines)
        nearest = [r for r in rows if r.definition == rows[0].definition and r.departure is None]
        if any("not finite" in (r.note or "") for r in nearest):
            assert "train again" not in text


def test_what_is_wholly_lost_has_no_figures_beside_it(every: Told) -> None:
    wholly = re.compile(LOST.format(r"(\d+)", r"\1"))
    seen: Counter[str] = Counter()
    for rows, said in every:
        _, heads, lines, _ = table_in(said)
        for name, line in lines:
            own = rows_of(rows, heads, name)
            # The length and the share of pairs are those of the second column.
            for head, columns in zip(heads, (COLUMNS[:1], COLUMNS[1:]), strict=True):
                if wholly.search(own[head].note or ""):
                    seen[head] += 1
                    assert {line[a:b].strip() for a, b in columns} <= {"-", ""}, line
    assert set(seen) == {"random", "ordered", "continuous", "tied"}


FALSE_LINES: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"of (\d+) batches", "of 99 batches"),
    (r"at temperature \S+:", "at temperature 7:"),
    (r"of (64|256) rows", "of 63 rows"),
    (r"(\d)([\d.]*)%$", lambda told: f"{(int(told[1]) + 4) % 10}{told[2]}%"),
    (r"(\d)(\.?\d*) % less than", r"9\1\2 % less than"),
    (r"raises", "lowers"),
    (r"but for rounding", "in half"),
    (r"Note: it", "Note: It"),
    (r" (\d)(\.?\d*) \(", lambda told: f" {(int(told[1]) + 4) % 10}{told[2]} ("),
    (r" -$", " 0"),
)
"""Texts by which a true line becomes false; figures keep their columns."""


def test_a_line_that_is_made_false_is_noticed(every: Told) -> None:
    tried: Counter[str] = Counter()
    for rows, lines in every:
        for old, new in FALSE_LINES:
            changed = [re.sub(old, new, line) for line in lines] if tried[old] < 30 else lines
            if changed != lines:
                tried[old] += 1
                assert not _all_true(rows, changed), changed
    assert [old for old, _ in FALSE_LINES if not tried[old]] == []


def _all_true(rows: Sequence[Impact], lines: Sequence[str]) -> bool:
    try:
        return all(true for _, true in judged(rows, lines))
    except (AssertionError, LookupError, AttributeError, ValueError):
        return False


# --- The gradients themselves ---


SEEN: list[tuple[Tensor, Tensor, Tensor]] = []


class Recorded:
    """`no-self` by loops; wrong, it asks for strictly farther candidates and keeps the partner."""

    def __init__(self, temperature: float = 0.1) -> None:
        self.temperature = temperature

    def __call__(self, perturbed: Tensor, intact: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        SEEN.append((perturbed.detach(), intact.detach(), labels))
        loss = by_loops((perturbed, intact), labels[:, 0], self.temperature, strict=True)
        return loss, loss.detach()[None]


def by_loops(views: Sequence[Tensor], y: Tensor, tau: float, *, strict: bool) -> Tensor:
    n, total = len(y), views[0].new_zeros(())
    for view in views:
        unit = view / view.norm(dim=1, keepdim=True)
        for i in range(n):
            s, far = unit @ unit[i] / tau, (y - y[i]).abs()
            for j in range(n):
                if i != j:
                    chosen = (far > far[j]) if strict else (far >= far[j])
                    chosen = chosen.clone()
                    chosen[i], chosen[j] = False, True
                    total = total + s[chosen].logsumexp(0) - s[j]
    return total / (n * (n - 1))


def gradient(views: Sequence[Tensor], y: Tensor, tau: float, *, strict: bool) -> np.ndarray:
    own = [view.double().requires_grad_() for view in views]
    found = torch.autograd.grad(by_loops(own, y.double(), tau, strict=strict), own)
    return torch.cat([g.flatten() for g in found]).numpy()


def test_the_printed_angle_is_that_of_gradients_by_loops(tmp_path: Path) -> None:
    """On tied labels of a file, between the loss that was called and the right one."""
    path = tmp_path / "ages.csv"
    ages = np.random.default_rng(0).integers(20, 26, 40)
    path.write_text("age\n" + "\n".join(map(str, ages)))
    SEEN.clear()
    definition = DEFINITIONS["no-self"]
    context = CheckContext(Adapter.usual(Recorded, definition))
    rows = list(
        ImpactStudy(context, Reading(), definition, ImpactQuestion(f"{path}:age", 8)).rows()
    )
    # Each batch of the file is asked about twice, and others are of generated labels.
    asked = {b[0].numpy().tobytes(): b for b in SEEN if len(b[2]) == 8 and float(b[2].min()) >= 20}
    batches = list(asked.values())[-16:]
    lines = impact_lines(rows)
    (line,) = (line for line in lines if line.startswith("  loss, from no-self"))
    shown = [line[a:b].split()[0] for a, b in COLUMNS[:3]]
    for at, own in enumerate((batches[::2], batches[1::2])):
        angles, lengths = [], []
        for *views, labels in own:
            wrong, right = (gradient(views, labels[:, 0], 0.1, strict=s) for s in (True, False))
            cosine = wrong @ right / np.linalg.norm(wrong) / np.linalg.norm(right)
            angles.append(math.degrees(math.acos(cosine)))
            lengths.append(float(np.linalg.norm(wrong) / np.linalg.norm(right)))
        assert close(shown[at], median(angles)), (line, angles)
        if at:
            assert close(shown[2], median(lengths)), (line, lengths)
    assert all(true for _, true in judged(rows, lines))
    doubled = [replace(r, angle=2 * (r.angle or 0)) for r in rows]
    assert not all(true for _, true in judged(doubled, lines))
