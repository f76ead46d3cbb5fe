"""Reads the costs that a repository accepts, and applies them to what the gate found.

An entry says which figure of which case may change from one value to another, why, and until when.
An entry that no longer fits the measurements is void, and the gate says so.
"""

import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from supcr_bench.values.errors import UsageError
from supcr_bench.values.files import read_bytes
from supcr_bench.values.gate import DEFAULT_CALL, EVIDENCE, Evidence, GatedChange, GateVerdict
from supcr_bench.values.metrics import METRICS

USUAL_FILE = Path("supcr-accepted.toml")
VALID = timedelta(days=90)
"""The lifetime of an entry that the gate writes itself."""
FIGURES = {METRICS[name].title if name in METRICS else name: name for name in EVIDENCE}
"""The figures that an entry may name, as the gate prints them."""
KEYS = ("implementation", "case", "figure", "from", "to", "reason", "expires")


class Accepted(NamedTuple):
    """An accepted change, in one case by its id, or in all cases if it names none.

    ``before`` and ``after`` are the values from and to which the figure may change; for time,
    ``after`` is the largest accepted ratio. ``None`` accepts any value.
    """

    figure: str
    reason: str
    expires: date
    implementation: str | None = None
    case: str | None = None
    before: float | None = None
    after: float | None = None

    def is_of(self, change: GatedChange) -> bool:
        case = change.case.id if change.case else None
        return (
            change.metric == FIGURES[self.figure]
            and self.implementation in (None, change.implementation)
            and self.case in (None, case)
        )

    def fits(self, change: GatedChange) -> bool:
        if change.evidence is Evidence.TIME:
            return self.after is None or (change.ratio is not None and change.ratio <= self.after)
        same = self.before is None or change.before == self.before
        return same and (self.after is None or (change.after or 0) <= self.after)

    def describe(self) -> str:
        where = " ".join(filter(None, (self.implementation, self.case)))
        span = f" from {self.before:,g} to {self.after:,g}" if self.before and self.after else ""
        return f"{self.figure}{f' of {where}' if where else ''}{span}"


def read_accepted(path: Path) -> list[Accepted]:
    """The entries of a file; a UsageError names the first that is not valid, and what to do."""
    try:
        entries = tomllib.loads(read_bytes(path).decode()).get("accepted", [])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UsageError(f"{path}: write entries as [[accepted]] tables")
    return [_entry(entry, f"{path}, entry {n}") for n, entry in enumerate(entries, 1)]


def _entry(values: dict[str, Any], where: str) -> Accepted:
    if unknown := sorted(values.keys() - set(KEYS)):
        raise UsageError(f"{where}: unknown key {unknown[0]!r}; known: {', '.join(KEYS)}")
    figure, reason, expires = (values.get(key) for key in ("figure", "reason", "expires"))
    if figure not in FIGURES:
        raise UsageError(f"{where}: {figure!r} is not a figure; known: {', '.join(FIGURES)}")
    if not isinstance(reason, str) or not reason.strip():
        raise UsageError(f"{where}: say the reason, as in reason = 'checks for NaN'")
    if type(expires) is not date:
        raise UsageError(f"{where}: say until when, as in expires = {date.today() + VALID}")
    span = [values.get(key) for key in ("from", "to")]
    if any(isinstance(x, bool) or not isinstance(x, int | float | None) for x in span):
        raise UsageError(f"{where}: from and to are numbers")
    names = [values.get(key) for key in ("implementation", "case")]
    if not all(isinstance(name, str | None) for name in names):
        raise UsageError(f"{where}: implementation and case are texts, as the gate prints them")
    return Accepted(figure, reason, expires, *names, *span)


def apply_accepted(
    changes: Sequence[GatedChange], accepted: Iterable[Accepted], today: date
) -> tuple[list[GatedChange], list[str]]:
    """The changes, with some regressions marked as accepted, and a sentence about each entry."""
    found, notes = list(changes), []
    for entry in accepted:
        own = [n for n, change in enumerate(found) if entry.is_of(change)]
        worse = [n for n in own if found[n].verdict is GateVerdict.REGRESSION]
        fitting = [n for n in worse if entry.fits(found[n])]
        if entry.expires < today:
            notes.append(f"Accepted until {entry.expires}, and judged again: {entry.describe()}.")
            continue
        for n in fitting:
            reason = f"accepted until {entry.expires}: {entry.reason}"
            found[n] = replace(found[n], verdict=GateVerdict.ACCEPTED, reason=reason)
        if fitting:
            until = f"until {entry.expires} ({entry.reason})"
            notes.append(f"Accepted: {entry.describe()}, {until}.")
        elif own:
            now = found[(worse or own)[0]]
            ends = (now.before, now.after)
            if now.evidence is Evidence.TIME:
                ends = (now.ratio and 1, now.ratio)
            span = "; it went from {:,g} to {:,g}".format(*ends) if None not in ends else ""
            notes.append(f"Void, since it no longer fits: {entry.describe()}{span}; delete it.")
    return found, notes


def write_accepted(path: Path, changes: Iterable[GatedChange], reason: str, today: date) -> int:
    """Append an entry for each regression in cost, time or the default call; return how many."""
    kept = path.read_text("utf-8") if path.exists() else ""
    entries = [
        _entry_text(change, reason, today + VALID)
        for change in changes
        if change.verdict is GateVerdict.REGRESSION
        and (change.evidence is not Evidence.AGREEMENT or change.metric == DEFAULT_CALL)
    ]
    path.write_text("\n".join(filter(None, (kept, *entries))), "utf-8")
    return len(entries)


def _entry_text(change: GatedChange, reason: str, expires: date) -> str:
    is_time = change.evidence is Evidence.TIME
    span = (1, change.high) if is_time else (change.before, change.after)
    values = {
        "implementation": change.implementation,
        "case": change.case.id if change.case else None,
        "figure": next(title for title, name in FIGURES.items() if name == change.metric),
        "from": span[0],
        "to": span[1],
        "reason": reason,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items() if value is not None]
    return "\n".join(["[[accepted]]", *lines, f"expires = {expires}", ""])
