"""Registers ``_scan.py``, which imports nothing of supcr_bench and so can be copied."""

from supcr_bench.values.implementation import ANY, Implementation

from ._scan import DEFINITIONS, ScanSupCR

IMPLEMENTATION = Implementation(
    name="scan",
    title="Running sums along sorted rows, gradient without autograd",
    source="beyond the note",
    factory=ScanSupCR,
    claimed_time="N^2 log N",
    claimed_memory="N",
    definitions=(*DEFINITIONS, ANY),
    device_specific=True,
    tags=("beyond",),
)
