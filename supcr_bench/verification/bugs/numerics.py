"""Seeded bugs in precision, in gradients, and at certain batch sizes."""

from supcr_bench.verification.bugs.logits import FLOOR, NORMS, views
from supcr_bench.verification.bugs.seeded_bug import no_self, wrong
from supcr_bench.verification.bugs.sums import CHOSEN, DISTANCE, LABELS, PLACE, RESULT

SIMILARITY = "self.similarity(rows)"
ROWS = "rows = torch.nonzero(~torch.isnan(y)).squeeze(1)"
SUM = "return torch.stack(sums).sum()"
CHUNKS = "torch.split(torch.arange(m, device=s.device), CHUNK)"
BUGS = (
    wrong(
        "bfloat16-inside",
        {SIMILARITY: "self.similarity(rows.bfloat16()).to(rows)"},
        "precision: bfloat16",
    ),
    no_self(
        "float16-inside",
        {SIMILARITY: "self.similarity(rows.half()).to(rows)"},
        "precision: float16",
    ),
    wrong(
        "float32-inside",
        {"torch.promote_types(view.dtype, torch.float32)": "torch.float32"},
        "precision: float32",
        caught_by="robustness",
    ),
    wrong(
        "labels-in-bfloat16: Rounds labels to bfloat16, so close labels tie.",
        {LABELS: f"{LABELS}.bfloat16().to(labels)"},
    ),
    wrong(
        "labels-in-float16: Rounds labels to float16, so close labels tie.",
        {LABELS: f"{LABELS}.half().to(labels)"},
    ),
    wrong(
        "labels-in-float32: Rounds labels to float32, so close float64 labels tie.",
        {LABELS: f"{LABELS}.float().to(labels)"},
        caught_by="robustness",
    ),
    wrong(
        "labels-rounded: Rounds labels to whole numbers, so close labels tie.",
        {LABELS: f"{LABELS}.round()"},
    ),
    wrong(
        "label-distance-expanded: Computes squared label distances as a^2 - 2ab + b^2, which loses "
        "digits.",
        {DISTANCE: "y[rows, None] ** 2 + y[rows] ** 2 - 2 * torch.outer(y[rows], y[rows])"},
        caught_by="robustness",
    ),
    wrong("first-view-detached", views("perturbed.detach(), intact"), "gradient: first_detached"),
    wrong("second-view-detached", views("perturbed, intact.detach()"), "gradient: second_detached"),
    wrong("denominator-detached", {FLOOR: f"{FLOOR}.detach()"}, "gradient: contrast_detached"),
    wrong(
        "norm-detached: Treats the norm as a constant in the backward.",
        {NORMS: f"({NORMS}).detach()"},
    ),
    wrong(
        "gradient-doubled: Doubles the gradient of both views, but not the loss.",
        views("2 * perturbed - perturbed.detach(), 2 * intact - intact.detach()"),
    ),
    wrong(
        "gradient-flipped: Reverses the sign of the second view's gradient.",
        views("perturbed, 2 * intact.detach() - intact"),
    ),
    wrong(
        "upstream-ignored: Ignores grad_output, so a scaled loss has an unscaled gradient.",
        {
            RESULT: "loss = loss.clone()\n"
            "loss.requires_grad and loss.register_hook(torch.ones_like)\n"
            "return loss, parts"
        },
    ),
    wrong(
        "ranks-in-eight-bits: Compares distances by ranks in 8 bits, which begin again after 255.",
        {PLACE: "place = torch.searchsorted(delta.sort(dim=1).values, delta).to(torch.uint8)"},
    ),
    wrong(
        "candidates-capped: Ignores candidates beyond the first 256 rows, except the partner.",
        {CHOSEN: "chosen & ((torch.arange(m) < 256) | itself)"},
    ),
    wrong(
        "last-chunk-dropped: Processes anchors in chunks of 64 and drops a shorter last chunk.",
        {CHUNKS: "torch.arange(m if m < CHUNK else m // CHUNK * CHUNK).split(CHUNK)"},
    ),
    wrong(
        "last-chunk-counted-full: Averages the means of chunks, as if a shorter last one had 64 "
        "anchors.",
        {SUM: "return sum(x / len(c) for x, c in zip(sums, chunks)) * m / len(sums)"},
    ),
    wrong(
        "odd-row-dropped: Drops the last row if the number of labelled rows is odd.",
        {ROWS: f"{ROWS}\nrows = rows[: len(rows) // 2 * 2] if len(rows) > 2 else rows"},
    ),
    wrong(
        "labels-of-the-first-dimension: Uses the labels of the first dimension for all.",
        {"in labels.T": "in labels[:, :1].expand_as(labels).T"},
    ),
)
