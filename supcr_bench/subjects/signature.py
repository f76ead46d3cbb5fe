"""Reads how a loss wants to be built and called: from its parameters, documentation and source."""

import ast
import functools
import inspect
import keyword
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from inspect import Parameter
from typing import Any

from torch import Tensor, nn

from supcr_bench.subjects.calls import ONE_ARGUMENT
from supcr_bench.values.definition import Call
from supcr_bench.values.implementation import LabelLayout, Resolution

_TEMPERATURE = r"t|tau|temp|(?!.*(base|sched)).*temperature.*"
_ROLES = {
    "extra": r"steps?|epochs?|iter\w*|ind(ex|exes|ices)|idxs?|ids?|device|mask|mode|phase|margin"
    r"|model|names?|n|num|size|meta|config|cfg|args|opts?|alpha|beta|gamma|lam|mean|std|sigma|weights?"
    r"|confidences?|world|scale|events?|censor\w*|status",
    "distances": r"d|dists?|distances?|deltas?|diffs?|differences?",
    "labels": r"labels?|lbls?|targets?|gts?|values?|true|truths?|scores?|ages?|ys?|t"
    r"|ranks?|ranking|grades?|levels?|prices?|ratings?|rewards?|times?|durations?|depths?",
    "views": r"feat(ure)?s?|f|emb(ed\w*)?s?|zi?s?|zjs|xs?|hs?|hidden|proj\w*|reps?|representations?"
    r"|views?|inputs?|outputs?|vectors?|latents?|codes?|anchors?|positives?|negatives?|query|queue|q|k|keys?"
    r"|perturbed|intact|preds?|predictions?|augmented|original",
}
"""Words in the names of arguments, by role; the last word that has a role decides."""
_PREDICTIONS = r"(y_)?(preds?|predictions?|predicted|hat|logits|outputs?)(_\w+)?"
VARIABLE = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
_HINTS: dict[Call, str] = {
    "mapping_of_views": r"\b{0}\b[^\n,)]*\b(dict|mapping)|\b{0}(\.(values|items|keys)\(|\[['\"])",
    "sequence_of_views": r"\b{0}\b[^\n,)]*\b(list|tuple|sequence)\b",
    "features_single_view": r"\w+, \w+ = {0}\.(shape|size\(\))$|\b(one|single)[ -]view\b",
}
"""Patterns of source or documentation that suggest a call; ``{0}`` is the argument."""
_DIM = r"(?:\.\.\.|\w+(?:\s*\*\s*\w+)*)"
_SHAPE = re.compile(
    rf"[\[(]\s*({_DIM}(?:\s*(?:,|\bx\b|\u00d7)\s*{_DIM})*)\s*,?\s*[\])]|\b({_DIM}(?:\s+[x\u00d7]\s+{_DIM})+)"
)
_ROWS = re.compile(r"(\w+\s*\*\s*|2)?(n|b|m|bs|bsz|bz|batch\w*|\w+_samples)(\s*\*\s*\w+)?")
_DOUBLED = re.compile(r"2\w+|\w+\s*\*\s*\w+")
_ONE_DIMENSION = (
    r"(?i)\b(one|single)[ -]label[ -]dimension|\b(1-?d|one-dimensional|scalar) (label|target)"
    r"|(label|target)s? (are|is|must be|should be) (scalar|1-?d|one-dimensional)"
)
_COMMENTED_OUT = re.compile(r"(?m)^\s*#[^:\n]*=\s*[\w.]+\(.*$")
"""A line of code that is commented out, with a call."""
_OTHERS = r"returns?|loss|masks?|weights?|similarit\w+|logits"
"""Words after which a shape is neither that of the embeddings nor that of the labels."""


@dataclass(frozen=True, slots=True)
class CallSignature:
    """What the parameters, the documentation and the source of a loss say about its call.

    Attributes:
        tensors: names of its arguments for embeddings and labels, in the order of the call.
        extra: names of required arguments that are neither.
        calls: the calls that fit the names, the likeliest first; empty if the names say nothing.
        documented: the calls that its documentation names.
        labels: how labels are laid out by its documentation and names.
        keys: the names of the two views, if it takes a mapping of them; without ``tensors``, what
            it takes out of its arguments.
        packed: the code that packs what it takes out into those arguments again.
        unlabelled: names of its arguments, if none means labels.
        unnamed: names of its arguments, if they do not say which are embeddings.
    """

    tensors: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    documented: tuple[Call, ...] = ()
    labels: tuple[LabelLayout, ...] = ()
    by_name: bool = False
    keys: tuple[str, ...] = ()
    packed: str = ""
    unlabelled: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()


def is_temperature(name: str, default: object = None) -> bool:
    named = re.fullmatch(_TEMPERATURE, name.lower().replace("_", "")) is not None
    absent = default is None or default is Parameter.empty
    return named and (absent or (isinstance(default, int | float) and default is not False))


def is_prediction(name: str) -> bool:
    return re.fullmatch(_PREDICTIONS, name.lower()) is not None


def role_of(name: str) -> str | None:
    """The role of an argument by its name: views, labels, distances, extra, or unknown."""
    for word in reversed(re.split(r"[_\d]+", name.lower())):
        for role, words in _ROLES.items():
            if re.fullmatch(words, word):
                return role
    return None


def are_views(names: Sequence[str]) -> bool:
    """Whether arguments, embeddings by their names, are surely all views of the same rows.

    These are three, as of a triplet, or two whose names differ in one part, as z1 and z2, or in one
    letter, as zis and zjs.
    """
    if len(names) != 2:
        return len(names) > 2
    first, second = names
    parts = [re.split(r"_|(?<=\D)(?=\d)", name) for name in (first, second)]
    apart = [a != b for a, b in zip(*parts, strict=False)]
    letters = [a != b for a, b in zip(first, second, strict=False)]
    same = len(parts[0]) == len(parts[1]) > 1 and sum(apart) == 1
    return same or (len(first) == len(second) > 1 and sum(letters) == 1)


def can_be_named(name: str) -> bool:
    """Whether a name can be that of an argument, unlike ``lambda`` or ``loss-temp``."""
    return name.isidentifier() and not keyword.iskeyword(name)


def parameters_of(target: Callable[..., Any]) -> Mapping[str, Parameter]:
    """Parameters by name, of a callable or a module's forward; empty if Python cannot tell."""
    call = target.forward if isinstance(target, nn.Module) else target
    own = _signature(call)
    inner = behind(call) if own is None or _takes_anything(own) else call
    return (own if inner is call else _signature(inner)) or {}


def _signature(call: Any) -> Mapping[str, Parameter] | None:
    with suppress(TypeError, ValueError):
        return inspect.signature(call).parameters
    return None


def _takes_anything(parameters: Mapping[str, Parameter]) -> bool:
    """Whether a function takes ``*args`` and at most ``**kwargs`` beside it, as decorators do."""
    kinds = {p.kind for p in parameters.values()}
    return Parameter.VAR_POSITIONAL in kinds and kinds <= set(VARIABLE)


def behind(target: Any) -> Any:
    """The class, function or module behind partials, decorators and TorchScript."""
    while isinstance(target, functools.partial):
        target = target.func
    target = inspect.unwrap(target) if callable(target) else target
    target = getattr(target, "_torchdynamo_inline", target)
    function = getattr(target, "__func__", target)
    if not inspect.isfunction(function) or not _takes_anything(_signature(function) or {}):
        return target
    # A decorator without functools.wraps keeps what it wraps in its closure alone.
    held = [x for x in inspect.getclosurevars(function).nonlocals.values() if inspect.isfunction(x)]
    if len(held) != 1:
        return target
    return behind(held[0] if target is function else held[0].__get__(target.__self__))


def is_called_with_tensors(target: object) -> bool:
    """Whether a target is the loss itself, rather than a class or a function that builds it."""
    if not callable(target) or isinstance(behind(target), type):
        return False
    return isinstance(target, nn.Module) or bool(_roles(parameters_of(target))[1])


def find_parameters(target: Callable[..., Any], *, declared: bool = True) -> Resolution:
    """The arguments that a subject takes beside its tensors, by their names, as a resolution.

    Arguments that a partial has already set keep their value, so the result omits them. One that
    is ``declared`` keeps the contract of an ``Implementation``, whose ``**kwargs`` take every
    argument; others get the arguments that they name, and eps only if it has no default.
    """
    # nn.Module's own (*args, **kwargs) accepts no argument.
    if isinstance(target, nn.Module) or getattr(target, "__init__", None) is nn.Module.__init__:
        return Resolution(temperature=None, weights=False, eps=False)
    parameters = parameters_of(target)
    fixed = target.keywords if isinstance(target, functools.partial) else {}
    defaults = {n: p.default for n, p in parameters.items() if p.kind is not p.VAR_KEYWORD}
    if len(defaults) < len(parameters):
        anything = ("temperature", "weights", "eps")
        defaults = dict.fromkeys(anything if declared else read_from_kwargs(target)) | defaults
    named = [n for n, default in defaults.items() if is_temperature(n, default)]
    named.sort(key=lambda n: (n != "temperature", len(n)))
    free = [n for n in (*named[:1], "weights", "eps") if n in defaults and n not in fixed]
    eps = "eps" in free and (declared or defaults["eps"] is Parameter.empty)
    temperature = named[0] if named and named[0] in free else None
    return Resolution(temperature=temperature, weights="weights" in free, eps=eps)


def read_from_kwargs(target: Callable[..., Any]) -> list[str]:
    """The names that a subject reads from its ``**kwargs``, or passes to a function with them."""
    bases = getattr(behind(target), "__mro__", ())
    found: list[str] = []
    for function in [vars(base).get("__init__") for base in bases] or [behind(target)]:
        if inspect.isfunction(function):
            source, doc = source_of(function), inspect.getdoc(function) or ""
            found += [*named_parameters(function), *re.findall(r"[\[('\"](\w+)['\"]", source)]
            found += re.findall(r"(?m)^\s*(?::param\s+)?(\w+)\s*[(:]", doc)
            passed = re.findall(r"([\w.]+)\([^()]*\*\*\w+\)(?!\s*(?:->[^:]*)?:)", source)
            for taker in filter(callable, map(function.__globals__.get, passed)):
                found += named_parameters(taker)
            if not passed:
                break
    return found


def named_parameters(target: Callable[..., Any], *, required: bool = False) -> list[str]:
    """The names of the parameters, or of those without a default."""
    named = (p for p in parameters_of(target).values() if p.kind not in VARIABLE)
    return [p.name for p in named if not required or p.default is p.empty]


def source_of(function: Any) -> str:
    """The source of a function, not indented; empty if there is none."""
    with suppress(OSError, TypeError):
        return textwrap.dedent(inspect.getsource(function))
    return ""


def keys_read(argument: str, source: str) -> tuple[str, ...]:
    reads = rf"\b{re.escape(argument)}(?:\[|\.(?:get|pop)\()['\"](\w+)['\"]"
    return tuple(dict.fromkeys(re.findall(reads, source)))


def _taken_apart(argument: str, source: str) -> tuple[Sequence[str], str]:
    """What a function takes out of an argument, and the code that packs it again."""
    if keys := keys_read(argument, source):
        names = [key if can_be_named(key) else f"_{key}" for key in keys]
        packed = ", ".join(f"{key!r}: {name}" for key, name in zip(keys, names, strict=True))
        return names, f"{{{packed}}}"
    if unpacked := re.search(rf"(?m)^\s*\(?(\w+(?:, \w+)+)\)? = {re.escape(argument)}$", source):
        return unpacked[1].split(", "), f"({unpacked[1]})"
    read = re.findall(rf"\b{re.escape(argument)}\.(\w+)\b(?!\()", source)
    fields = [name for name in dict.fromkeys(read) if not hasattr(Tensor, name)]
    given = ", ".join(f"{name}={name}" for name in fields)
    return fields, f"types.SimpleNamespace({given})"


def function_of(loss: Any) -> Callable[..., Any]:
    """The function behind a loss that is called with tensors; for a module, its forward."""
    loss = behind(loss)
    loss = loss.forward if isinstance(loss, nn.Module) else loss
    return loss if inspect.isroutine(loss) else type(loss).__call__


def read_call(target: Any, loss: Callable[..., Any]) -> CallSignature:
    """Read how to call a loss, also from its documentation and that of its factory."""
    parameters = parameters_of(loss)
    views, labels, extra = _roles(parameters)
    source = source_of(function_of(loss))
    required = tuple(named_parameters(loss, required=True))
    if not labels or keys_read(labels[0], source):
        parts = [_taken_apart(name, source) for name in required]
        keys = tuple(dict.fromkeys(name for names, _ in parts for name in names))
        roles = {role_of(key) for key in keys if not is_temperature(key)}
        if roles & {"views", "labels"} and all(names for names, _ in parts):
            packed = ", ".join(code for _, code in parts)
            return CallSignature(extra=required, keys=keys, packed=packed)
    if not labels:
        more = any(p.kind is p.VAR_POSITIONAL for p in parameters.values())
        alone = required if len(required) == 1 and not (extra or more) else ()
        return CallSignature(extra=tuple(extra), unlabelled=alone)
    text = "\n\n".join(_documentation(target, function_of(loss), source))
    shapes = list(_shapes(text, views, labels))
    layouts = [_label_layout(dims) for role, dims in shapes if role == "labels"]
    if role_of(labels[0]) == "distances":
        layouts.insert(0, "distances")
    if not layouts and re.search(_ONE_DIMENSION, text):
        layouts += ["column", "flat"]
    layouts.sort(key=lambda layout: layout != "columns")  # if it works, it is the one
    documented: list[Call] = []
    calls: tuple[Call, ...] = ("perturbed_intact_labels",)
    order = [*views, *labels]
    if len(views) == 1:
        doubled = any(role == "labels" and _DOUBLED.fullmatch(dims[0]) for role, dims in shapes)
        # Windows of images are flattened before a call.
        taken = [d for role, d in shapes if role == "views" and (len(d) < 4 or "view" in d[1])]
        documented = [_features(dims, doubled) for dims in taken if len(dims) > 1]
        hints = {c: rf"(?im){hint.format(re.escape(views[0]))}" for c, hint in _HINTS.items()}
        likely = next((c for c in hints if re.search(hints[c], f"{text}\n{source}")), None)
        calls = tuple(sorted(ONE_ARGUMENT, key=lambda call: call != likely))
        if likely in ("mapping_of_views", "sequence_of_views"):  # of which each is [N, d]
            documented = [call for call in documented if call != "features_single_view"]
    elif len(labels) == 2:
        order = [name for name in parameters if name in order]
        calls = ("labels_after_each_view" if order[1] in labels else "labels_after_views",)
    has_labels = role_of(labels[0]) != "views"
    guessed = {None} <= {*map(role_of, extra)} and "views" not in map(role_of, views)
    by_position = [n for n, p in parameters.items() if p.kind < p.VAR_POSITIONAL]
    keys = keys_read(views[0], source)
    return CallSignature(
        tensors=tuple(order),
        extra=tuple(extra),
        calls=calls,
        documented=tuple(dict.fromkeys(documented)),
        labels=tuple(dict.fromkeys(layouts)),
        by_name=by_position[: len(order)] != order,
        keys=keys if len(keys) == 2 else ("first", "second"),
        unlabelled=() if has_labels else (*views, *labels),
        unnamed=required if guessed else (),
    )


def _roles(parameters: Mapping[str, Parameter]) -> tuple[list[str], list[str], list[str]]:
    """The names of the arguments for views, for labels, and of further required ones.

    Unknown names before the labels are views; if none means labels, the last does.
    """
    own = {n: p for n, p in parameters.items() if p.kind not in VARIABLE}
    roles = {name: role_of(name) for name in own}
    required = [n for n, p in own.items() if p.default is p.empty and n not in ("weights", "eps")]
    tensors = list(required)
    for role in (("views",), ("labels", "distances")):  # such as (features, labels=None, mask=None)
        named = [n for n in own if roles[n] in role and not is_temperature(n)]
        if all(roles[n] == "views" for n in tensors) and not set(named) & set(tensors):
            tensors += named[:1]
    labels = [n for n in tensors if roles[n] in ("labels", "distances")]
    if len(labels) > 1:  # t is a target if nothing else is
        labels = [n for n in labels if not is_temperature(n)]
    tensors = [n for n in tensors if roles[n] != "extra" and (n in labels or not is_temperature(n))]
    if len(tensors) - len(labels) == 1 and any(len(n) > 2 for n in labels):
        labels = [n for n in labels if len(n) > 2][:1]  # (x, y, labels) has two views
    left = [n for n in tensors if n not in labels]
    pairs = [re.split(r"_|(?<=\D)(?=\d)", n) for n in left]
    twins = len(left) == 4 and all(a[:-1] == b[:-1] != [] for a, b in (pairs[:2], pairs[2:]))
    if twins and not labels:
        labels = [left.pop(2), left.pop(2)]  # (z_i, z_j, y_i, y_j)
    elif not labels and len(left) > 1:
        labels = [left.pop()]
    last = tensors.index(labels[-1]) if labels else -1
    views = [n for n in left if roles[n] == "views" or tensors.index(n) < last or n == left[0]]
    # Predictions belong to another term, beside the embeddings.
    views = [n for n in views if not is_prediction(n)][:2] or views[:2]
    labels = labels[: len(views)]
    extra = [n for n in required if n not in (*views, *labels) and not is_temperature(n)]
    return (views, labels, extra) if views and labels else ([], [], extra)


def _documentation(target: Any, function: Any, source: str) -> Iterator[str]:
    """The docstrings of a loss, and the comments before its first statement."""
    try:
        (tree,) = ast.parse(source).body
    except (SyntaxError, ValueError):
        yield inspect.getdoc(function) or ""
    else:
        body = getattr(tree, "body", [])
        code = [n for n in body if not (n is body[0] and isinstance(n, ast.Expr))]
        head = "\n".join(source.splitlines()[: code[0].lineno - 1 if code else None])
        head = _COMMENTED_OUT.sub("", head)
        yield re.sub(r"(?m)^(\s*(?:async )?def \w+)\(", r"\1 ", head)  # (batch, labels) is no shape
    for documented in (behind(target), getattr(behind(target), "__init__", None)):
        yield inspect.cleandoc(getattr(documented, "__doc__", None) or "")


def _shapes(
    text: str, views: Sequence[str], labels: Sequence[str]
) -> Iterator[tuple[str, list[str]]]:
    """The shapes in a text, each with the role of the argument that it belongs to."""
    names = "|".join(map(re.escape, (*views, *labels)))
    words = rf"{names}|{_OTHERS}|[a-z_]*(?:label|target)s?|features?|embeddings?|views|inputs?"
    loose = True
    for match in _SHAPE.finditer(text):
        parts = re.split(r",|\bx\b|\u00d7", match[1] or match[2])
        dims = [d.strip().lower() for d in parts if d.strip()]
        rows = dims[1] if len(dims) == 3 and not _ROWS.fullmatch(dims[0]) else dims[0]
        plain = match[0][0] == "(" and "," not in match[0]  # a word in parentheses, or (N)
        if not _ROWS.fullmatch(rows) or (len(dims) == 1 and plain and len(rows) > 1):
            continue
        before = re.split(r"\n\s*\n", text[: match.start()])[-1]
        named = re.findall(rf"(?<![\w.])({words})(?!\w)", before, re.I)
        after = re.match(rf"[`'\"\s]*({words})\b", text[match.end() :], re.I)
        word = named[-1] if named else after[1] if after else ""
        if not word and loose:  # the first shape of a text without names is that of the embeddings
            yield ("views" if len(dims) > 1 else "labels"), dims
        loose = loose and bool(word)
        if word in labels or re.search(r"label|target", word, re.I):
            yield "labels", dims
        elif word in views or (word and not re.fullmatch(_OTHERS, word, re.I)):
            yield "views", dims


def _features(dims: list[str], doubled: bool) -> Call:
    """The call that a documented shape of the embeddings means."""
    if len(dims) > 2:
        return "features_two_views" if _ROWS.fullmatch(dims[0]) else "views_first"
    if not _DOUBLED.fullmatch(dims[0]):
        return "features_single_view"
    return "stacked_views" if doubled else "stacked_views_labels_once"


def _label_layout(dims: list[str]) -> LabelLayout:
    if len(dims) == 1:
        return "flat"
    if dims[1] == dims[0]:
        return "distances"
    return "column" if dims[1] == "1" else "columns"
