"""The calls of the family: how each lays out embeddings and labels, and what it returns."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from supcr_bench.values.definition import Call
from supcr_bench.values.implementation import Resolution

LOSS_KEYS = ("loss", "total", "total_loss", "loss_total")
CALLS: dict[Call, str] = {
    "perturbed_intact_labels": "(perturbed, intact, labels)",
    "features_two_views": "(features [N,2,d], labels)",
    "features_single_view": "(features [N,d], labels)",
    "two_views": "(z1, z2, labels)",
    "views_first": "(features [2,N,d], labels)",
    "stacked_views": "(features [2N,d], labels of 2N rows)",
    "stacked_views_labels_once": "(features [2N,d], labels of N rows)",
    "mapping_of_views": "({view: [N,d]}, labels)",
    "sequence_of_views": "([z1, z2], labels)",
    "labels_after_each_view": "(z1, labels, z2, labels)",
    "labels_after_views": "(z1, z2, labels, labels)",
}
_CODE: dict[Call, tuple[str, ...]] = {
    "features_two_views": ("torch.stack(({0}, {1}), dim=1)", "{2}"),
    "features_single_view": ("{0}", "{2}"),
    "stacked_views_labels_once": ("torch.cat(({0}, {1}))", "{2}"),
    "stacked_views": ("torch.cat(({0}, {1}))", "torch.cat(({2}, {2}))"),
    "views_first": ("torch.stack(({0}, {1}))", "{2}"),
    "sequence_of_views": ("[{0}, {1}]", "{2}"),
    "mapping_of_views": ("{{{3!r}: {0}, {4!r}: {1}}}", "{2}"),
    "labels_after_each_view": ("{0}", "{2}", "{1}", "{2}"),
    "labels_after_views": ("{0}", "{1}", "{2}", "{2}"),
}
"""The arguments as code: 0 and 1 are the views, 2 the labels, 3 and 4 the names of the views."""
ONE_ARGUMENT = tuple(call for call, code in _CODE.items() if len(code) == 2)
"""The calls with one argument for all views, the likelier first."""
_AXIS: dict[Call, int] = {"features_two_views": 1, "views_first": 0}
"""The axis along which a call stacks the views."""


class NotALossError(Exception):
    """A call returned no loss."""


class NumberError(NotALossError):
    """A call returned a number or an array in place of a tensor, so there is no gradient."""


class SeveralLossesError(NotALossError):
    """A call returned several losses, such as one for each row.

    ``code`` makes one loss of the code of the call, ``{}``; ``words`` say which.
    """

    def __init__(self, text: str, code: str, words: str) -> None:
        super().__init__(text)
        self.code, self.words = code, words


def call_words(own: Resolution) -> str:
    shape = " [N]" if own.labels == "flat" else " [N,1]" if own.one_dimension else ""
    labels = f"{'integer ' if own.integer_labels else ''}labels{shape}"
    if own.labels == "distances":
        labels = "label distances [N,N]"
    return CALLS[own.definition.call].replace("labels", labels)


def lay_out(own: Resolution, first: Tensor, second: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """The tensors of a call by their roles; raises a ValueError if an integer label is missing."""
    call = own.definition.call
    if call == "stacked_views":
        labels = torch.cat((labels, labels))
    if own.integer_labels:
        if labels.isnan().any():
            raise ValueError("an integer label cannot be missing")
        exact = [k for k in (1.0, 64.0) if bool((labels.double() * k % 1 == 0).all())]
        labels = (labels.double() * (exact or [2.0**40])[0]).round().long()  # keeps order and ties
    if own.labels == "distances":
        labels = (labels[:, None] - labels[None]).abs().sum(dim=2)
    elif own.labels == "flat" and labels.shape[1] == 1:
        labels = labels[:, 0]
    if call == "features_single_view":
        return {"features": first, "labels": labels}
    if call in _AXIS:
        return {"features": torch.stack((first, second), dim=_AXIS[call]), "labels": labels}
    if call.startswith("stacked_views"):
        return {"features": torch.cat((first, second)), "labels": labels}
    if call == "labels_after_each_view":
        return {"first": first, "labels": labels, "second": second, "labels again": labels.clone()}
    laid_out = {"perturbed": first, "intact": second, "labels": labels}
    return laid_out | ({"labels again": labels.clone()} if call == "labels_after_views" else {})


def invoke(own: Resolution, module: Any, laid_out: Mapping[str, Tensor]) -> Any:
    given: list[Any] = list(laid_out.values())
    if own.definition.call == "mapping_of_views":
        given = [dict(zip(own.keys, given[:2], strict=True)), *given[2:]]
    elif own.definition.call == "sequence_of_views":
        given = [given[:2], *given[2:]]
    return module(**dict(zip(own.keywords, given, strict=True))) if own.keywords else module(*given)


def call_text(own: Resolution, first: str = "first", second: str = "second") -> str:
    """The arguments of a call as Python code, for views and ``labels`` of these names."""
    labels = "(64 * labels).round().long()" if own.integer_labels else "labels"
    if own.labels == "distances":
        labels = f"({labels}[:, None] - {labels}[None]).abs().sum(dim=2)"
    elif own.labels == "flat":
        labels += "[:, 0]"
    codes = _CODE.get(own.definition.call, ("{0}", "{1}", "{2}"))
    given = [code.format(first, second, labels, *own.keys) for code in codes]
    if own.keywords:
        given = [f"{name}={value}" for name, value in zip(own.keywords, given, strict=True)]
    return ", ".join(given)


def views_of_gradients(call: Call, gradients: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The [N, d] gradient of each view, from those of the tensors of a call."""
    if call in _AXIS:
        return gradients[0].unbind(dim=_AXIS[call])
    if call.startswith("stacked_views"):
        return gradients[0].chunk(2)
    return tuple(gradients)


def loss_of(output: object) -> Tensor:
    """The loss in a call's output, unchanged.

    Raises a NotALossError if no tensor of one element is in its place, and a SeveralLossesError if
    there are several losses.
    """
    loss: object = output
    if type(output) is tuple and output and isinstance(output[0], Tensor):  # fast: it is timed
        loss = output[0]
    elif not isinstance(output, Tensor):
        loss = _part_of(output)
    if not isinstance(loss, Tensor):
        if loss is None:
            raise NotALossError("returned None; is a `return` missing?")
        kind = "NumPy value" if hasattr(loss, "__array__") else type(loss).__name__
        if kind == "NumPy value" or isinstance(loss, int | float):
            raise NumberError(f"returned a {kind}, not a tensor")
        raise NotALossError(f"returned a {kind} without a loss tensor")
    own = vars(loss)  # empty, mostly
    if type(loss) not in (Tensor, Parameter) or (own and any(hasattr(Tensor, n) for n in own)):
        raise NotALossError(
            f"returned a {type(loss).__name__} that may compute its value when it is read, not a "
            "plain Tensor"
        )
    if loss.numel() != 1:
        if isinstance(output, tuple | list) and (scalar := _only_scalar(output)) is not None:
            return scalar  # such as (logits, loss)
        text = f"returned a loss of shape {tuple(loss.shape)}, not a scalar"
        if loss is not output and type(output) is not tuple:
            raise NotALossError(text)
        code = "{}.mean()" if loss is output else "{}[0].mean()"
        raise SeveralLossesError(text, code, "is their mean")
    return loss


def _part_of(output: object) -> object:
    """The loss among what a call returned together, or what is in its place."""
    if isinstance(output, tuple | list) and output:
        loss = getattr(output, "loss", output[0])
        if isinstance(output, list) and len(output) > 1 and all(map(_is_trained, output)):
            text = f"returned a list of {len(output)} losses"
            raise SeveralLossesError(text, "torch.stack({}).mean()", "is their mean")
        if not isinstance(loss, Tensor):  # such as (logs, loss)
            loss = next((part for part in output if isinstance(part, Tensor)), loss)
        return loss
    if not isinstance(output, Mapping):
        loss = getattr(output, "loss", None)
        named = getattr(output, "__dict__", {})  # of a dataclass, say
        return loss if isinstance(loss, Tensor) else _named_part(named, output)
    return _named_part(output, output)


def _named_part(parts: Mapping[Any, Any], output: object) -> object:
    trained = [key for key in parts if _is_trained(parts[key])]
    named = [key for key in parts if "loss" in str(key)]
    several = len(set(trained) & set(named)) > 1
    keys = LOSS_KEYS if several else (*LOSS_KEYS, *named)
    loss = next((parts[key] for key in keys if key in parts), None)
    if loss is None and len(parts) == 1:
        (loss,) = parts.values()
    if isinstance(loss, Mapping):  # such as {"losses": {...}}
        return loss_of(loss)
    if loss is None:
        loss = _only_scalar(parts.values())
    if loss is None and trained:
        names = ", ".join(map(repr, trained))
        first = f"[{trained[0]!r}]" if isinstance(output, Mapping) else f".{trained[0]}"
        text = f"returned a {type(output).__name__} of several losses: {names}"
        raise SeveralLossesError(text, f"{{}}{first}", f"takes {trained[0]!r} of them")
    return output if loss is None else loss


def _is_trained(part: object) -> bool:
    return isinstance(part, Tensor) and part.numel() == 1 and part.requires_grad


def _only_scalar(parts: Iterable[object]) -> Tensor | None:
    """The only tensor of one element, among those with a gradient if there are any."""
    tensors = [part for part in parts if isinstance(part, Tensor)]
    tensors = [part for part in tensors if part.requires_grad] or tensors
    scalars = [part for part in tensors if part.numel() == 1]
    return scalars[0] if len(scalars) == 1 else None


def unpack(output: object, dims: int) -> tuple[Tensor, Tensor | None]:
    """The loss as a scalar and, if there are any, the [D] per-dimension ones; or NotALossError."""
    loss = loss_of(output)
    parts = output[1] if isinstance(output, tuple | list) and len(output) > 1 else None
    if not (isinstance(parts, Tensor) and tuple(parts.shape) == (dims,)):
        parts = None
    return loss.reshape(()), parts
