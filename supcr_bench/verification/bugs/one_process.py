"""Seeded bugs that one process shows, one fault each.

First those in the formula: candidates, counts, missing labels, weights, logits, precision. Then
those that ordinary batches do not show: bad inputs, state that is kept, side effects.

The loss is a sum over pairs of rows, an anchor and a partner. The candidates of a pair are the rows
in its denominator. M of the N rows have a label.
"""

from supcr_bench.verification.bugs.seeded_bug import seeded_bugs

BUGS = seeded_bugs("""
[RightSupCR, definition]
strict-inequality (comparison: >): farther := far > limit
reversed-inequality (comparison: <=): farther := far <= limit
reversed-strict-inequality (comparison: <): farther := far < limit
self-always (self_candidate: always): chosen := farther | mine.unsqueeze(1)
self-never (self_candidate: never): chosen := farther & ~mine.unsqueeze(1)
# Sums over sorted rows from the middle of a tie, so that the order of the rows matters.
ties-by-position (ties: by_position): place := delta.argsort(dim=1, stable=True).argsort(dim=1)
signed-label-distance: delta := y[kept].unsqueeze(0) - y[kept].unsqueeze(1)
relative-label-distance: delta := {old} / (abs(y[kept, None]) + abs(y[kept])).clamp(min=1e-6)
# Pairs of a row with itself are added to the sum, but not to their number.
diagonal-summed: terms := floored - own
# ``divided-by-rows-squared`` also counts each row paired with itself.
divided-by-rows-squared (normaliser: rows_squared): pairs := m**2
divided-by-batch-pairs (normaliser: batch_pairs): pairs := len(y) * (len(y) - 1)
divided-by-rows (normaliser: rows): pairs := m
not-divided (normaliser: nothing): pairs := 1
nan-filled-with-zero (nan_labels: zero): columns := {old}.nan_to_num(0.0)
rows-dropped-anywhere (nan_labels: drop_row): missing := labels.isnan().any(dim=1)
count-of-the-first-dimension: pairs := max((k := int((~labels[:, 0].isnan()).sum())) * (k - 1), 1)
mean-over-no-pairs: nothing := {old} / 0
zero-taken-for-missing: missing := y.nan_to_num(0.0) == 0
weights-ignored (weights: ignored): weights := torch.ones_like(parts)
weights-not-normalised (weights: summed): total := 1
weights-renormalised (empty_dimension: renormalise):
    total := (weights * ((~labels.isnan()).sum(dim=0) > 1)).sum().clamp(min=1e-30)
weights-through-softmax: weights := {old}.softmax(dim=0)
# The weighted mean of the per-dimension losses is divided by their number.
averaged-twice: total := {old} * len(parts)
parts-returned-weighted: returned := {old} * (weights / weights.sum()).to(dtype)
parts-detached: returned := {old}.detach()
mean-of-views (views: mean): pairs := 2 * m * (m - 1)
views-concatenated (views: concatenate):  # as SimCLR does
    views := {old}
    views, labels = [torch.cat(views)], labels.repeat(2, 1)
first-view-twice (views: first twice): views := [perturbed, perturbed]
second-view-twice (views: second twice): views := [intact, intact]
first-view-only (views: first only): views := [perturbed]
across-views:  # each row of one view is compared with the rows of the other, as in CLIP
    views := {old}
    views = [torch.cat(views, dim=1), torch.cat(views[::-1], dim=1)]
    unit := (nn.functional.normalize(x, dim=1) for x in rows.chunk(2, dim=1))
    one, other = unit
    cosines := one @ other.mT
temperature-missing (temperature: missing): tau := 1
temperature-squared (temperature: squared): tau := {old}**2
temperature-hard-coded: tau := 0.1
temperature-of-the-numerator-only:
    contrast := own.unsqueeze(1) * self.temperature
    contrast = contrast.masked_fill(~chosen, -math.inf).logsumexp(dim=2)
dot-product (similarity: dot): cosines := rows @ rows.mT
negative-euclidean (similarity: negative_euclidean):
    cosines := -torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
columns-normalised: norms := rows.norm(dim=0, keepdim=True)
norm-plus-constant: norms := {old} + 0.01  # to avoid a division by zero
# Divides similarities by the square root of d, as attention does.
scaled-by-columns: tau := {old} * math.sqrt(rows.shape[1])
floor-after-shift:  # eps applies to denominators that are divided by their largest term
    contrast := top = own.detach().amax(dim=1, keepdim=True)
    contrast = (own - top).unsqueeze(1).masked_fill(~chosen, -math.inf).logsumexp(dim=2)
    floored := contrast.clamp(min=math.log(1e-7)) + top
bfloat16-inside (precision: bfloat16): similarities := self.similarity(rows.bfloat16()).to(rows)
# Labels that lose digits tie where they are close.
labels-in-bfloat16: columns := {old}.bfloat16().to(labels)
labels-in-float16: columns := {old}.half().to(labels)
labels-rounded: columns := {old}.round()
first-view-detached (gradient: first_detached): views := [perturbed.detach(), intact]
second-view-detached (gradient: second_detached): views := [perturbed, intact.detach()]
denominator-detached (gradient: contrast_detached): floored := {old}.detach()
norm-detached: norms := ({old}).detach()
gradient-doubled: views := [2 * perturbed - perturbed.detach(), 2 * intact - intact.detach()]
gradient-flipped: views := [perturbed, 2 * intact.detach() - intact]
upstream-ignored:  # a scaled loss has the gradient of an unscaled one
    loss := {old}
    loss = loss.clone()
    loss.requires_grad and loss.register_hook(torch.ones_like)
# which begin again after 255
ranks-in-eight-bits: place := torch.searchsorted(delta.sort(dim=1).values, delta).to(torch.uint8)
candidates-capped: chosen := farther & ((torch.arange(m) < 256) | itself)
last-chunk-dropped: chunks := torch.arange(m if m < CHUNK else m // CHUNK * CHUNK).split(CHUNK)
# a mean of the chunks' means
last-chunk-counted-full: terms := {old} * m / len(anchors) / len(chunks)
odd-row-dropped:
    kept := {old}
    kept = kept[: len(kept) // 2 * 2] if len(kept) > 2 else kept
labels-of-the-first-dimension:
    views := {old}
    labels = labels[:, :1].expand_as(labels)
[RightNoSelf, definition]
no-self-but-when-tied (self_candidate: when_tied): chosen := farther
no-self-but-always (self_candidate: always): chosen := farther | mine.unsqueeze(1)
no-self-ties-by-position (ties: by_position):
    place := delta.argsort(dim=1, stable=True).argsort(dim=1)
# Every other row is a candidate, as in InfoNCE.
labels-ignored: place := torch.zeros_like(delta)
# ``divided-by-batch-squared`` counts unlabelled rows too.
divided-by-batch-squared (normaliser: batch_squared): pairs := len(y) ** 2
divided-by-batch (normaliser: batch): pairs := len(y)
second-view-only (views: second only): views := [intact]
temperature-multiplied (temperature: multiplies): tau := 1 / {old}
negative-squared-euclidean (similarity: negative_squared_euclidean):
    cosines := -(rows.unsqueeze(1) - rows).square().sum(dim=2)
float16-inside (precision: float16): similarities := self.similarity(rows.half()).to(rows)
[RightRankNContrast, definition]
# Of losses that follow rank-n-contrast and are called with [N, 2, d] features.
rnc-cosine (similarity: cosine): distances := -super().similarity(rows)
rnc-squared-distance (similarity: negative_squared_euclidean): distances := {old}.square()
rnc-euclidean-labels (label_distance: l2):
    joint := (twice.unsqueeze(1) - twice.unsqueeze(0)).norm(dim=2)
rnc-self-always (self_candidate: always): chosen := farther | mine.unsqueeze(1)
rnc-self-when-tied (self_candidate: when_tied): chosen := farther
rnc-divided-by-rows (normaliser: rows): mean := self.pair_sum(self.logits(view), joint) / len(view)
rnc-first-view-only (views: first only):
    view := features[:, 0]
    twice := y
# The labels are repeated in another order than the rows of both views.
rnc-labels-interleaved: twice := y.repeat_interleave(2, dim=0)
# whose infinite derivative makes gradients NaN
rnc-root-of-zero: distances := (rows.unsqueeze(1) - rows).square().sum(dim=2).sqrt()
rnc-first-label-only: columns := labels.unsqueeze(-1).flatten(1)[:, :1]
rnc-temperature-missing (temperature: missing): tau := 1
# The candidates are detached: a row gets a gradient as an anchor only.
rnc-gradient-of-one-side:
    distances := torch.cdist(rows, rows.detach(), compute_mode="donot_use_mm_for_euclid_dist")
[RightSupCR, relations]
# As between angles in degrees, which labels of the other checks never reach.
label-distance-wraps-around (labels: far): delta := {old}.sub(180).abs().sub(180).neg()
label-distance-clipped (labels: far): delta := {old}.clamp(max=100)
[RightSupCR, robustness]
# NaN in unlabelled rows reaches the gradient: they are dropped late, or multiplied by 0.
selected-after-normalising:
    by_view := [self.pair_sum(self.logits(view)[kept][:, kept], delta) for view in views]
selected-by-multiplication:
    by_view := [torch.eye(len(view)).to(view)[kept] @ view for view in views]
    by_view = [self.pair_sum(self.logits(rows), delta) for rows in by_view]
two-dimensions-by-default:
    weights := torch.ones(2).to(parts) if self.weights is None else self.weights.to(parts)
eps-added (eps: added):
    floored := torch.logaddexp(contrast, torch.full_like(contrast, math.log(1e-7)))
no-floor (eps: none): floored := contrast
float32-inside (precision: float32): rows := view.float()
labels-in-float32: columns := {old}.float().to(labels)
label-distance-expanded:  # a^2 - 2ab + b^2, which loses digits
    delta := y[kept, None] ** 2 + y[kept] ** 2 - 2 * torch.outer(y[kept], y[kept])
exponentials-overflow: contrast := (own.exp().unsqueeze(1) * chosen).sum(dim=2).log()
nan-embeddings-hidden: views := [perturbed.nan_to_num(), intact.nan_to_num()]
infinite-labels-accepted: infinite := False
# Without pairs it returns 0 without a graph, so backward() raises.
no-graph-without-pairs: nothing := views[0].new_zeros(())
half-unsupported:  # an operation has no kernel for float16
    rows := view
    cosines := 1 - torch.cdist(unit, unit).square() / 2
autocast-mixes-dtypes:  # a bfloat16 product into a float32 buffer, which raises
    autocast := torch.is_autocast_enabled(view.device.type)
    cosines := torch.zeros_like(unit @ rows.mT, dtype=rows.dtype)
    cosines = cosines.index_put((torch.arange(len(rows)),), unit @ unit.mT)
[RightNoSelf, robustness]
# The definition no-self has no eps.
no-self-eps-added (eps: added):
    floored := torch.logaddexp(contrast, torch.full_like(contrast, math.log(1e-7)))
no-self-floor (eps: floor): floored := contrast.clamp(min=math.log(1e-7))
[RightRankNContrast, robustness]
rnc-missing-label-as-zero: columns := {old}.nan_to_num(0.0)
[RightSupCR, conduct]
candidates-of-the-first-call:  # for all batches of the same shape
    views := {old}
    kept = vars(self).get('kept')
    if kept is None or kept[0].shape != labels.shape:
        self.kept = [labels.clone()]
    labels = self.kept[0]
labels-of-the-first-call:
    views := {old}
    kept = vars(self).get('kept')
    if kept is None or kept[0].shape[1] != labels.shape[1]:
        self.kept = [labels.clone()]
    n = len(labels)
    labels = torch.cat((self.kept[0][:n], labels[len(self.kept[0]) :]))
output-by-address:  # the old output if the inputs lie where they lay then
    views := {old}
    key = tuple((x.data_ptr(), x.shape) for x in (perturbed, intact, labels))
    if key in vars(self).get('kept', {}):
        return self.kept[key]
    loss := {old}
    self.kept = {key: (loss, parts)}
outputs-kept:
    loss := {old}
    vars(self).setdefault('history', []).append((loss, parts))
temperature-drifts:
    loss := {old}
    self.temperature *= 0.99
loss-smoothed-over-calls:  # the mean with the loss of the call before
    loss := {old}
    last, self.last = vars(self).get('last', [loss])[0], [loss.detach()]
    loss = (loss + last) / 2
labels-filled-in-place:
    columns := {old}.clone()
    labels.nan_to_num_(0.0)
embeddings-normalised-in-place:
    views := {old}
    with torch.no_grad():
        for view in views:
            view.div_(view.norm(dim=1, keepdim=True).clamp(min=1e-12))
ties-broken-at-random: columns := {old} + 1e-3 * torch.rand_like(labels).unsqueeze(-1)
rows-shuffled:  # by the global random generator
    views := {old}
    order = torch.randperm(len(labels)).to(labels.device)
    views, labels = [view[order] for view in views], labels[order]
generator-seeded:
    views := {old}
    torch.manual_seed(0)
noisy-loss:
    loss := {old}
    own = vars(self).setdefault('own', torch.Generator().manual_seed(0))
    loss = loss * (1 + 1e-3 * torch.rand((), generator=own).item())
process-setting-changed:
    views := {old}
    torch.backends.cudnn.benchmark = True
# Reads rows one after the other from memory, whatever the strides are.
contiguity-assumed:
    views := {old}
    views = [x.as_strided(x.shape, (x.shape[1], 1)) for x in views]
contiguity-required:
    views := {old}
    views = [x.view(-1).view(x.shape) for x in views]
gradient-in-forward:  # which raises under no_grad
    loss := {old}
    (gradient,) = torch.autograd.grad(loss, perturbed, retain_graph=True)
    self.gradient_norm = float(gradient.norm())
weights-stay-behind:  # they are no buffer, and do not move to a GPU
    given := {old}
    self.own, given = given, None
    weights := torch.ones_like(parts) if self.own is None else self.own.to(parts.dtype)
colder-in-evaluation: tau := {old} if self.training else {old} / 2
""")
