"""Reads quantities such as ``10s``, ``4GiB`` and ``5%``; writes ``1.06 s`` and ``137 MB``."""

import math
import re
from collections.abc import Iterable, Sequence

_DURATIONS_S = {"ms": 1e-3, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
_SIZES_BYTES = {"b": 1.0}
for _power, _prefix in enumerate("kmgt", start=1):
    _SIZES_BYTES |= {f"{_prefix}b": 1e3**_power, f"{_prefix}ib": 1024.0**_power}
_QUANTITY = re.compile(r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*([A-Za-z]*)\s*")
MISSING = "-"


def _parse(text: str, units: dict[str, float], kind: str, example: str) -> float:
    match = _QUANTITY.fullmatch(text)
    unit = match[2].lower() if match else ""
    if match is None or unit not in units:
        raise ValueError(f"{text!r} is not a {kind}; write it like {example}")
    value = float(match[1]) * units[unit]
    if not math.isfinite(value) or value <= 0:
        raise ValueError(f"{text!r} is not a {kind} above zero; write it like {example}")
    return value


def parse_duration_s(text: str | float) -> float:
    """Seconds from ``"500ms"``, ``"10s"``, ``"2min"``, ``"1h"`` or a bare number of seconds."""
    return _parse(str(text), {"": 1.0, **_DURATIONS_S}, "duration", "10s, 500ms or 2min")


def parse_bytes(text: str | int) -> int:
    """Bytes from ``"4GiB"``, ``"500MB"`` or a bare number of bytes."""
    size = round(_parse(str(text), {"": 1.0, **_SIZES_BYTES}, "size", "4GiB, 500MB or 1048576"))
    if size < 1:
        raise ValueError(f"{text!r} is less than a byte")
    return size


def parse_fraction(text: str) -> float:
    """A fraction from ``"5%"`` or ``"0.05"``."""
    number = text.strip()
    scale = 100.0 if number.endswith("%") else 1.0
    try:
        value = float(number.removesuffix("%")) / scale
    except ValueError:
        value = math.nan
    if not 0 < value < 1:
        raise ValueError(f"{text!r} is not a share between 0 and 1; write it like 5% or 0.05")
    return value


def _scaled(value: float, steps: list[tuple[float, str]]) -> str:
    # A value that rounds up to the next unit, or to one more digit, is written in that form.
    scale, unit = next((step for step in steps if abs(value) >= 0.9995 * step[0]), steps[-1])
    scaled = value / scale
    digits = 0 if abs(scaled) >= 99.95 else 1 if abs(scaled) >= 9.995 else 2
    return f"{scaled:,.{digits}f} {unit}"


def format_duration_s(seconds: float | None) -> str:
    if seconds is None:
        return MISSING
    return _scaled(seconds, [(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")])


def format_clock(seconds: float) -> str:
    """A long duration as ``4:05`` or ``1:02:03``, for progress and wall times."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02}:{s:02}" if hours else f"{m}:{s:02}"


def format_bytes(size: float | None) -> str:
    """A size in decimal units, as storage and GPU makers write them, or a dash."""
    if size is None:
        return MISSING
    if size < 999.5:
        return f"{size:.0f} B"
    return _scaled(size, [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")])


def format_limit_bytes(size: float | None) -> str:
    """A limit in binary units, or in decimal ones if it is whole in these alone, or a dash."""
    if size is None:
        return MISSING
    for unit, scale in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if size >= scale and size % scale == 0 and size % 2**20:
            return f"{size / scale:.0f} {unit}"
    for unit, scale in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= scale:
            return f"{size / scale:.4g} {unit}"
    return f"{size:.0f} B"


def format_error(value: float | None) -> str:
    """A relative error or a multiple of a tolerance: two significant digits, or a dash."""
    if value is None:
        return MISSING
    if value == 0:
        return "0"
    if 0.001 <= abs(value) < 999.5:
        return f"{value:.2g}" if abs(value) < 99.5 else f"{value:.0f}"
    return f"{value:.1e}"


def digits_apart(one: float, other: float) -> int:
    """The fewest significant digits, at least 6, with which two different numbers differ."""
    enough = (d for d in range(6, 17) if f"{one:.{d}g}" != f"{other:.{d}g}")
    return next(enough, 17) if one != other else 6


def format_count(count: float | None) -> str:
    return MISSING if count is None else f"{count:,.0f}"


def plural(count: int, noun: str) -> str:
    """The count with its noun: ``1 case``, ``2,040 cases``."""
    return f"{count:,} {noun}{'s' if count != 1 else ''}"


def telling(texts: Iterable[str], value: float, marks: Sequence[float]) -> str:
    """The first text, or else the last, that shows on which side of each mark a value lies."""
    text = ""
    for text in texts:
        shown = float(text.replace(",", ""))
        if all((shown > m) - (shown < m) == (value > m) - (value < m) for m in marks):
            break
    return text


def format_share(share: float, *, signed: bool = False, marks: Sequence[float] = ()) -> str:
    """A share as ``5%`` or, signed, ``+12%``, with enough digits to tell it from ``marks``."""
    percent, sign = 100 * share, "+" if signed else ""
    formats = [f".{d}g" for d in range(2, 10)] if abs(percent) < 99.5 else [",.0f", ",.3f"]
    texts = (f"{percent:{sign}{own}}" for own in formats)
    return f"{telling(texts, percent, [100 * mark for mark in marks])}%"


def listed(names: Sequence[str], word: str = "and") -> str:
    return f" {word} ".join((", ".join(names[:-1]), names[-1]) if len(names) > 1 else names)
