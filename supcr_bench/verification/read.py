"""Reads all choices of a loss, in an order in which each tells what the next needs."""

from supcr_bench.verification.label_rules import read_missing, read_tolerance, read_weights
from supcr_bench.verification.probes import NotFiniteError, Prober
from supcr_bench.verification.reading import Reading, read_structure
from supcr_bench.verification.scale_rules import read_eps, read_factor, read_temperature


def read_choices(prober: Prober) -> Reading:
    """Read the choices of the loss that a prober asks.

    Raises:
        Exception: what the loss raises on the first probe.
    """
    reading = Reading()
    try:
        reading = read_structure(prober)
        member = reading.member
        if member is None or not reading.complete:
            return reading
        if member.ties == "by_value" and member.measured == "anchor":
            read_tolerance(prober, reading, member)
        counted = False
        if not prober.detached:
            shares = read_weights(prober, reading, member)
            counted = read_missing(prober, reading, member, shares=shares)
        divides = read_temperature(prober, reading, member)
        reading.member = member = read_eps(prober, reading, member, divides=divides)
        read_factor(prober, reading, member, divides=divides, counted=counted)
    except NotFiniteError:
        reading.faults.append("the loss or its gradient is not finite on ordinary rows")
    return reading
