"""Seeded bugs that ordinary batches do not show: bad inputs, state that is kept, side effects."""

from functools import partial

from supcr_bench.verification.bugs.formula import (
    CONTRAST,
    COSINE,
    LABELS,
    VIEWS,
    at_end,
    at_start,
    views,
)
from supcr_bench.verification.bugs.seeded_bug import not_robust, wrong

of_conduct = partial(wrong, caught_by="conduct")
KEPT = "kept = vars(self).get('kept')\nif kept is None or kept[0].shape"
BUGS = (
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
