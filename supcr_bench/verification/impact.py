"""How far the gradient of a loss points away from a definition's, on given labels."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from textwrap import shorten, wrap

from supcr_bench.values.errors import UsageError
from supcr_bench.values.result import grouped
from supcr_bench.values.units import format_share

WIDTH = 79
NAME_WIDTH = 26
MOST_LINES = 12
LEAST_DEGREES = 0.005
ROUNDING = "float32 rounding"
"""The row that shows, for comparison, how far rounding alone turns a gradient."""
COLUMNS = "length: over that of the definition; pairs: share whose term differs"
LOST = "a gradient is zero or not finite"
"""Part of the note of a row for which some or all batches give no angle."""
AS_ROUNDING = 10
"""A gradient counts as equal up to this multiple of the angle that rounding causes."""
FAULT_DEGREES = 1.0
"""A loss that passes all checks is wrong on given labels if its gradient is farther away."""


@dataclass(frozen=True, slots=True)
class ImpactQuestion:
    """What to measure: labels are ``FILE:COLUMN,...``, or else generated, continuous and tied."""

    labels: str | None = None
    batch_size: int = 64
    temperature: float | None = None


def find_question(
    labels: str | None,
    batch_size: int | None,
    temperature: float | None,
    say: Callable[[Sequence[str]], object] = len,
) -> ImpactQuestion:
    """The question on a file's labels or generated ones; ``say`` gets notes on the file.

    Raises:
        UsageError: another value needs labels, or the file has no such column or too few rows.
    """
    if labels is None:
        if batch_size or temperature:
            raise UsageError("--batch-size and --temperature belong to --labels FILE:COLUMN")
        return ImpactQuestion()
    if temperature is not None and not temperature > 0:
        raise UsageError(f"--temperature {temperature:g}: a temperature is above 0")
    from supcr_bench.inputs.label_file import read_label_file

    file = read_label_file(labels)
    say(file.notes)
    labelled = file.table == file.table  # NaN is not equal to itself
    rows, whole = int(labelled.any(axis=1).sum()), int(labelled.all(axis=1).sum())
    if rows < max(2, batch_size or 2):
        raise UsageError(
            f"--labels {labels}: {rows} rows have a label, fewer than a batch of "
            f"{batch_size or 2}; take a smaller --batch-size or another column"
        )
    most = whole if whole > 1 else rows  # a joint label distance drops rows that are not whole
    return ImpactQuestion(file.spec, batch_size or min(256, most), temperature)


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """How far one departure, or a whole loss, turns the gradient w.r.t. the embeddings.

    Attributes:
        departure: in words; ``None`` for the whole loss.
        labels: the file and its columns, ``continuous`` or ``tied``.
        embeddings: ``random``, or ``ordered`` by label as after training.
        left_out: rows of the file without a label, which are in no batch.
        angle: between the two gradients, in degrees: the median over the batches, of which
            ``low`` and ``high`` bound it with 95 % confidence where there are enough batches.
        length: the length of the gradient over that of the definition's.
        pairs: share of pairs (i, j) whose term differs; ``None`` for the whole loss.
        note: why it was not measured, or how, if not by calling the loss.
        fault_degrees: degrees between the whole loss's gradient and that of the definition with its
            choices in the batch of a file where they are most, if over ``FAULT_DEGREES`` and more
            than its choices explain on generated labels.
    """

    definition: str
    labels: str
    batch_size: int
    departure: str | None = None
    embeddings: str = "ordered"
    batches: int = 0
    left_out: int = 0
    temperature: float | None = None
    angle: float | None = None
    low: float | None = None
    high: float | None = None
    length: float | None = None
    pairs: float | None = None
    note: str | None = None
    fault_degrees: float | None = None


def on_generated(found: Sequence[Impact]) -> bool:
    return bool(found) and found[0].labels == "continuous"


def impact_lines(found: Sequence[Impact]) -> list[str]:
    """At most 12 lines of at most 80 columns."""
    if not found:
        return []
    one, generated = found[0], on_generated(found)
    left_out = f" ({one.left_out} rows have no label)" if one.left_out else ""
    heading = (
        f"Degrees between the gradient of this loss, or of one departure alone, and that of "
        f"{one.definition} at temperature {one.temperature or 0:g}: median (95 % interval) of "
        f"{max(row.batches for row in found)} batches of {one.batch_size} rows of "
        f"{'generated labels' if generated else one.labels}{left_out}, embeddings "
        f"{'' if generated else 'random or '}ordered by label as after training; {COLUMNS}:"
    )
    alike = grouped(found, lambda row: (row.departure, row.definition))
    notes = [f"Note: {note}." for note in dict.fromkeys(row.note for row in found) if note]
    notes = ["--labels measures it on yours."] if generated else [*notes, _advice(found)]
    below = [line for text in notes for line in _wrapped(text)]
    if generated and all(row.departure is None and _is_same(row) for row in found):
        return []
    nothing = all((row.departure, row.angle, row.length) == (None, None, None) for row in found)
    if not one.batches or (generated and nothing):
        return [] if generated else below
    heads = ("continuous", "tied") if generated else ("random", "ordered")
    above = [*_wrapped(heading), _line("", (*heads, "length", "pairs"))]
    lines = list(above)
    for (departure, definition), same in alike.items():
        words = (departure or f"loss, from {definition}").partition(":")[0]
        name = shorten(words, WIDTH - 2, placeholder=" ...")
        long = len(name) > NAME_WIDTH  # which needs a line of its own
        own = [f"  {name}"] * long + [_line("" if long else name, _cells(same))]
        if len(lines) + len(own) + len(below) <= MOST_LINES:
            lines += own
    return [*lines, *below]


def _wrapped(text: str) -> list[str]:
    return wrap(text, WIDTH, break_on_hyphens=False)


def _is_same(row: Impact) -> bool:
    """Whether a gradient is that of the definition, and as long."""
    turned = row.angle is None or row.angle >= LEAST_DEGREES
    return not turned and row.length is not None and abs(row.length - 1) < 0.05


def _line(name: str, cells: Iterable[str]) -> str:
    columns = (f" {cell:>{width}}" for cell, width in zip(cells, (17, 17, 8, 5), strict=True))
    return f"  {name:<{NAME_WIDTH}}{''.join(columns)}".rstrip()


def _cells(same: Sequence[Impact]) -> list[str]:
    """The angles of both columns; the ratio of lengths and the share of pairs of the second."""
    cells, last = [], same[-1]
    for row in same:
        interval = ""
        if row.low is not None and row.high is not None and row.high >= LEAST_DEGREES:
            low = row.low if row.low >= LEAST_DEGREES else 0.0  # more digits have no room
            interval = f" ({_degrees(low)}-{_degrees(row.high)})"
        cells.append(_degrees(row.angle) + interval)
    cells += ["-"] * (2 - len(cells))
    pairs = "" if last.pairs is None else format_share(last.pairs)
    return [*cells, "-" if last.length is None else f"{last.length:.2g}", pairs]


def _degrees(angle: float | None) -> str:
    if angle is None or angle < 5e-6:
        return "-" if angle is None else "0"
    digits = next(d for d, least in enumerate((9.95, 0.95, 0.005, 0.0)) if angle >= least)
    return f"{angle:.{digits if digits < 3 else 5}f}"


def _advice(found: Sequence[Impact]) -> str:
    """What the measured difference means for a model that was trained with the loss."""
    nearest = found[0].definition
    own = [row for row in found if row.definition == nearest and row.batches]
    rounding = max((row.angle or 0.0 for row in own if row.departure == ROUNDING), default=0.0)
    parts = [row for row in own if row.departure != ROUNDING]
    judged = [row for row in parts if row.departure is None] or parts
    if not judged or any(LOST in (row.note or "") for row in judged):
        return ""
    worst = max(row.angle or 0.0 for row in judged)
    if worst <= AS_ROUNDING * rounding:
        return f"This loss has the gradient of {nearest} but for rounding: no need to train again."
    if worst >= 90:
        return f"At worst, a training step raises {nearest}: if you want {nearest}, train again."
    lost = 1 - math.cos(math.radians(worst))
    step = f"At worst, a training step lowers {nearest} {100 * lost:.2g} % less than a step with "
    step += f"{nearest} itself"
    if lost < 0.01:
        return f"{step}: little reason to train again."
    if lost < 0.1:
        return f"{step}: compare two short trainings before you train again."
    return f"{step}: if you want {nearest}, train again."
