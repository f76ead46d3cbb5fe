"""Colours, markers and dashes of implementations."""

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest

from supcr_bench.render.palette import INK, LINE, PAPER, QUIET, SERIES, look

DARK_PAPER = "#16181b"  # of report.css
Vector = npt.NDArray[np.float64]
NAMES = [f"implementation {i}" for i in range(20)]
# Machado, Oliveira and Fernandes 2009, at full severity, on linear RGB.
SIGHTS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
) / np.array([[0.9505], [1.0], [1.089]])


def linear(shade: str) -> Vector:
    """Linear RGB of a hexadecimal colour."""
    channels = np.array([int(shade[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG's ratio."""
    low, high = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: Vector) -> Vector:
    """CIELAB of linear RGB."""
    f = np.cbrt(TO_XYZ @ np.clip(rgb, 0, 1))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("ground", [PAPER, DARK_PAPER])
def test_every_colour_stands_out_from_its_ground(ground: str) -> None:
    assert min(contrast(c, ground) for c in SERIES) >= 3


@pytest.mark.parametrize("sight", SIGHTS)
def test_colours_stay_apart_for_every_sight(sight: str) -> None:
    seen = [lab(SIGHTS[sight] @ linear(c)) for c in SERIES]
    assert min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)) >= 25


def test_a_colour_belongs_to_a_place_among_all_names() -> None:
    assert look(NAMES[1], NAMES[:2])[0] == look(NAMES[1], NAMES)[0] == SERIES[4]
    assert look(NAMES[8], NAMES)[0] == SERIES[3]


def test_the_notes_three_keep_their_colours_whoever_is_beside_them() -> None:
    for name in ("broadcast", "loopy", "rowsort"):
        assert look(name, [name])[0] == look(name, ["mine", "rowsort", "loopy", "broadcast"])[0]


def test_no_two_of_twenty_share_colour_marker_and_dashes() -> None:
    looks = {look(n, NAMES) for n in NAMES}
    assert len(looks) == len(NAMES)


def test_no_colour_of_an_implementation_is_one_of_the_pages() -> None:
    assert not {INK, QUIET, LINE, PAPER} & set(SERIES)
