"""``rnc-loop`` under torch.compile."""

from supcr_bench.values.implementation import Implementation

from ._compiled import compiled
from .rnc_loop import RnCLoop

IMPLEMENTATION = Implementation(
    name="rnc-loop-compiled",
    title="rnc-loop under torch.compile",
    source="rnc-loop, by torch's own compiler",
    factory=compiled(RnCLoop),
    definition="rank-n-contrast",
    tags=("family", "compiled"),
)
