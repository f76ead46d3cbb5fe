"""Says why a subject cannot be constructed or called, and writes a wrapper to fill in."""

import ast
import inspect
import re
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn
from torch.autograd import Function

from supcr_bench.subjects import signature
from supcr_bench.subjects.calls import (
    CALLS,
    NotALossError,
    NumberError,
    SeveralLossesError,
    call_text,
    call_words,
)
from supcr_bench.subjects.gaps import CONFIG, Gap, gap
from supcr_bench.subjects.packages import import_lines
from supcr_bench.values.errors import UnavailableError, UncallableError
from supcr_bench.values.implementation import Implementation, Resolution
from supcr_bench.values.units import listed

DEVICE = re.compile(r"\b(cuda|nvidia|mps|xpu|hip)\b|same device", re.I)
"""The text of an error whose cause is a missing device, such as torch without CUDA."""
UNIT_ROWS = re.compile(r"^(?!.*(label|target)).*(normali[sz]ed|unit.(norm|length))", re.I | re.S)
"""The text of an error of a loss that demands normalised embeddings."""
_LEAVES_TORCH = re.compile(r"\.(?:item|tolist|numpy)\(\)|\bfloat\((?=[a-z])|\bnp\.\w+\(")
"""Code that makes a number of a tensor."""
_INTERNAL = re.compile(r"\bsupcr_bench_(?:side|subject)_\w+\.?")
"""Names of modules that the harness makes of files."""
_OF_ROWS = re.compile(r"((sample|row|instance)_)?(confidences?|events?|weights)|sample_weight")
"""The names of arguments that hold a number for each row, of which 1 changes nothing."""
LONGEST = 200
"""Most characters of an error's text that a message repeats."""
_OTHERS = (
    "site-packages",
    "<",
    str(Path(str(ast.__file__)).parent),
    str(Path(__file__).parents[1]),
)
"""Parts of file names that are not the author's code."""


def error_text(error: BaseException) -> str:
    """An exception in a line, with the last line of the author's code that led to it."""
    text = _INTERNAL.sub("", " ".join(str(error).split()))
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    place = place_of(error)
    where = f" ({place[0].name}, line {place[1]})" if place else ""
    if isinstance(error, NotALossError):
        return f"it {text}"
    return f"{type(error).__name__}{f': {text}' if text else ''}{where}"


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def place_of(error: BaseException) -> tuple[Path, int] | None:
    """The file and the last line of the author's code that led to an exception."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not any(part in f.filename for part in _OTHERS)]
    return (Path(own[-1].filename), own[-1].lineno or 1) if own else None


def not_constructed(
    subject: Implementation,
    missing: Sequence[str],
    error: Exception | None = None,
    device: str = "cpu",
) -> UncallableError:
    """Say which arguments the constructor needs, or what it raised for inputs on a device."""
    owner = signature.behind(subject.factory)
    reason = f"{subject.name} cannot be constructed: "
    gaps = {name: gap(name, owner) for name in missing}
    if error is not None:
        reason += _ended(error_text(error))
        if found := _of_surroundings(subject, reason, error, device):
            return found
        absent = [n for n, p in signature.parameters_of(owner).items() if p.default is None]
        gaps = {name: one for name in absent if "(" in (one := gap(name, owner)).code}
        if not gaps or not isinstance(error, AttributeError | TypeError):
            return UncallableError("construct", reason, "Correct its constructor.")
        reason += " Its default None is no configuration."
    wrapper = _text(subject, [f"loss = functools.partial({', '.join(['{}', *_filled(gaps)])})"])
    if isinstance(getattr(subject.factory, "__wrapped__", None), type):  # a method, bound later
        wrapper = re.sub(r"functools\.partial\((.+?)\.(\w+), (.*)\)\n", r"\1(\3).\2\n", wrapper)
    if error is None:
        reason += f"it needs {listed([f'`{name}`' for name in gaps])}, without a default."
    return UncallableError("construct", reason, _to_fill_in(gaps), wrapper)


def _filled(gaps: Mapping[str, Gap]) -> list[str]:
    return [f"{name}={found.code}" for name, found in gaps.items()]


def _to_fill_in(gaps: Mapping[str, Gap]) -> str:
    """The advice for a wrapper with these arguments."""
    left = []
    for name, found in gaps.items():
        choices = listed([repr(choice) for choice in found.choices], "or")
        left += [f"`{name}`{f' ({choices})' if choices else ''}"] * ("..." in found.code)
    if not left:
        return "Verify this wrapper's `loss`."
    return f"Fill in {listed(left)} in this wrapper and verify its `loss`."


def only_methods(subject: Implementation, owner: type) -> UncallableError:
    """Say which methods fit, for a class that cannot be called, or a function that returns none."""
    if owner.__module__ in ("builtins", "torch"):
        reason = f"{subject.name} takes neither embeddings nor labels, and returns "
        kind = "nothing" if owner is type(None) else f"a value of type {owner.__name__}"
        reason += f"{kind}: not a loss."
        return UncallableError("call", reason, "Name a class or a function that computes a loss.")
    if issubclass(owner, Function):
        names = [*signature.parameters_of(owner.forward)]
        given = ", ".join(names[owner.setup_context is Function.setup_context :])  # without ctx
        wrapper = _text(subject, [f"def loss({given}):", f"    return {{}}.apply({given})"])
        reason = f"{subject.name} is a torch.autograd.Function, which is called by its `apply`."
        return UncallableError("call", reason, "Verify this wrapper's `loss`.", wrapper)
    reason = f"{subject.name} has neither forward nor __call__"
    if not (methods := _fitting_methods(owner)):
        reason += ", and none of its methods fits; it is not a loss."
        return UncallableError("call", reason, "Name a class or a function that computes a loss.")
    fitting = [f"`{name}{given}`" for name, given in sorted(methods.items())]
    first, given = min(methods.items())
    reason += "; several methods fit: " if len(methods) > 1 else "; one method fits: "
    advice = f"Verify `{subject.name}.{first}`, or this wrapper's `loss`, which calls {first}."
    reason += f"{', '.join(fitting[:6])}."
    return UncallableError("call", reason, advice, _of_method(subject, first, given))


def _of_method(subject: Implementation, method: str, given: str) -> str:
    """A wrapper that constructs an object and calls its method."""
    filled = ", ".join(_filled(_required(subject)))
    return _text(subject, [f"def loss{given}:", f"    return {{}}({filled}).{method}{given}"])


def _required(subject: Implementation) -> dict[str, Gap]:
    """What to fill in for the arguments of a factory that have no default."""
    required = signature.named_parameters(subject.factory, required=True)
    return {name: gap(name, signature.behind(subject.factory)) for name in required}


def _fitting_methods(owner: type) -> dict[str, str]:
    """The methods of a class that take embeddings and labels, each with its arguments."""
    methods: dict[str, str] = {}
    for name in set(dir(owner)) - {*dir(object), *dir(nn.Module)}:
        method = getattr(owner, name)
        if callable(method) and not isinstance(method, type) and not name.startswith("_"):
            bare = inspect.isfunction(inspect.getattr_static(owner, name))
            read = signature.read_call(owner, method.__get__(object()) if bare else method)
            if read.tensors and not read.extra and not read.unlabelled:
                methods[name] = f"({', '.join(read.tensors)})"
    return methods


def needs_more(
    subject: Implementation, own: Resolution, told: signature.CallSignature, loss: Any
) -> UncallableError:
    """Say which argument of the call is neither embeddings nor labels."""
    if told.keys and not told.tensors:
        return _takes_a_batch(subject, own, told)
    required = signature.named_parameters(signature.function_of(loss), required=True)
    gaps = {name: gap(name, signature.function_of(loss)) for name in told.extra}
    gaps |= {name: Gap() for name in required if name == "weights"}  # which is no extra
    filled = {}
    if told.tensors:
        rows, labels = told.tensors[0], told.tensors[-1]
        ones = Gap(f"torch.ones(len({rows}), device={rows}.device)")
        weighing = [n for n in gaps if _OF_ROWS.fullmatch(n)]
        predicted = [n for n in gaps if signature.is_prediction(n)]
        gaps |= dict.fromkeys(weighing, ones) | dict.fromkeys(predicted, Gap(labels))
        filled = {"1 for each row as": weighing, "the labels for": predicted}
    names = list(told.tensors or ("features", "labels"))
    given = [f"{name}={name}" if told.tensors else name for name in names] + _filled(gaps)
    reason = f"{subject.name} cannot be called: beside embeddings and labels it needs "
    reason += f"{listed([f'`{name}`' for name in gaps])}."
    advice = _to_fill_in(gaps)
    given_for = [f"{w} {listed([f'`{n}`' for n in some])}" for w, some in filled.items() if some]
    if given_for:
        advice = f"{advice[:-1]}; it gives {listed(given_for)}."
    if told.unnamed:
        names, given = ["features", "labels"], [f"{name}=..." for name in told.unnamed]
        reason = f"{subject.name} cannot be called: the names "
        reason += f"{listed([f'`{name}`' for name in told.unnamed])} do not say which are "
        reason += "embeddings and which are labels."
        advice = "Fill in each argument in this wrapper, and verify its `loss`."
    wrapper = _calling(subject, own, names, given)
    return UncallableError("call", reason, advice, wrapper)


def takes_no_labels(
    subject: Implementation, own: Resolution, told: signature.CallSignature
) -> UncallableError:
    """Say that a loss takes nothing but embeddings, or one argument."""
    names = told.unlabelled
    if len(names) > 1:
        reason = f"{subject.name} takes no labels: by their names, "
        reason += f"{listed([f'`{name}`' for name in names])} are embeddings."
        advice = "Name a loss that takes labels, or say in this wrapper how it gets them, and "
        advice += "verify its `loss`."
        given = [f"{names[0]}=features", *(f"{name}=..." for name in (*names[1:], *told.extra))]
    else:
        owner = signature.behind(subject.factory)
        methods = _fitting_methods(owner) if isinstance(owner, type) else {}
        reason = f"{subject.name} takes one argument, `{names[0]}`, not embeddings and labels."
        advice = "If that holds both, say in this wrapper how, and verify its `loss`; else name a "
        advice += "loss that takes labels."
        if methods:
            first, given_to = min(methods.items())
            reason += f" Its method `{first}{given_to}` fits."
            advice = f"Verify this wrapper's `loss`, which calls {first}."
            return UncallableError("call", reason, advice, _of_method(subject, first, given_to))
        given = ["(features, labels)"]
    wrapper = _calling(subject, own, ["features", "labels"], given)
    return UncallableError("call", reason, advice, wrapper)


def _takes_a_batch(
    subject: Implementation, own: Resolution, told: signature.CallSignature
) -> UncallableError:
    """The error for a subject that takes embeddings and labels packed in one argument."""
    taken, arguments = (listed([f"`{x}`" for x in some]) for some in (told.keys, told.extra))
    one = "one argument, " if len(told.extra) == 1 else ""
    reason = f"{subject.name} cannot be called with embeddings and labels: it reads {taken} from "
    reason += f"{one}{arguments}."
    if own.temperature and not isinstance(signature.behind(subject.factory), type):
        own = replace(own, at_call=(own.temperature,))
    wrapper = _calling(subject, own, told.keys, [told.packed])
    return UncallableError("call", reason, "Verify this wrapper's `loss`.", wrapper)


def not_called(
    subject: Implementation,
    pointed: tuple[Resolution, Exception],
    tried: Iterable[Resolution],
    works: Resolution | None,
    device: str,
    held: Sequence[str] = (),
) -> UncallableError:
    """Report the exception of the call that documentation and parameters suggest: ``pointed``.

    ``works`` is another call that gives a loss; ``held`` names parameters that the module holds.
    """
    own, error = pointed
    reason = _ended(f"{subject.name} cannot be called as {call_words(own)}: {error_text(error)}")
    if found := _of_surroundings(subject, reason, error, device):
        return found
    path = "two-view path" if own.definition.call == "features_two_views" else "documented call"
    if works is not None:
        reason = f"{subject.name} is documented to be called as {call_words(own)}, and its {path}"
        reason += f" raises {error_text(error)}. As {call_words(works)} it works."
        advice = f"Correct its {path}, or verify this wrapper's `loss`, which calls it otherwise."
    else:
        if not isinstance(error, NumberError | SeveralLossesError):
            calls = [CALLS[one.definition.call] for one in tried]
            words = dict.fromkeys(re.sub(r"^\((features )?|, labels.*$", "", c) for c in calls)
            reason += f" Tried: {'; '.join(words)}."
        advice = "Fix the error, or say in this wrapper how it is called, and verify its `loss`."
        inner = f"parameters of its own (`{held[0]}`)" if held else ""
        if inner or "running_mean" in str(error):
            advice = f"It holds {inner or 'a layer for embeddings of one width'}: if they belong "
            advice += "to the model, "
            advice += "verify the loss of their output, in a function or a wrapper like this one."
    shown = works or own
    unit = works is None and UNIT_ROWS.search(str(error))
    if unit:
        advice = "Verify this wrapper's `loss`, which normalises the embeddings."
    names, doc = ["z1", "z2", "labels"], ""
    if shown.definition.call == "features_single_view":
        names = ["features", "labels"]
        doc = f"features [N, d], labels {'[N, 1]' if shown.one_dimension else '[N, D]'}."
    view = "torch.nn.functional.normalize({}, dim=-1)" if unit else "{}"
    given = call_text(shown, *map(view.format, names[:-1]))
    code = "{}"
    if isinstance(error, SeveralLossesError):
        code, advice = error.code, f"Verify this wrapper's `loss`, which {error.words}."
    if isinstance(error, NumberError):
        advice = "Return the tensor, without "
        advice += f"{_line_of(_LEAVES_TORCH, subject) or '`.item()` or the like'}: what is computed"
        advice += " from a number has no gradient, so nothing trains."
        return UncallableError("call", reason, advice)
    wrapper = _calling(subject, shown, names, [given], doc, code)
    return UncallableError("call", reason, advice, wrapper)


def _of_surroundings(
    subject: Implementation, reason: str, error: Exception, device: str
) -> UncallableError | None:
    """The error for a missing package or process group, or another device, if that is the cause."""
    if isinstance(error, ImportError):
        missing = _INTERNAL.sub("", error.name or "")
        advice = f"Install {missing or 'what it imports'}."
        if missing != (error.name or ""):  # a relative import
            advice = f"Put the author's `{missing.replace('.', '/')}.py` beside its file."
        return UnavailableError("package", reason, advice)
    if "leaf Variable" in str(error):
        advice = "It changes its inputs in place, and with them the encoder's output: compute a "
        advice += "new tensor, as in `x = x / n` for `x /= n`."
        return UncallableError("call", reason, advice)
    if "Can't call numpy()" in str(error) or "__array__" in str(error):
        advice = "NumPy keeps no gradient, so nothing would train: compute with torch there."
        return UncallableError("call", reason, advice)
    if "process group" in str(error):
        advice = f"It needs several processes: `supcr-bench verify {subject.name} --ranks 2`."
        return UncallableError("call", reason, advice)
    if device != "cpu" and is_on_another_device(error):
        advice = "It makes a tensor on another device than its inputs': give it `device=` of an "
        advice += "input. To verify the loss on the CPU, leave out --device."
        return UncallableError("device", reason, advice)
    if device == "cpu" and DEVICE.search(str(error)):
        return needs_device(subject.name, reason, subject)
    return None


def _line_of(pattern: re.Pattern[str], subject: Implementation) -> str | None:
    """The last code of a subject that a pattern matches, with its file and line."""
    try:
        lines, first = inspect.getsourcelines(signature.behind(subject.factory))
    except (OSError, TypeError):
        return None
    found = [(n, match[0]) for n, line in enumerate(lines) for match in pattern.finditer(line)]
    if not found:
        return None
    code = f"{found[-1][1].removesuffix('()').rstrip('(')}()"
    return f"`{code}` ({Path(subject.source).name}, line {first + found[-1][0]})"


def is_on_another_device(error: Exception) -> bool:
    return "same device" in str(error)


def needs_device(name: str, reason: str, subject: Implementation | None) -> UncallableError:
    file, _, attribute = name.rpartition(":")
    wrapper, path = None, str(Path(file).resolve())
    if subject is not None and "device" in signature.parameters_of(subject.factory):
        wrapper = _text(subject, ['loss = functools.partial({}, device="cpu")'])
    elif file.endswith(".py"):
        wrapper = f"""from pathlib import Path

source = Path({path!r}).read_text().replace(".cuda()", "").replace("cuda:0", "cpu")
exec(compile(source.replace('"cuda"', '"cpu"').replace("'cuda'", "'cpu'"), {path!r}, "exec"))
loss = {attribute}
"""
    advice = f"Verify it on a machine with that device (`supcr-bench verify {name} --device cuda`),"
    advice += " or let it compute where its inputs are, as this wrapper's `loss` does."
    return UncallableError("device", reason, advice, wrapper)


def _text(subject: Implementation, body: Sequence[str]) -> str:
    """A wrapper: imports, then lines in which ``{}`` stands for the subject."""
    code = "\n".join(body)
    modules = [m for m in ("functools", "torch", "types") if f"{m}." in code]
    target, _, attribute = subject.name.rpartition(":")
    if not target:
        own = signature.behind(subject.factory)
        target, attribute = getattr(own, "__module__", ""), getattr(own, "__qualname__", attribute)
    target = str(Path(target).resolve()) if target.endswith(".py") else target
    classes = sorted({*re.findall(r"=(\w+)\(", code)} - {"AnyConfig", "dict"})  # of dataclasses
    imports, called = import_lines(target, attribute, *modules, classes=classes)
    if called.partition(".")[0] == "loss":  # which the wrapper defines
        imports = [re.sub(r"import loss\b", "import loss as original", line) for line in imports]
        called = f"original{called.removeprefix('loss')}"
    helper = CONFIG if "AnyConfig(" in code else ()
    return "\n".join([*imports, "", *helper, *(line.replace("{}", called) for line in body), ""])


def _calling(
    subject: Implementation,
    own: Resolution,
    names: Sequence[str],
    given: Sequence[str],
    doc: str = "",
    code: str = "{}",
) -> str:
    """A wrapper that calls a subject with those arguments, and a temperature if it takes one.

    ``code`` makes the loss of what the call, its ``{}``, returns.
    """
    passed, tau = [], own.temperature
    if tau:
        parameters = signature.parameters_of(subject.factory)
        defaults = {n: p.default for n, p in parameters.items() if p.default is not p.empty}
        names, passed = [*names, f"{tau}={defaults.get(tau, '...')}"], [f"{tau}={tau}"]
    if signature.is_called_with_tensors(subject.factory) or tau in own.at_call:
        call = f"({', '.join([*given, *passed])})"
    else:
        passed += _filled({name: one for name, one in _required(subject).items() if name != tau})
        call = f"({', '.join(passed)})({', '.join(given)})"
    lines = [f"def loss({', '.join(names)}):", *([f'    """{doc}"""'] if doc else [])]
    return _text(subject, [*lines, f"    return {code.format('{}' + call)}"])
