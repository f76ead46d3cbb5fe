"""Seeded bugs that one process shows, one fault each.

First those in the formula: candidates, counts, missing labels, weights, logits, precision. Then
those that ordinary batches do not show: bad inputs, state that is kept, side effects.

The loss is a sum over pairs of rows, an anchor and a partner. The candidates of a pair are the rows
in its denominator. M of the N rows have a label.
"""

from functools import partial

from supcr_bench.verification.bugs.right import RightRankNContrast
from supcr_bench.verification.bugs.seeded_bug import SeededBug, no_self, not_robust, wrong

rnc = partial(wrong, right=RightRankNContrast)
far = partial(wrong, cause="labels: far", caught_by="relations")
of_conduct = partial(wrong, caught_by="conduct")
FARTHER = ">= place"
CHOSEN = "chosen if self.SELF_WHEN_TIED else chosen & ~mine.unsqueeze(1)"
ALWAYS = {CHOSEN: "chosen | mine.unsqueeze(1)"}
WHEN_TIED = {CHOSEN: "chosen"}
PLACE = "place = delta"
POSITIONS = {PLACE: "place = delta.argsort(dim=1, stable=True).argsort(dim=1)"}
DISTANCE = "(y[rows].unsqueeze(1) - y[rows].unsqueeze(0)).abs()"
PAIRS = "(m * (m - 1))"
MISSING = "torch.isnan(y))"
LABELS = "labels.unsqueeze(-1).flatten(1)"
OWN_LOGITS = "self.logits(view[rows])"
WEIGHTS = "else self.weights.to(parts)"
NORMALISED = " / weights.sum()"
RESULT = "return loss, parts"
RNC_ROWS = "torch.cat(features.unbind(dim=1))"
RNC_LABELS = "y = y.repeat(2, 1)"
VIEWS = "views, labels = [perturbed, intact], self.read_labels(labels)"
TEMPERATURE = " / self.temperature"
NORMS = "(rows / scale).norm(dim=1, keepdim=True) * scale"
COSINE = "unit @ unit.mT"
CONTRAST = "own.unsqueeze(1).masked_fill(~chosen, -math.inf).logsumexp(dim=2)"
FLOOR = "contrast.clamp(min=math.log(self.eps) if self.eps else -math.inf)"
EPS_ADDED = {FLOOR: "torch.logaddexp(contrast, torch.full_like(contrast, math.log(1e-7)))"}
FLOOR_1E7 = "contrast.clamp(min=math.log(1e-7))"
DISTANCES = '-torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")'
SIMILARITY = "self.similarity(rows)"
ROWS = "rows = torch.nonzero(~torch.isnan(y)).squeeze(1)"
SUM = "return torch.stack(sums).sum()"
CHUNKS = "torch.split(torch.arange(m, device=s.device), CHUNK)"
KEPT = "kept = vars(self).get('kept')\nif kept is None or kept[0].shape"


def views(used: str) -> dict[str, str]:
    """The edit that makes the loss use these views instead."""
    return {"[perturbed, intact]": f"[{used}]"}


def at_start(text: str) -> dict[str, str]:
    """The edit that puts statements after the first one of the call."""
    return {VIEWS: f"{VIEWS}\n{text}"}


def at_end(text: str) -> dict[str, str]:
    """The edit that puts statements before the return of the call."""
    return {RESULT: f"{text}\n{RESULT}"}


BUGS: tuple[SeededBug, ...] = (
    wrong("strict-inequality", {FARTHER: "> place"}, "comparison: >"),
    wrong("reversed-inequality", {FARTHER: "<= place"}, "comparison: <="),
    wrong("reversed-strict-inequality", {FARTHER: "< place"}, "comparison: <"),
    wrong("self-always", ALWAYS, "self_candidate: always"),
    wrong("self-never", {CHOSEN: "chosen & ~mine.unsqueeze(1)"}, "self_candidate: never"),
    no_self("no-self-but-when-tied", WHEN_TIED, "self_candidate: when_tied"),
    no_self("no-self-but-always", ALWAYS, "self_candidate: always"),
    # Sums over sorted rows from the middle of a tie, so that the order of the rows matters.
    wrong("ties-by-position", POSITIONS, "ties: by_position"),
    no_self("no-self-ties-by-position", POSITIONS, "ties: by_position"),
    # Every other row is a candidate, as in InfoNCE.
    no_self("labels-ignored", {PLACE: "place = torch.zeros_like(delta)"}),
    wrong("signed-label-distance", {DISTANCE: "y[rows].unsqueeze(0) - y[rows].unsqueeze(1)"}),
    wrong(
        "relative-label-distance",
        {DISTANCE: f"{DISTANCE} / (abs(y[rows, None]) + abs(y[rows])).clamp(min=1e-6)"},
    ),
    # As between angles in degrees, which labels of the other checks never reach.
    far("label-distance-wraps-around", {DISTANCE: f"{DISTANCE}.sub(180).abs().sub(180).neg()"}),
    far("label-distance-clipped", {DISTANCE: f"{DISTANCE}.clamp(max=100)"}),
    # Pairs of a row with itself are added to the sum, but not to their number.
    wrong("diagonal-summed", {".masked_fill(mine, 0.0)": ""}),
    # ``divided-by-rows-squared`` also counts each row paired with itself.
    wrong("divided-by-rows-squared", {PAIRS: "m**2"}, "normaliser: rows_squared"),
    wrong("divided-by-batch-pairs", {PAIRS: "(len(y) * (len(y) - 1))"}, "normaliser: batch_pairs"),
    # ``divided-by-batch-squared`` counts unlabelled rows too.
    no_self("divided-by-batch-squared", {PAIRS: "len(y) ** 2"}, "normaliser: batch_squared"),
    wrong("divided-by-rows", {PAIRS: "m"}, "normaliser: rows"),
    no_self("divided-by-batch", {PAIRS: "len(y)"}, "normaliser: batch"),
    wrong("not-divided", {f" / {PAIRS}": ""}, "normaliser: nothing"),
    wrong("nan-filled-with-zero", {LABELS: f"{LABELS}.nan_to_num(0.0)"}, "nan_labels: zero"),
    wrong("rows-dropped-anywhere", {MISSING: "labels.isnan().any(dim=1))"}, "nan_labels: drop_row"),
    wrong(
        "count-of-the-first-dimension",
        {PAIRS: "max((k := int((~labels[:, 0].isnan()).sum())) * (k - 1), 1)"},
    ),
    wrong("mean-over-no-pairs", {"torch.stack(zeros).sum()": "torch.stack(zeros).sum() / 0"}),
    wrong("zero-taken-for-missing", {MISSING: "(y.nan_to_num(0.0) == 0))"}),
    # NaN in unlabelled rows reaches the gradient: they are dropped late, or multiplied by 0.
    not_robust("selected-after-normalising", {OWN_LOGITS: "self.logits(view)[rows][:, rows]"}),
    not_robust(
        "selected-by-multiplication",
        {OWN_LOGITS: "self.logits(torch.eye(len(view)).to(view)[rows] @ view)"},
    ),
    wrong("weights-ignored", {WEIGHTS: "else torch.ones_like(parts)"}, "weights: ignored"),
    wrong("weights-not-normalised", {NORMALISED: ""}, "weights: summed"),
    wrong(
        "weights-renormalised",
        {NORMALISED: " / (weights * ((~labels.isnan()).sum(dim=0) > 1)).sum().clamp(min=1e-30)"},
        "empty_dimension: renormalise",
    ),
    wrong("weights-through-softmax", {WEIGHTS: f"{WEIGHTS}.softmax(dim=0)"}),
    # The weighted mean of the per-dimension losses is divided by their number.
    wrong("averaged-twice", {NORMALISED: f"{NORMALISED} / len(parts)"}),
    wrong("parts-returned-weighted", {RESULT: f"{RESULT} * (weights / weights.sum()).to(parts)"}),
    wrong("parts-detached", {RESULT: f"{RESULT}.detach()"}),
    not_robust(
        "two-dimensions-by-default", {"torch.ones_like(parts) if": "torch.ones(2).to(parts) if"}
    ),
    wrong("mean-of-views", {PAIRS: "(2 * m * (m - 1))"}, "views: mean"),
    wrong(
        "views-concatenated",  # as SimCLR does
        at_start("views, labels = [torch.cat(views)], labels.repeat(2, 1)"),
        "views: concatenate",
    ),
    wrong("first-view-twice", views("perturbed, perturbed"), "views: first twice"),
    wrong("second-view-twice", views("intact, intact"), "views: second twice"),
    wrong("first-view-only", views("perturbed"), "views: first only"),
    no_self("second-view-only", views("intact"), "views: second only"),
    wrong(
        "across-views",  # each row of one view is compared with the rows of the other, as in CLIP
        {
            **at_start("views = [torch.cat(views, dim=1), torch.cat(views[::-1], dim=1)]"),
            COSINE: "nn.functional.normalize(rows.chunk(2, dim=1)[0], dim=1) "
            "@ nn.functional.normalize(rows.chunk(2, dim=1)[1], dim=1).mT",
        },
    ),
    wrong("temperature-missing", {TEMPERATURE: ""}, "temperature: missing"),
    wrong("temperature-squared", {TEMPERATURE: " / self.temperature**2"}, "temperature: squared"),
    no_self(
        "temperature-multiplied", {TEMPERATURE: " * self.temperature"}, "temperature: multiplies"
    ),
    wrong("temperature-hard-coded", {TEMPERATURE: " / 0.1"}),
    wrong(
        "temperature-of-the-numerator-only",
        {CONTRAST: CONTRAST.replace("own", "(own * self.temperature)")},
    ),
    wrong("dot-product", {COSINE: "rows @ rows.mT"}, "similarity: dot"),
    wrong("negative-euclidean", {COSINE: DISTANCES}, "similarity: negative_euclidean"),
    no_self(
        "negative-squared-euclidean",
        {COSINE: "-(rows.unsqueeze(1) - rows).square().sum(dim=2)"},
        "similarity: negative_squared_euclidean",
    ),
    wrong("columns-normalised", {NORMS: "rows.norm(dim=0, keepdim=True)"}),
    wrong("norm-plus-constant", {NORMS: f"{NORMS} + 0.01"}),  # to avoid a division by zero
    # Divides similarities by the square root of d, as attention does.
    wrong("scaled-by-columns", {TEMPERATURE: f"{TEMPERATURE} / math.sqrt(rows.shape[1])"}),
    not_robust("eps-added", EPS_ADDED, "eps: added"),
    not_robust("no-floor", {FLOOR: "contrast"}, "eps: none"),
    # The definition no-self has no eps.
    no_self("no-self-eps-added", EPS_ADDED, "eps: added", caught_by="robustness"),
    no_self("no-self-floor", {FLOOR: FLOOR_1E7}, "eps: floor", caught_by="robustness"),
    wrong(
        "floor-after-shift",  # eps applies to denominators that are divided by their largest term
        {
            CONTRAST: "top = own.detach().amax(dim=1, keepdim=True)\n"
            f"contrast = {CONTRAST.replace('own', '(own - top)')}",
            FLOOR: f"{FLOOR_1E7} + top",
        },
    ),
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
    not_robust(
        "float32-inside",
        {"torch.promote_types(view.dtype, torch.float32)": "torch.float32"},
        "precision: float32",
    ),
    # Labels that lose digits tie where they are close.
    wrong("labels-in-bfloat16", {LABELS: f"{LABELS}.bfloat16().to(labels)"}),
    wrong("labels-in-float16", {LABELS: f"{LABELS}.half().to(labels)"}),
    not_robust("labels-in-float32", {LABELS: f"{LABELS}.float().to(labels)"}),
    wrong("labels-rounded", {LABELS: f"{LABELS}.round()"}),
    not_robust(
        "label-distance-expanded",  # a^2 - 2ab + b^2, which loses digits
        {DISTANCE: "y[rows, None] ** 2 + y[rows] ** 2 - 2 * torch.outer(y[rows], y[rows])"},
    ),
    wrong("first-view-detached", views("perturbed.detach(), intact"), "gradient: first_detached"),
    wrong("second-view-detached", views("perturbed, intact.detach()"), "gradient: second_detached"),
    wrong("denominator-detached", {FLOOR: f"{FLOOR}.detach()"}, "gradient: contrast_detached"),
    wrong("norm-detached", {NORMS: f"({NORMS}).detach()"}),
    wrong(
        "gradient-doubled",
        views("2 * perturbed - perturbed.detach(), 2 * intact - intact.detach()"),
    ),
    wrong("gradient-flipped", views("perturbed, 2 * intact.detach() - intact")),
    wrong(
        "upstream-ignored",  # a scaled loss has the gradient of an unscaled one
        at_end("loss = loss.clone()\nloss.requires_grad and loss.register_hook(torch.ones_like)"),
    ),
    wrong(
        "ranks-in-eight-bits",  # which begin again after 255
        {PLACE: "place = torch.searchsorted(delta.sort(dim=1).values, delta).to(torch.uint8)"},
    ),
    wrong("candidates-capped", {CHOSEN: "chosen & ((torch.arange(m) < 256) | itself)"}),
    wrong(
        "last-chunk-dropped",
        {CHUNKS: "torch.arange(m if m < CHUNK else m // CHUNK * CHUNK).split(CHUNK)"},
    ),
    wrong(
        "last-chunk-counted-full",  # a mean of the chunks' means
        {SUM: "return sum(x / len(c) for x, c in zip(sums, chunks)) * m / len(sums)"},
    ),
    wrong(
        "odd-row-dropped",
        {ROWS: f"{ROWS}\nrows = rows[: len(rows) // 2 * 2] if len(rows) > 2 else rows"},
    ),
    wrong("labels-of-the-first-dimension", {"in labels.T": "in labels[:, :1].expand_as(labels).T"}),
    # Of losses that follow rank-n-contrast and are called with [N, 2, d] features.
    rnc("rnc-cosine", {DISTANCES: "super().similarity(rows)"}, "similarity: cosine"),
    rnc(
        "rnc-squared-distance",
        {DISTANCES: f"{DISTANCES}.square()"},
        "similarity: negative_squared_euclidean",
    ),
    rnc("rnc-euclidean-labels", {"abs().sum(dim=2)": "norm(dim=2)"}, "label_distance: l2"),
    rnc("rnc-self-always", ALWAYS, "self_candidate: always"),
    rnc("rnc-self-when-tied", WHEN_TIED, "self_candidate: when_tied"),
    rnc("rnc-divided-by-rows", {" * (len(view) - 1)": ""}, "normaliser: rows"),
    rnc(
        "rnc-first-view-only", {RNC_ROWS: "features[:, 0]", RNC_LABELS: "pass"}, "views: first only"
    ),
    # The labels are repeated in another order than the rows of both views.
    rnc("rnc-labels-interleaved", {RNC_LABELS: "y = y.repeat_interleave(2, dim=0)"}),
    rnc(
        "rnc-root-of-zero",  # whose infinite derivative makes gradients NaN
        {DISTANCES: "-(rows.unsqueeze(1) - rows).square().sum(dim=2).sqrt()"},
    ),
    rnc("rnc-first-label-only", {LABELS: f"{LABELS}[:, :1]"}),
    rnc("rnc-missing-label-as-zero", {LABELS: f"{LABELS}.nan_to_num(0.0)"}, caught_by="robustness"),
    rnc("rnc-temperature-missing", {" / self.temperature": ""}, "temperature: missing"),
    # The candidates are detached: a row gets a gradient as an anchor only.
    rnc("rnc-gradient-of-one-side", {"cdist(rows, rows,": "cdist(rows, rows.detach(),"}),
    not_robust(
        "exponentials-overflow", {CONTRAST: "(own.exp().unsqueeze(1) * chosen).sum(dim=2).log()"}
    ),
    not_robust("nan-embeddings-hidden", views("perturbed.nan_to_num(), intact.nan_to_num()")),
    not_robust("infinite-labels-accepted", {"if torch.isinf(labels).any():": "if False:"}),
    # Without pairs it returns 0 without a graph, so backward() raises.
    not_robust("no-graph-without-pairs", {"torch.stack(zeros).sum()": "views[0].new_zeros(())"}),
    not_robust(
        "half-unsupported",  # an operation has no kernel for float16
        {
            "torch.promote_types(view.dtype, torch.float32)": "view.dtype",
            COSINE: "1 - torch.cdist(unit, unit).square() / 2",
        },
    ),
    not_robust(
        "autocast-mixes-dtypes",  # a bfloat16 product into a float32 buffer, which raises
        {
            ", enabled=False": ", enabled=torch.is_autocast_enabled(view.device.type)",
            COSINE: "torch.zeros_like(unit @ rows.mT, dtype=rows.dtype).index_put("
            "(torch.arange(len(rows)),), unit @ unit.mT)",
        },
    ),
    of_conduct(
        "candidates-of-the-first-call",  # for all batches of the same shape
        at_start(
            f"{KEPT} != labels.shape:\n    self.kept = [labels.clone()]\nlabels = self.kept[0]"
        ),
    ),
    of_conduct(
        "labels-of-the-first-call",
        at_start(
            f"{KEPT}[1] != labels.shape[1]:\n"
            "    self.kept = [labels.clone()]\n"
            "n = len(labels)\n"
            "labels = torch.cat((self.kept[0][:n], labels[len(self.kept[0]) :]))"
        ),
    ),
    of_conduct(
        "output-by-address",  # the old output if the inputs lie where they lay then
        {
            VIEWS: "key = tuple((x.data_ptr(), x.shape) for x in (perturbed, intact, labels))\n"
            "if key in vars(self).get('kept', {}):\n"
            f"    return self.kept[key]\n{VIEWS}",
            **at_end("self.kept = {key: (loss, parts)}"),
        },
    ),
    of_conduct(
        "outputs-kept", at_end("vars(self).setdefault('history', []).append((loss, parts))")
    ),
    of_conduct("temperature-drifts", at_end("self.temperature *= 0.99")),
    of_conduct(
        "loss-smoothed-over-calls",  # the mean with the loss of the call before
        at_end(
            "last, self.last = vars(self).get('last', [loss])[0], [loss.detach()]\n"
            "loss = (loss + last) / 2"
        ),
    ),
    of_conduct(
        "labels-filled-in-place",
        {f"return {LABELS}": f"kept = {LABELS}.clone()\nlabels.nan_to_num_(0.0)\nreturn kept"},
    ),
    of_conduct(
        "embeddings-normalised-in-place",
        at_start(
            "with torch.no_grad():\n    for view in views:\n"
            "        view.div_(view.norm(dim=1, keepdim=True).clamp(min=1e-12))"
        ),
    ),
    of_conduct(
        "ties-broken-at-random",
        {LABELS: f"{LABELS} + 1e-3 * torch.rand_like(labels).reshape(len(labels), -1)"},
    ),
    of_conduct(
        "rows-shuffled",  # by the global random generator
        at_start(
            "order = torch.randperm(len(labels)).to(labels.device)\n"
            "views, labels = [view[order] for view in views], labels[order]"
        ),
    ),
    of_conduct("generator-seeded", {VIEWS: f"torch.manual_seed(0)\n{VIEWS}"}),
    of_conduct(
        "noisy-loss",
        at_end(
            "own = vars(self).setdefault('own', torch.Generator().manual_seed(0))\n"
            "loss = loss * (1 + 1e-3 * torch.rand((), generator=own).item())"
        ),
    ),
    of_conduct("process-setting-changed", at_start("torch.backends.cudnn.benchmark = True")),
    # Reads rows one after the other from memory, whatever the strides are.
    of_conduct(
        "contiguity-assumed",
        at_start("views = [x.as_strided(x.shape, (x.shape[1], 1)) for x in views]"),
    ),
    of_conduct(
        "contiguity-required", at_start("views = [x.view(-1).view(x.shape) for x in views]")
    ),
    of_conduct(
        "gradient-in-forward",  # which raises under no_grad
        at_end(
            "(gradient,) = torch.autograd.grad(loss, perturbed, retain_graph=True)\n"
            "self.gradient_norm = float(gradient.norm())"
        ),
    ),
    of_conduct(
        "weights-stay-behind",  # they are no buffer, and do not move to a GPU
        {
            "self.register_buffer(": "setattr(self, ",
            "self.weights.to(parts)": "self.weights.to(parts.dtype)",
        },
    ),
    of_conduct(
        "colder-in-evaluation",
        {"/ self.temperature": "/ (self.temperature if self.training else self.temperature / 2)"},
    ),
)
