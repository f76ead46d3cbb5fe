"""Says why a subject cannot be loaded, constructed or called, and writes a wrapper to fill in."""

import ast
import inspect
import re
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from supcr_bench.subjects.calls import CALLS, call_text, call_words
from supcr_bench.subjects.signature import (
    CallSignature,
    behind,
    is_called_with_tensors,
    parameters_of,
    read_call,
    source_of,
)
from supcr_bench.values.errors import UnavailableError, UncallableError
from supcr_bench.values.implementation import Implementation, Resolution

DEVICE = re.compile(r"\b(cuda|nvidia|mps|xpu|hip)\b|same device", re.I)
"""How an error reads that a device causes, such as torch without CUDA."""
LONGEST = 200
"""Characters of an error's text that a message repeats."""


def error_text(error: BaseException, file: str | None = None) -> str:
    """An exception in a line, with the last line of a file that led to it."""
    text = " ".join(str(error).split())
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {text}{where}" if text else type(error).__name__ + where


def not_loaded(name: str, error: BaseException) -> UncallableError:
    """Say why a subject cannot be imported."""
    file = str(Path(name.rpartition(":")[0]).resolve())
    reason = f"{name} cannot be imported: {error_text(error, file)}."
    missing = getattr(error, "name", None) or ""
    if isinstance(error, ModuleNotFoundError) and missing.split(".")[0] != "supcr_bench":
        advice = f"Install `{missing.split('.')[0]}`. If it is the author's own code, put it beside"
        advice += " the file, or let a wrapper stand in for it."
        return UnavailableError("package", reason, advice, _stand_in(name, missing))
    if isinstance(error, ImportError) and "relative import" in str(error):
        package, stem, attribute = Path(file).parent, Path(file).stem, name.rpartition(":")[2]
        advice = f"It is a part of a package. In {package.parent}, verify "
        advice += f"`{package.name}.{stem}:{attribute}`, or verify a wrapper."
        return UnavailableError("package", reason, advice, _stand_in(name, package.name, stem))
    if isinstance(error, ImportError) and missing.split(".")[0] != "supcr_bench":
        return UnavailableError("package", reason, "Install what it imports.")
    if DEVICE.search(str(error)):
        return _needs_device(name, reason, None)
    return UncallableError("load", reason, "Correct the file until Python can import it.")


def no_such_attribute(name: str, module: Any) -> UncallableError:
    own = [
        key
        for key, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", None) == module.__name__
    ]
    target, _, attribute = name.rpartition(":")
    known = f" It defines {', '.join(own[:12])}." if own else ""
    reason = f"{name}: {target} has no {attribute!r}."
    return UncallableError("load", reason + known, "Name one of those." if own else "")


def not_constructed(
    subject: Implementation, missing: Sequence[str], error: Exception | None
) -> UncallableError:
    """Say which arguments the constructor needs, or what it raised."""
    name, (lines, called) = subject.name, _imports(subject.name, subject.factory)
    if error is not None:
        if found := _of_surroundings(subject, "constructed", error):
            return found
        reason = f"{name} cannot be constructed: {error_text(error, _file_of(subject))}."
        return UncallableError("construct", reason, "Correct its constructor.")
    source = source_of(getattr(behind(subject.factory), "__init__", None))
    filled = []
    for argument in missing:
        read = re.findall(rf"\b{argument}\.(\w+)", source)
        fields = ", ".join(f"{field}=..." for field in dict.fromkeys(read))
        filled.append(f"{argument}={f'SimpleNamespace({fields})' if fields else '...'}")
    if any("SimpleNamespace" in text for text in filled):
        lines = ["from types import SimpleNamespace", *lines]
    wrapper = [f"loss = functools.partial({', '.join([called, *filled])})"]
    needs = _listed(missing)
    reason = f"{name} cannot be constructed: it needs {needs}, without a default."
    advice = f"Fill in {needs} in this wrapper and verify its `loss`."
    return UncallableError(
        "construct", reason, advice, _text(["import functools", *lines], wrapper)
    )


def only_methods(subject: Implementation, owner: type) -> UncallableError:
    """Say which methods fit, for a class that cannot be called."""
    methods: dict[str, CallSignature] = {}
    inherited = {*dir(object), *dir(nn.Module)}
    for name in [n for n in dir(owner) if n not in inherited and not n.startswith("_")]:
        method = getattr(owner, name)
        if callable(method) and not isinstance(method, type):
            bare = inspect.isfunction(inspect.getattr_static(owner, name))
            read = read_call(owner, method.__get__(object()) if bare else method)
            if read.tensors and not read.extra:
                methods[name] = read
    reason = f"{subject.name} has neither forward nor __call__"
    if not methods:
        reason += ", and no method of it fits; it is no loss."
        return UncallableError("call", reason, "Name a class or a function that computes a loss.")
    names = [f"`{name}({', '.join(read.tensors)})`" for name, read in methods.items()]
    first, read = next(iter(methods.items()))
    lines, called = _imports(subject.name, subject.factory)
    given = ", ".join(read.tensors)
    wrapper = [f"def loss({given}):", f"    return {called}().{first}({given})"]
    if len(methods) == 1:
        reason += f"; one method of it fits: {names[0]}."
        advice = f"Verify `{subject.name}.{first}`, or this wrapper's `loss`."
    else:
        reason += f"; several methods of it fit: {', '.join(names[:6])}."
        advice = f"Choose one: verify `{subject.name}.{first}`, or its like."
    return UncallableError("call", reason, advice, _text(lines, wrapper))


def needs_more(
    subject: Implementation, own: Resolution, signature: CallSignature
) -> UncallableError:
    """Say which argument of the call is neither embeddings nor labels."""
    needs = _listed(signature.extra)
    reason = f"{subject.name} cannot be called: beside embeddings and labels it needs {needs}."
    names = list(signature.tensors or ("features", "labels"))
    filled = [f"{name}=..." for name in signature.extra]
    wrapper = _wrapper(subject, own, names, [*names, *filled])
    return UncallableError(
        "call", reason, f"Fill in {needs} in this wrapper and verify its `loss`.", wrapper
    )


def not_called(
    subject: Implementation,
    pointed: tuple[Resolution, Exception],
    tried: Iterable[Resolution],
    works: Resolution | None,
) -> UncallableError:
    """Say what the call raises to which the documentation and the parameters point.

    Args:
        subject: the subject.
        pointed: that call, and its exception.
        tried: all calls that were tried.
        works: another call that gives a loss.
    """
    own, error = pointed
    if found := _of_surroundings(subject, "called", error):
        return found
    words, text = call_words(own), error_text(error, _file_of(subject))
    path = "two-view path" if own.definition.call == "features_two_views" else "documented call"
    if works is not None:
        reason = f"{subject.name} is documented to be called as {words}, and its {path} raises"
        reason += f" {text}. As {call_words(works)} it works."
        advice = f"Correct its {path}, or verify this wrapper's `loss`, which calls it otherwise."
        return UncallableError("call", reason, advice, _wrapper(subject, works))
    others = [CALLS[call] for call in dict.fromkeys(o.definition.call for o in tried)]
    others = [other for other in others if other != CALLS[own.definition.call]]
    reason = f"{subject.name} cannot be called as {words}: {text}."
    reason += f" Tried too: {'; '.join(others)}." if others else ""
    advice = "Correct that, or write in this wrapper how it is called, and verify its `loss`."
    return UncallableError("call", reason, advice, _wrapper(subject, own))


def _of_surroundings(
    subject: Implementation, what: str, error: Exception
) -> UncallableError | None:
    """The error for a device or a package that is not here, if that is why."""
    reason = f"{subject.name} cannot be {what} here: {error_text(error, _file_of(subject))}."
    if isinstance(error, ImportError):
        return UnavailableError("package", reason, f"Install {error.name or 'it'}.")
    if DEVICE.search(str(error)):
        return _needs_device(subject.name, reason, subject.factory)
    return None


def _needs_device(name: str, reason: str, factory: Any) -> UncallableError:
    file, _, attribute = name.rpartition(":")
    lines, called = _imports(name, factory)
    wrapper = None
    if factory is not None and "device" in parameters_of(factory):
        body = [f'loss = functools.partial({called}, device="cpu")']
        wrapper = _text(["import functools", *lines], body)
    elif file.endswith(".py"):
        path = str(Path(file).resolve())
        body = [
            f"source = Path({path!r}).read_text()",
            "for there in ('\"cuda\"', \"'cuda'\", '\"cuda:0\"', \"'cuda:0'\"):",
            "    source = source.replace(there, '\"cpu\"')",
            f"exec(compile(source.replace('.cuda()', ''), {path!r}, 'exec'))",
            f"loss = {attribute}",
        ]
        wrapper = _text(["from pathlib import Path"], body)
    advice = f"Verify it on a machine with that device (`supcr-bench verify {name} --device cuda`),"
    advice += " or let it compute where its inputs are, as this wrapper's `loss` does."
    return UncallableError("device", reason, advice, wrapper)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)


def _file_of(subject: Implementation) -> str | None:
    try:
        return inspect.getsourcefile(behind(subject.factory))
    except TypeError:
        target = subject.name.rpartition(":")[0]
        return str(Path(target).resolve()) if target.endswith(".py") else None


def _imports(name: str, factory: Callable[..., Any] | None) -> tuple[list[str], str]:
    """The lines that import a subject, and its name in the code after them."""
    target, _, attribute = name.rpartition(":")
    if not target:
        own = behind(factory)
        target, attribute = getattr(own, "__module__", ""), getattr(own, "__qualname__", name)
    top = attribute.partition(".")[0]
    if not target.endswith(".py"):
        return ([f"from {target} import {top}"] if target != "__main__" else []), attribute
    file = Path(target).resolve()
    if not file.stem.isidentifier():
        return ["import runpy", f"{top} = runpy.run_path({str(file)!r})[{top!r}]"], attribute
    path = f"sys.path.insert(0, {str(file.parent)!r})"
    return ["import sys", path, f"from {file.stem} import {top}"], attribute


def _text(imports: Sequence[str], body: Sequence[str]) -> str:
    return "\n".join([*imports, "", *body]) + "\n"


def _wrapper(
    subject: Implementation,
    own: Resolution,
    names: Sequence[str] = (),
    given: Sequence[str] = (),
) -> str:
    """A function that calls a subject: with those arguments, or as a resolution says."""
    lines, called = _imports(subject.name, subject.factory)
    doc = []
    if not names:
        single = own.definition.call == "features_single_view"
        names = ["features", "labels"] if single else ["z1", "z2", "labels"]
        given = [call_text(own, *names[:-1])]
        shape = "features [N, d]" if single else "z1 [N, d], z2 [N, d]"
        doc = [f'    """{shape}, labels {"[N, 1]" if own.one_dimension else "[N, D]"}."""']
        lines = ["import torch", *lines] if "torch." in given[0] else lines
    temperature, passed = own.temperature, []
    if temperature:
        default: Mapping[str, Any] = parameters_of(subject.factory)
        value = default[temperature].default if temperature in default else inspect.Parameter.empty
        names = [*names, f"{temperature}={'...' if value is inspect.Parameter.empty else value}"]
        passed = [f"{temperature}={temperature}"]
    if is_called_with_tensors(subject.factory) or temperature in own.at_call:
        call = f"({', '.join([*given, *passed])})"
    else:
        call = f"({', '.join(passed)})({', '.join(given)})"
    return _text(lines, [f"def loss({', '.join(names)}):", *doc, f"    return {called}{call}"])


def _stand_in(name: str, missing: str, inside: str | None = None) -> str | None:
    """A wrapper that puts classes in the place of a module that is not there, to fill in.

    With ``inside``, the subject's file is that module of the package ``missing``.
    """
    target, _, attribute = name.rpartition(":")
    if not target.endswith(".py"):
        return None
    folder = Path(target).resolve().parent
    if inside:
        path = f"sys.path.insert(0, {str(folder.parent)!r})"
        imports = ["import sys", path, f"from {missing}.{inside} import {attribute}"]
        return _text(imports, [f"loss = {attribute}"])
    tree = ast.parse(Path(target).read_text())
    nodes = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(f"{missing}.")
    ]
    names = [alias.name for node in nodes for alias in node.names]
    paths = [str(node.module).split(".") for node in nodes]
    modules = sorted({".".join(path[: i + 1]) for path in paths for i in range(len(path))})
    if not names or names == ["*"]:
        return None
    chain = " = ".join(f"sys.modules[{module!r}]" for module in modules)
    stub = f"stub = {chain} = types.ModuleType({missing!r})"
    filled = [f"stub.{n} = torch.nn.Module  # put here what it is" for n in names[:4]]
    lines, called = _imports(name, None)
    imports = ["import types", "import torch", lines[0], stub, *filled, *lines[1:]]
    return _text(imports, [f"loss = {called}"])
