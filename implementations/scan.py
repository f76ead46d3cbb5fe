"""``_scan.py``, which imports nothing of the harness, under its registered name."""

from supcr_bench.values.implementation import Implementation

from ._scan import ScanSupCR

IMPLEMENTATION = Implementation(
    name="scan",
    title="Running sums along merged rows, direct gradient",
    source="beyond the note",
    factory=ScanSupCR,
    claimed_time="N^2 log N",
    claimed_memory="N",
    definitions=("torchcell", "no-self"),
    device_specific=True,
    tags=("beyond",),
)
