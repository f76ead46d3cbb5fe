"""Seeded bugs in the logits: views, temperature, similarity and the floor of the denominator."""

from supcr_bench.verification.bugs.seeded_bug import no_self, wrong

VIEWS = "views, labels = [perturbed, intact], self.read_labels(labels)"
TEMPERATURE = " / self.temperature"
NORMS = "(rows / scale).norm(dim=1, keepdim=True) * scale"
COSINE = "unit @ unit.mT"
CONTRAST = "own.unsqueeze(1).masked_fill(~chosen, -math.inf).logsumexp(dim=2)"
FLOOR = "contrast.clamp(min=math.log(self.eps) if self.eps else -math.inf)"
EPS_ADDED = {FLOOR: "torch.logaddexp(contrast, torch.full_like(contrast, math.log(1e-7)))"}


def views(used: str) -> dict[str, str]:
    """The edit by which the losses of these views are added up."""
    return {"[perturbed, intact]": f"[{used}]"}


BUGS = (
    wrong("mean-of-views", {"(m * (m - 1))": "(2 * m * (m - 1))"}, "views: mean"),
    wrong(
        "views-concatenated",  # as SimCLR does
        {VIEWS: f"{VIEWS}\nviews, labels = [torch.cat(views)], labels.repeat(2, 1)"},
        "views: concatenate",
    ),
    wrong("first-view-twice", views("perturbed, perturbed"), "views: first twice"),
    wrong("second-view-twice", views("intact, intact"), "views: second twice"),
    wrong("first-view-only", views("perturbed"), "views: first only"),
    no_self("second-view-only", views("intact"), "views: second only"),
    wrong(
        "across-views: Compares each row of one view with the rows of the other, as CLIP does.",
        {
            VIEWS: f"{VIEWS}\nviews = [torch.cat(views, dim=1), torch.cat(views[::-1], dim=1)]",
            COSINE: "nn.functional.normalize(rows.chunk(2, dim=1)[0], dim=1) "
            "@ nn.functional.normalize(rows.chunk(2, dim=1)[1], dim=1).mT",
        },
    ),
    wrong("temperature-missing", {TEMPERATURE: ""}, "temperature: missing"),
    wrong("temperature-squared", {TEMPERATURE: " / self.temperature**2"}, "temperature: squared"),
    no_self(
        "temperature-multiplied", {TEMPERATURE: " * self.temperature"}, "temperature: multiplies"
    ),
    wrong("temperature-hard-coded: Always uses the default temperature.", {TEMPERATURE: " / 0.1"}),
    wrong(
        "temperature-of-the-numerator-only: Divides by the temperature in the numerator, but not "
        "in the denominator.",
        {CONTRAST: CONTRAST.replace("own", "(own * self.temperature)")},
    ),
    wrong("dot-product", {COSINE: "rows @ rows.mT"}, "similarity: dot"),
    wrong(
        "negative-euclidean",
        {COSINE: '-torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")'},
        "similarity: negative_euclidean",
    ),
    no_self(
        "negative-squared-euclidean",
        {COSINE: "-(rows.unsqueeze(1) - rows).square().sum(dim=2)"},
        "similarity: negative_squared_euclidean",
    ),
    wrong(
        "columns-normalised: Normalises each column of the batch instead of each row.",
        {NORMS: "rows.norm(dim=0, keepdim=True)"},
    ),
    wrong(
        "norm-plus-constant: Adds 0.01 to every norm, to avoid a division by zero.",
        {NORMS: f"{NORMS} + 0.01"},
    ),
    wrong(
        "scaled-by-columns: Divides similarities by the square root of d, as attention does.",
        {TEMPERATURE: f"{TEMPERATURE} / math.sqrt(rows.shape[1])"},
    ),
    wrong("eps-added", EPS_ADDED, "eps: added", caught_by="robustness"),
    wrong("no-floor", {FLOOR: "contrast"}, "eps: none", caught_by="robustness"),
    # The definition no-self has no eps.
    no_self("no-self-eps-added", EPS_ADDED, "eps: added", caught_by="robustness"),
    no_self(
        "no-self-floor",
        {FLOOR: "contrast.clamp(min=math.log(1e-7))"},
        "eps: floor",
        caught_by="robustness",
    ),
    wrong(
        "floor-after-shift: Applies eps to denominators that are divided by their largest term.",
        {
            CONTRAST: "top = own.detach().amax(dim=1, keepdim=True)\n"
            f"contrast = {CONTRAST.replace('own', '(own - top)')}",
            FLOOR: "contrast.clamp(min=math.log(1e-7)) + top",
        },
    ),
)
