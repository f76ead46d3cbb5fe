"""``rnc-broadcast`` under torch.compile."""

from supcr_bench.values.implementation import Implementation

from ._compiled import compiled
from .rnc_broadcast import RnCBroadcast

IMPLEMENTATION = Implementation(
    name="rnc-broadcast-compiled",
    title="rnc-broadcast under torch.compile",
    source="rnc-broadcast, by torch's own compiler",
    factory=compiled(RnCBroadcast),
    definition="rank-n-contrast",
    tags=("family", "compiled"),
)
