"""``rnc-loop`` without its loop: all candidate sets as one [2N, 2N - 1, 2N - 1] comparison."""

from torch import Tensor

from supcr_bench.values.implementation import Implementation

from .rnc_loop import RnCLoop


class RnCBroadcast(RnCLoop):
    """Rank-N-Contrast by one broadcast: [N, 2, d] and [N, D] to the loss."""

    def mean_over_pairs(self, logits: Tensor, apart: Tensor) -> Tensor:
        """As :meth:`RnCLoop.mean_over_pairs`, with [M, partners, candidates] at once."""
        candidates = (apart[:, None] >= apart[:, :, None]).to(logits.dtype)
        contrasts = (candidates * logits.exp()[:, None]).sum(dim=2)
        return (contrasts.log() - logits).mean()


IMPLEMENTATION = Implementation(
    name="rnc-broadcast",
    title="Rank-N-Contrast by one N x N x N broadcast",
    source="rnc-loop without the loop over partners",
    factory=RnCBroadcast,
    definition="rank-n-contrast",
    claimed_time="N^3",
    claimed_memory="N^3",
    tags=("family",),
)
