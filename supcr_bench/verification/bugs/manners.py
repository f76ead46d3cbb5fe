"""Seeded bugs that ordinary batches do not show: bad inputs, state that is kept, side effects."""

from functools import partial

from supcr_bench.verification.bugs.logits import CONTRAST, COSINE, VIEWS, views
from supcr_bench.verification.bugs.seeded_bug import wrong
from supcr_bench.verification.bugs.sums import LABELS, RESULT

not_robust = partial(wrong, caught_by="robustness")
of_conduct = partial(wrong, caught_by="conduct")
START = "if torch.isinf(labels).any():"
BUGS = (
    not_robust(
        "exponentials-overflow: Adds up exponentials, which overflow at low temperatures.",
        {CONTRAST: "(own.exp().unsqueeze(1) * chosen).sum(dim=2).log()"},
    ),
    not_robust(
        "nan-embeddings-hidden: Replaces NaN and infinity in embeddings by finite numbers.",
        views("perturbed.nan_to_num(), intact.nan_to_num()"),
    ),
    not_robust(
        "infinite-labels-accepted: Accepts infinite labels, although the distance of two is NaN.",
        {START: "if False:"},
    ),
    not_robust(
        "no-graph-without-pairs: Returns 0 without a graph if there are no pairs, so backward() "
        "raises.",
        {"torch.stack(zeros).sum()": "views[0].new_zeros(())"},
    ),
    not_robust(
        "half-unsupported: Uses an operation that does not support float16.",
        {
            "torch.promote_types(view.dtype, torch.float32)": "view.dtype",
            COSINE: "1 - torch.cdist(unit, unit).square() / 2",
        },
    ),
    not_robust(
        "autocast-mixes-dtypes: Writes a bfloat16 product into a float32 buffer under autocast, "
        "which raises.",
        {
            ", enabled=False": ", enabled=torch.is_autocast_enabled(view.device.type)",
            COSINE: "torch.zeros_like(unit @ rows.mT, dtype=rows.dtype).index_put("
            "(torch.arange(len(rows)),), unit @ unit.mT)",
        },
    ),
    of_conduct(
        "candidates-of-the-first-call: Keeps the label distances of one batch for all batches of "
        "the same shape.",
        {
            VIEWS: f"{VIEWS}\n"
            "kept = vars(self).get('kept')\n"
            "if kept is None or kept[0].shape != labels.shape:\n"
            "    self.kept = [labels.clone()]\n"
            "labels = self.kept[0]"
        },
    ),
    of_conduct(
        "labels-of-the-first-call: Uses the labels of the first batch for all later ones.",
        {
            VIEWS: f"{VIEWS}\n"
            "kept = vars(self).get('kept')\n"
            "if kept is None or kept[0].shape[1] != labels.shape[1]:\n"
            "    self.kept = [labels.clone()]\n"
            "n = len(labels)\n"
            "labels = torch.cat((self.kept[0][:n], labels[len(self.kept[0]) :]))"
        },
    ),
    of_conduct(
        "output-by-address: Returns an old output if the inputs lie at the same addresses as then.",
        {
            VIEWS: "key = tuple((x.data_ptr(), x.shape) for x in (perturbed, intact, labels))\n"
            "if key in vars(self).get('kept', {}):\n"
            f"    return self.kept[key]\n{VIEWS}",
            RESULT: "self.kept = {key: (loss, parts)}\nreturn loss, parts",
        },
    ),
    of_conduct(
        "outputs-kept: Keeps every output with its graph, so memory grows with each call.",
        {RESULT: f"vars(self).setdefault('history', []).append((loss, parts))\n{RESULT}"},
    ),
    of_conduct(
        "temperature-drifts: Lowers the temperature in every call.",
        {RESULT: f"self.temperature *= 0.99\n{RESULT}"},
    ),
    of_conduct(
        "loss-smoothed-over-calls: Returns the mean of this call's loss and that of the call "
        "before.",
        {
            RESULT: "last, self.last = vars(self).get('last', [loss])[0], [loss.detach()]\n"
            f"loss = (loss + last) / 2\n{RESULT}"
        },
    ),
    of_conduct(
        "labels-filled-in-place: Writes 0 into the caller's labels where they are missing.",
        {f"return {LABELS}": f"kept = {LABELS}.clone()\nlabels.nan_to_num_(0.0)\nreturn kept"},
    ),
    of_conduct(
        "embeddings-normalised-in-place: Normalises the caller's embeddings in place.",
        {
            VIEWS: f"{VIEWS}\nwith torch.no_grad():\n    for view in views:\n"
            "        view.div_(view.norm(dim=1, keepdim=True).clamp(min=1e-12))"
        },
    ),
    of_conduct(
        "ties-broken-at-random: Adds random numbers of up to 1e-3 to the labels.",
        {LABELS: f"{LABELS} + 1e-3 * torch.rand_like(labels).reshape(len(labels), -1)"},
    ),
    of_conduct(
        "rows-shuffled: Shuffles the rows, which draws from the global random generator.",
        {
            VIEWS: f"{VIEWS}\norder = torch.randperm(len(labels)).to(labels.device)\n"
            "views, labels = [view[order] for view in views], labels[order]"
        },
    ),
    of_conduct(
        "generator-seeded: Seeds the global random generator in every call.",
        {VIEWS: f"torch.manual_seed(0)\n{VIEWS}"},
    ),
    of_conduct(
        "noisy-loss: Multiplies the loss by a random number between 1 and 1.001.",
        {
            RESULT: "own = vars(self).setdefault('own', torch.Generator().manual_seed(0))\n"
            f"loss = loss * (1 + 1e-3 * torch.rand((), generator=own).item())\n{RESULT}"
        },
    ),
    of_conduct(
        "process-setting-changed: Turns on cudnn's benchmark mode, for the whole process.",
        {VIEWS: f"torch.backends.cudnn.benchmark = True\n{VIEWS}"},
    ),
    of_conduct(
        "contiguity-assumed: Reads rows one after the other from memory, whatever the strides are.",
        {VIEWS: f"{VIEWS}\nviews = [x.as_strided(x.shape, (x.shape[1], 1)) for x in views]"},
    ),
    of_conduct(
        "contiguity-required: Calls view() on its inputs, which raises if they are not contiguous.",
        {VIEWS: f"{VIEWS}\nviews = [x.view(-1).view(x.shape) for x in views]"},
    ),
    of_conduct(
        "gradient-in-forward: Computes a gradient within the call, which raises under no_grad.",
        {
            RESULT: "(gradient,) = torch.autograd.grad(loss, perturbed, retain_graph=True)\n"
            f"self.gradient_norm = float(gradient.norm())\n{RESULT}"
        },
    ),
    of_conduct(
        "weights-stay-behind: Stores weights outside of its buffers: they do not move to a GPU.",
        {
            "self.register_buffer(": "setattr(self, ",
            "self.weights.to(parts)": "self.weights.to(parts.dtype)",
        },
    ),
    of_conduct(
        "colder-in-evaluation: Halves the temperature in evaluation mode.",
        {"/ self.temperature": "/ (self.temperature if self.training else self.temperature / 2)"},
    ),
)
