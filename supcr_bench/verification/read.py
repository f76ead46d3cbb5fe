"""Reads all choices of a loss, in an order in which each tells what the next needs."""

from contextlib import suppress

from supcr_bench.measure.outcome import describe_error
from supcr_bench.verification.label_rules import read_missing, read_tolerance, read_weights
from supcr_bench.verification.probes import FITS, NotFiniteError, Prober
from supcr_bench.verification.reading import RANDOM, Reading, read_structure, repeats
from supcr_bench.verification.scale_rules import (
    fill_empty_denominators,
    read_default_temperature,
    read_eps,
    read_factor,
    read_temperature,
    read_upstream,
    read_value,
)

NO_GRAPH = "no gradient reaches the embeddings: the loss has no graph (.item(), .data, no_grad)"
MANY_ROWS = 24
"""Rows of a batch of which a loss that samples takes some."""


def read_choices(prober: Prober) -> Reading:
    """Read the choices of the loss that a prober asks."""
    reading = Reading()
    try:
        reading = read_structure(prober)
        member = reading.member
        if member is None or not reading.complete:
            return reading
        if member.ties == "by_value":
            read_tolerance(prober, reading, member)
        counted = False
        if prober.limit == FITS:  # in a low precision, shares are rounded too much
            # Without gradients of denominators, those of the label dimensions are alike.
            shares = not prober.detached and read_weights(prober, reading, member)
            counted = read_missing(prober, reading, member, shares=shares)
        member = fill_empty_denominators(prober, read_temperature(prober, reading, member))
        read_value(prober, reading, member)
        reading.member = member = read_eps(prober, reading, member)
        read_default_temperature(prober, reading, member)
        read_factor(prober, reading, member, counted=counted)
        read_upstream(prober, reading)
        if reading.faults:
            with suppress(Exception):  # it may take fewer rows
                if not repeats(prober, MANY_ROWS):
                    reading.faults = [RANDOM]
    except NotFiniteError:
        reading.faults.append("the loss or its gradient is not finite on ordinary rows")
    except Exception as error:  # noqa: BLE001 - a loss may raise anything
        lost = "does not require grad" in str(error)
        reading.faults.append(NO_GRAPH if lost else f"raises {describe_error(error)}")
    return reading
