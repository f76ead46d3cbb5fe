"""Says why a subject cannot be loaded, constructed or called, and writes a wrapper to fill in."""

import ast
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.autograd import Function

from supcr_bench.subjects import signature
from supcr_bench.subjects.calls import (
    CALLS,
    NotALossError,
    SeveralLossesError,
    call_text,
    call_words,
)
from supcr_bench.values.errors import (
    UnavailableError,
    UncallableError,
    defined_names,
    nearest,
)
from supcr_bench.values.implementation import Implementation, Resolution
from supcr_bench.values.units import listed

DEVICE = re.compile(r"\b(cuda|nvidia|mps|xpu|hip)\b|same device", re.I)
"""The text of an error whose cause is a missing device, such as torch without CUDA."""
UNIT_ROWS = re.compile(r"^(?!.*(label|target)).*(normali[sz]ed|unit.(norm|length))", re.I | re.S)
"""The text of an error of a loss that demands normalised embeddings."""
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
    text = " ".join(str(error).split())
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not any(part in f.filename for part in _OTHERS)]
    where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    if isinstance(error, NotALossError):
        return f"it {text}"
    return f"{type(error).__name__}{f': {text}' if text else ''}{where}"


def not_loaded(name: str, error: BaseException) -> UncallableError:
    reason = f"{name} cannot be imported: {error_text(error)}."
    missing = str(getattr(error, "name", None) or "")
    if not isinstance(error, ImportError) or missing.split(".")[0] == "supcr_bench":
        if DEVICE.search(str(error)):
            return _needs_device(name, reason, None)
        advice = "Correct the file until Python can import it."
        if not isinstance(error, SyntaxError):
            advice = "Python runs the whole file to import it: move what defines nothing under "
            advice += '`if __name__ == "__main__":`, or copy the loss to a file of its own.'
        return UncallableError("load", reason, advice)
    target, _, attribute = name.rpartition(":")
    if isinstance(error, ModuleNotFoundError) and f"{target}.".startswith(f"{missing}."):
        advice = "Name a module that Python can import here, or path/to/file.py:attribute."
        return UnavailableError("package", reason, advice)
    if isinstance(error, ModuleNotFoundError):
        advice = f"Install `{missing.split('.')[0]}`. If it is the author's own code, put it beside"
        advice += " the file, or let a wrapper stand in for it."
        return UnavailableError("package", reason, advice, _stand_in(name, missing))
    advice = "Install what it imports."
    if "relative import" in str(error):
        file = Path(target).resolve()
        module = f"{file.parent.name}.{file.stem}:{attribute}"
        advice = f"It is a part of a package: in {file.parents[1]}, verify `{module}`."
    return UnavailableError("package", reason, advice)


def no_such_attribute(name: str, module: Any) -> UncallableError:
    members = vars(module).items()
    own = [key for key, x in members if getattr(x, "__module__", None) == module.__name__]
    target, _, attribute = name.rpartition(":")
    advice = "Name one that it defines." if own else "Name a file or module that defines the loss."
    near = nearest(attribute, own)
    meant = f" (did you mean {near!r}?)" if near else ""
    reason = f"{name}: {target} has no {attribute!r}{meant}. It defines {defined_names(own)}."
    return UncallableError("load", reason, advice)


def not_constructed(
    subject: Implementation,
    missing: Sequence[str],
    error: Exception | None = None,
    device: str = "cpu",
) -> UncallableError:
    """Say which arguments the constructor needs, or what it raised for inputs on a device."""
    if error is not None:
        reason = f"{subject.name} cannot be constructed: {error_text(error)}."
        found = _of_surroundings(subject, reason, error, device)
        return found or UncallableError("construct", reason, "Correct its constructor.")
    source = signature.source_of(signature.behind(subject.factory))
    filled = "".join(f", {argument}={_gap(argument, source)}" for argument in missing)
    wrapper = _text(subject, [f"loss = functools.partial({{}}{filled})"])
    if isinstance(getattr(subject.factory, "__wrapped__", None), type):  # a method, bound later
        wrapper = re.sub(r"functools\.partial\((.+?)\.(\w+), (.*)\)\n", r"\1(\3).\2\n", wrapper)
    needs = listed([f"`{name}`" for name in missing])
    reason = f"{subject.name} cannot be constructed: it needs {needs}, without a default."
    advice = f"Fill in {needs} in this wrapper and verify its `loss`."
    return UncallableError("construct", reason, advice, wrapper)


def _gap(argument: str, source: str) -> str:
    """What to fill in for an argument: a mapping or an object with all that the source reads."""
    if keys := signature.keys_read(argument, source):
        return f"{{{', '.join(f'{key!r}: ...' for key in keys)}}}"
    fields: dict[str, Any] = {}
    for path in re.findall(rf"\b{argument}((?:\.\w+)+)(?![\w(])", source):
        inner = fields
        for name in path[1:].split("."):
            inner = inner.setdefault(name, {})
    plain = all(hasattr(Tensor, name) for name in fields)  # such as mean.device
    return "..." if plain else _namespace(fields)


def _namespace(fields: dict[str, Any]) -> str:
    given = (f"{name}={_namespace(inner) if inner else '...'}" for name, inner in fields.items())
    return f"types.SimpleNamespace({', '.join(given)})"


def only_methods(subject: Implementation, owner: type) -> UncallableError:
    """Say which methods fit, for a class that cannot be called, or a function that returns none."""
    if owner.__module__ in ("builtins", "torch"):
        reason = f"{subject.name} takes neither embeddings nor labels, and returns "
        reason += f"{'nothing' if owner is type(None) else f'a {owner.__name__}'}: not a loss."
        return UncallableError("call", reason, "Name a class or a function that computes a loss.")
    if issubclass(owner, Function):
        names = [*signature.parameters_of(owner.forward)]
        given = ", ".join(names[owner.setup_context is Function.setup_context :])  # without ctx
        wrapper = _text(subject, [f"def loss({given}):", f"    return {{}}.apply({given})"])
        reason = f"{subject.name} is a torch.autograd.Function, which is called by its `apply`."
        return UncallableError("call", reason, "Verify this wrapper's `loss`.", wrapper)
    methods: dict[str, str] = {}
    for name in set(dir(owner)) - {*dir(object), *dir(nn.Module)}:
        method = getattr(owner, name)
        if callable(method) and not isinstance(method, type) and not name.startswith("_"):
            bare = inspect.isfunction(inspect.getattr_static(owner, name))
            read = signature.read_call(owner, method.__get__(object()) if bare else method)
            if read.tensors and not read.extra:
                methods[name] = f"({', '.join(read.tensors)})"
    reason = f"{subject.name} has neither forward nor __call__"
    if not methods:
        reason += ", and none of its methods fits; it is not a loss."
        return UncallableError("call", reason, "Name a class or a function that computes a loss.")
    fitting = [f"`{name}{given}`" for name, given in sorted(methods.items())]
    first, given = min(methods.items())
    reason += "; several methods fit: " if len(methods) > 1 else "; one method fits: "
    advice = f"Verify `{subject.name}.{first}`, or this wrapper's `loss`, which calls {first}."
    wrapper = _text(subject, [f"def loss{given}:", f"    return {{}}().{first}{given}"])
    return UncallableError("call", f"{reason}{', '.join(fitting[:6])}.", advice, wrapper)


def needs_more(
    subject: Implementation, own: Resolution, told: signature.CallSignature
) -> UncallableError:
    """Say which argument of the call is neither embeddings nor labels."""
    if told.keys and not told.tensors:
        return _takes_a_batch(subject, own, told)
    needs = listed([f"`{name}`" for name in told.extra])
    reason = f"{subject.name} cannot be called: beside embeddings and labels it needs {needs}."
    names = list(told.tensors or ("features", "labels"))
    given = [*(f"{n}={n}" for n in names), *(f"{n}=..." for n in told.extra)]
    wrapper = _calling(subject, own, names, given if told.tensors else [*names, *given[2:]])
    advice = f"Fill in {needs} in this wrapper and verify its `loss`."
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
    reason = f"{subject.name} cannot be called as {call_words(own)}: {error_text(error)}."
    if found := _of_surroundings(subject, reason, error, device):
        return found
    path = "two-view path" if own.definition.call == "features_two_views" else "documented call"
    if works is not None:
        reason = f"{subject.name} is documented to be called as {call_words(own)}, and its {path}"
        reason += f" raises {error_text(error)}. As {call_words(works)} it works."
        advice = f"Correct its {path}, or verify this wrapper's `loss`, which calls it otherwise."
    else:
        others = dict.fromkeys(
            re.sub(r"^\((features )?|, labels.*$", "", CALLS[o.definition.call]) for o in tried
        )
        reason += f" Tried: {'; '.join(others)}." if others else ""
        advice = "Fix the error, or say in this wrapper how it is called, and verify its `loss`."
        if held:
            advice = f"It holds parameters of its own (`{held[0]}`): if they belong to the model, "
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
    wrapper = _calling(subject, shown, names, [given], doc)
    if isinstance(error, SeveralLossesError):
        advice = "Verify this wrapper's `loss`, which is their mean."
        wrapper = wrapper.rstrip() + ".mean()\n"
    return UncallableError("call", reason, advice, wrapper)


def _of_surroundings(
    subject: Implementation, reason: str, error: Exception, device: str
) -> UncallableError | None:
    """The error for a missing package or process group, or another device, if that is the cause."""
    if isinstance(error, ImportError):
        return UnavailableError("package", reason, f"Install {error.name or 'what it imports'}.")
    if "leaf Variable" in str(error):
        advice = "It changes its inputs in place, and with them the encoder's output: compute a "
        advice += "new tensor, as in `x = x / n` for `x /= n`."
        return UncallableError("call", reason, advice)
    if "process group" in str(error):
        advice = f"It needs several processes: `supcr-bench verify {subject.name} --ranks 2`."
        return UncallableError("call", reason, advice)
    if device != "cpu" and is_on_another_device(error):
        advice = "It makes a tensor on another device than its inputs': give it `device=` of an "
        advice += "input. To verify the loss on the CPU, leave out --device."
        return UncallableError("device", reason, advice)
    if device == "cpu" and DEVICE.search(str(error)):
        return _needs_device(subject.name, reason, subject)
    return None


def is_on_another_device(error: Exception) -> bool:
    return "same device" in str(error)


def _needs_device(name: str, reason: str, subject: Implementation | None) -> UncallableError:
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


def import_lines(target: str, attribute: str, *modules: str) -> tuple[list[str], str]:
    """The lines that import modules and an attribute of a module or file, and its name after them.

    An attribute of ``__main__`` needs no import.
    """
    top, file = attribute.partition(".")[0], Path(target)
    if not target.endswith(".py"):
        lines = [f"import {', '.join(modules)}"] if modules else []
        return lines + [f"from {target} import {top}"] * (target != "__main__"), attribute
    plain = file.stem.isidentifier()
    used = sorted({"sys", *modules, *(() if plain else ("importlib",))})
    lines = [f"import {', '.join(used)}", f"sys.path.insert(0, {str(file.parent)!r})"]
    if plain:
        return [*lines, f"from {file.stem} import {top}"], attribute
    return [*lines, f"module = importlib.import_module({file.stem!r})"], f"module.{attribute}"


def _text(subject: Implementation, body: Sequence[str]) -> str:
    """A wrapper: imports, then lines in which ``{}`` stands for the subject."""
    modules = [m for m in ("functools", "torch", "types") if f"{m}." in "\n".join(body)]
    target, _, attribute = subject.name.rpartition(":")
    if not target:
        own = signature.behind(subject.factory)
        target, attribute = getattr(own, "__module__", ""), getattr(own, "__qualname__", attribute)
    target = str(Path(target).resolve()) if target.endswith(".py") else target
    imports, called = import_lines(target, attribute, *modules)
    return "\n".join([*imports, "", *(line.replace("{}", called) for line in body), ""])


def _calling(
    subject: Implementation,
    own: Resolution,
    names: Sequence[str],
    given: Sequence[str],
    doc: str = "",
) -> str:
    """A wrapper that calls a subject with those arguments, and a temperature if it takes one."""
    passed, tau = [], own.temperature
    if tau:
        parameters = signature.parameters_of(subject.factory)
        defaults = {n: p.default for n, p in parameters.items() if p.default is not p.empty}
        names, passed = [*names, f"{tau}={defaults.get(tau, '...')}"], [f"{tau}={tau}"]
    call = f"({', '.join(passed)})({', '.join(given)})"
    if signature.is_called_with_tensors(subject.factory) or tau in own.at_call:
        call = f"({', '.join([*given, *passed])})"
    lines = [f"def loss({', '.join(names)}):", *([f'    """{doc}"""'] if doc else [])]
    return _text(subject, [*lines, f"    return {{}}{call}"])


def _imported(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, str, bool]]:
    """Each import: the module, a name that it binds, and whether that is the whole module."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.name, alias.asname or alias.name, True) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.module, alias.name, False) for alias in node.names)


def _is_found(module: str, target: str) -> bool:
    top = module.partition(".")[0]
    beside = [*Path(target).parent.glob(top), *Path(target).parent.glob(f"{top}.py")]
    return bool(beside) or top in sys.modules or importlib.util.find_spec(top) is not None


def _stand_in(name: str, missing: str) -> str | None:
    """A wrapper with empty classes, to fill in, that replace a missing module."""
    target, _, attribute = name.rpartition(":")
    if not target.endswith(".py"):
        return None
    tree = ast.parse(Path(target).read_text())
    # Of what is imported without a guard, all that is missing; else each is told after another.
    absent = [missing, *(m for m, *_ in _imported(tree.body) if not _is_found(m, target))]
    replaced = tuple(f"{module}." for module in absent)
    found = [one for one in _imported(ast.walk(tree)) if f"{one[0]}.".startswith(replaced)]
    names = [name for _, name, whole in found if name != "*" and not whole]
    wholes = [name for _, name, whole in found if whole]  # such as pl, for pl.LightningModule
    used = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute)]
    names += dict.fromkeys(n.attr for n in used if ast.unparse(n.value) in wholes)
    paths = [module.split(".") for module, *_ in found]
    modules = sorted({".".join(path[: i + 1]) for path in paths for i in range(len(path))})
    chain = " = ".join(f"sys.modules[{module!r}]" for module in modules)
    filled = [f"stub.{n} = torch.nn.Module  # put here what it is" for n in names[:4]]
    lines, called = import_lines(str(Path(target).resolve()), attribute, "torch", "types")
    stub = f"stub = {chain} = types.ModuleType({missing!r})"
    text = [lines[0], stub, *filled, *lines[1:], f"loss = {called}"]
    return "\n".join(text) + "\n" if modules else None
