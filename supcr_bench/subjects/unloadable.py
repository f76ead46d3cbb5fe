"""Says why a subject cannot be imported, and writes a wrapper with stand-ins for what it lacks."""

import ast
import builtins
import importlib.util
import os
import re
import sys
from collections.abc import Container, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from torch import nn

from supcr_bench.subjects.gaps import CONFIG, Reader, configuration
from supcr_bench.subjects.packages import import_lines
from supcr_bench.subjects.uncallable import DEVICE, error_text, needs_device, place_of
from supcr_bench.values.errors import UnavailableError, UncallableError, defined_names, nearest
from supcr_bench.values.units import listed

_OTHER_FRAMEWORKS = {"tensorflow", "keras", "paddle", "mindspore", "jax", "flax", "mxnet"}
_OWN_NAMES = re.compile(
    r"_?(?:utils?|losses?|models?|data(?:sets?|loaders?)?|configs?|common|helpers?|misc|lib|src"
    r"|base|core|modules?|layers?|networks?|args|options?|tools?)(?:_\w+)?"
)
"""Names that authors give to files of their own, and that are other packages on PyPI."""
_ON_PYPI = {
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "cv2": "opencv-python",
    "PIL": "pillow",
    "yaml": "PyYAML",
}
"""Packages whose modules have another name."""
_CLASS = "torch.nn.Module"
_MODULES = ("torch", "math", "os", "random", "time")
_USUAL = {"nn": "torch.nn", "F": "torch.nn.functional", "np": "numpy"} | {m: m for m in _MODULES}
"""The modules that authors' files pass on under these names, as by ``from base import *``."""
_CHECKS = re.compile(r"_?(validate|check|ensure|require)_\w+")
_PACKAGE = "author"
"""The package that a wrapper makes of the folder of a file with relative imports."""


def not_loaded(name: str, error: BaseException) -> UncallableError:
    reason = f"{name} cannot be imported: {error_text(error)}."
    missing = str(getattr(error, "name", None) or "")
    target = name.rpartition(":")[0]
    path, line = place_of(error) or (Path(), 0)
    lacking = [one for one in _File(path).imports() if one.is_missing]
    parts = [one for one in lacking if one.is_relative]
    if isinstance(error, ImportError) and line in (one.line for one in parts):
        return _parts_missing(name, path, line, parts)
    if not isinstance(error, ImportError) or missing.split(".")[0] == "supcr_bench":
        if DEVICE.search(str(error)):
            return needs_device(name, reason, None)
        if isinstance(error, SyntaxError):
            return UncallableError("load", reason, "Correct the file until Python can import it.")
        advice = "Python runs the whole file to import it: move what defines nothing under "
        advice += '`if __name__ == "__main__":`'
        if place_of(error) is None or path.resolve() != Path(target).resolve():
            return UncallableError("load", reason, f"{advice}.")
        advice += ", or verify this wrapper's `loss`, which runs imports and definitions alone."
        return UncallableError("load", reason, advice, _definitions_of(name))
    if not isinstance(error, ModuleNotFoundError):
        return UnavailableError("package", reason, "Install what it imports.")
    if f"{target}.".startswith(f"{missing}."):
        advice = "Name a module that Python can import here, or path/to/file.py:attribute."
        return UnavailableError("package", reason, advice)
    early = (one.module for one in lacking if one.is_early and not one.is_relative)
    modules = list(dict.fromkeys((missing, *early)))
    if foreign := [m for m in modules if m.partition(".")[0] in _OTHER_FRAMEWORKS]:
        top = foreign[0].partition(".")[0]
        advice = f"supcr-bench measures PyTorch: write it in torch, in place of {top}."
        return UnavailableError("package", reason, advice)
    wrapper = stand_in(name, missing)
    modules = [m for m in modules if not any(other.startswith(f"{m}.") for other in modules)]
    own = [m for m in modules if _OWN_NAMES.fullmatch(m.partition(".")[0])]
    others = dict.fromkeys(m.partition(".")[0] for m in modules if m not in own)
    advice = (
        f"Install {listed([f'`{_ON_PYPI.get(top, top)}`' for top in others])}" if others else ""
    )
    if own:
        files = listed([f"`{module.replace('.', '/')}.py`" for module in own])
        advice += f"{', and put' if others else 'Put'} the author's {files} beside the file"
    else:
        one = "one" if len(others) > 1 else "it"
        advice += f". If {one} is the author's own code, put it beside the file"
    advice += f", or {_fill(wrapper, modules)}." if wrapper else "."
    return UnavailableError("package", reason, advice, wrapper)


def _definitions_of(name: str) -> str:
    file, _, attribute = name.rpartition(":")
    path = Path(file).resolve()
    return f"""import ast, sys
from pathlib import Path
sys.path.insert(0, {str(path.parent)!r})
tree = ast.parse(Path({str(path)!r}).read_bytes())
kept = ast.Import | ast.ImportFrom | ast.ClassDef | ast.FunctionDef
is_kept = lambda n: isinstance(n, kept) or isinstance(getattr(n, "value", None), ast.Constant)
tree.body = [*filter(is_kept, tree.body)]
exec(compile(tree, {str(path)!r}, "exec"))
loss = {attribute}
"""


def _fill(wrapper: str, missing: Sized) -> str:
    verb, them = "fill in" if "..." in wrapper else "use", "them" if len(missing) > 1 else "it"
    return f"{verb} this wrapper, which stands in for {them}, and verify its `loss`"


def _parts_missing(name: str, path: Path, line: int, parts: Sequence["_Import"]) -> UncallableError:
    """The error for relative imports, in that line and others of a file, of what is not there."""
    wrapper = stand_in(name, importer=path)
    places = dict.fromkeys(os.path.relpath(one.place, path.resolve().parent) for one in parts)
    files = listed([f"`{place}.py`" for place in places])
    imported = listed([f"`{one.name}`" for one in parts if one.name])
    reason = f"{name} cannot be imported: {path.name}, line {line}, imports "
    reason += f"{f'{imported} from ' if imported else ''}{files}, "
    reason += f"{'which do' if len(places) > 1 else 'which does'} not exist."
    advice = f"Put {'them' if len(places) > 1 else 'it'} there"
    advice += f", or {_fill(wrapper, places)}." if wrapper else "."
    return UnavailableError("package", reason, advice, wrapper)


def no_such_attribute(name: str, module: Any) -> UncallableError:
    members = vars(module).items()
    own = [key for key, x in members if getattr(x, "__module__", None) == module.__name__]
    target, _, attribute = name.rpartition(":")
    advice = "Name one that it defines." if own else "Name a file or module that defines the loss."
    near = nearest(attribute, own)
    meant = f" (did you mean {near!r}?)" if near else ""
    reason = f"{name}: {target} has no {attribute!r}{meant}. It defines {defined_names(own)}."
    return UncallableError("load", reason, advice)


@dataclass(frozen=True, slots=True)
class _Import:
    """One name that a file imports.

    Attributes:
        module: the full name of the module; of a relative import, in the package that is made.
        place: the file without ``.py``, or the folder, that shows that it is not missing.
        name: what is imported from it; ``None`` for the whole module.
        spelling: what the file calls it.
        is_relative: whether it is a part of the author's package.
        is_early: whether the file imports it at its top, without a guard.
    """

    module: str
    place: Path
    name: str | None
    spelling: str
    line: int
    is_relative: bool
    is_early: bool

    @property
    def is_missing(self) -> bool:
        if _exists(self.place):
            return False
        top = self.module.partition(".")[0]
        return self.is_relative or not (top in sys.modules or importlib.util.find_spec(top))


def _walk(node: ast.AST, unused: Container[ast.AST], *, idle: bool = False) -> Iterator[ast.AST]:
    """A node and those below it, but for the bodies of functions that are ``unused``.

    The functions in an unused class are so too, for which ``idle`` is True.
    """
    yield node
    idle = idle or node in unused
    skipped = node.body if idle and isinstance(node, ast.FunctionDef) else ()
    for part in ast.iter_child_nodes(node):
        if part not in skipped:
            yield from _walk(part, unused, idle=idle)


def _exists(place: Path) -> bool:
    return place.is_dir() or place.with_name(f"{place.name}.py").is_file()


class _File:
    """A file of Python code, and what it imports; empty if it cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        try:
            self.tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError):
            self.tree = ast.Module([], [])
        self.nodes = list(ast.walk(self.tree))

    def running(self, attribute: str) -> list[ast.AST]:
        """The nodes that run where the file is imported and an attribute of it used."""
        own = {n.name: n for n in self.tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef)}
        used, more = {attribute}, {attribute}
        while more:
            used |= more
            nodes = [*_walk(self.tree, [n for name, n in own.items() if name not in used])]
            more = {n.id for n in nodes if isinstance(n, ast.Name)} & own.keys() - used
        return nodes

    def imports(self, root: Path = Path("/")) -> Iterator[_Import]:
        """What the file imports; ``root`` is the folder that becomes a package."""
        for node in self.nodes:
            if not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            from_ = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            level = node.level if isinstance(node, ast.ImportFrom) else 0
            for one in node.names:
                name = one.name if from_ else None  # from . import helpers
                module = from_ or one.name
                place = self.path.parent / module.partition(".")[0]
                if level:
                    place = self.path.parents[level - 1].joinpath(*module.split("."))
                    module = ".".join((_PACKAGE, *place.relative_to(root).parts))
                spelling, is_early = one.asname or one.name, node in self.tree.body
                yield _Import(module, place, name, spelling, node.lineno, level > 0, is_early)


def stand_in(name: str, missing: str = "", importer: Path | None = None) -> str | None:
    """A wrapper with stand-ins, to fill in, for the modules that a file imports and lacks.

    Of what is imported without a guard, all that is missing; else each is told after another.
    ``missing`` is what Python did not find, and ``importer`` another file that imports it.
    """
    target, _, attribute = name.rpartition(":")
    if not target.endswith(".py"):
        return None
    own = _File(Path(target))
    files = [own]
    if importer is not None and importer.resolve() != own.path:
        files.append(_File(importer))
    places = [i.place.parent for f in files for i in f.imports() if i.is_relative]
    root = Path(os.path.commonpath([own.path.parent, *places]))
    every = [i for f in files for i in f.imports(root)]
    absent = {i.module for i in every if i.is_early and i.is_missing} | ({missing} - {""})
    found = [i for i in every if f"{i.module}.".startswith(tuple(f"{m}." for m in absent))]
    if not found:
        return None
    own.nodes = own.running(attribute.partition(".")[0])
    nodes = [node for file in files for node in file.nodes]
    passed_on = [attribute.partition(".")[0], *(i.name for i in every if i.name and i not in found)]
    nodes += [ast.Name(name, ast.Load()) for name in passed_on]
    there = {i.module.partition(".")[0] for i in every if not (i.is_relative or i.is_missing)}

    def is_there(module: str) -> bool:
        top, *inner = module.split(".")
        if top == _PACKAGE:
            return _exists(root.joinpath(*inner))
        return top in there and not module.startswith(missing)

    modules = {m for i in found for m in _with_packages(i.module) if not is_there(m)}
    chain = " = ".join(f"sys.modules[{module!r}]" for module in sorted(modules))
    stub = [f"stub = {chain} = types.ModuleType({min(absent)!r})"]
    wholes = [i for i in found if i.name is None and not i.is_relative]
    replaced = {part: "stub" for i in wholes for part in i.module.split(".")[1:]}
    needed = _needed(found, own, nodes, modules)
    replaced |= {name: _replacement(spelling, own, nodes) for name, spelling in needed.items()}
    for value in dict.fromkeys(replaced.values()):
        names = [f"stub.{name}" for name in replaced if replaced[name] == value]
        note = "  # put here what it is" * ("..." in value or _CLASS in value)
        # What must be filled in has a line of its own.
        lines = names if "..." in value or "type(" in value else [" = ".join(names)]
        stub += [f"{line} = {value}{note}" for line in lines]
    stub = ["", *CONFIG, *stub] if "AnyConfig(" in "\n".join(stub) else stub
    usual = {"torch", "types", "unittest.mock", "numpy", *_MODULES}
    used = {m for m in usual if re.search(rf"= {m}\b|\b{m}\.", "\n".join(stub))}
    lines, called = import_lines(str(own.path), attribute, *used)
    if places:
        module = ".".join((_PACKAGE, *own.path.relative_to(root).with_suffix("").parts))
        package = f"package = sys.modules[{_PACKAGE!r}] = types.ModuleType({_PACKAGE!r})"
        stub = [package, f"package.__path__ = [{str(root)!r}]", *stub]
        lines, called = [lines[0], f"from {module} import {attribute.partition('.')[0]}"], attribute
    last = [f"loss = {called}"] * (called != "loss")
    return "\n".join([lines[0], *stub, *lines[1:], *last, ""])


def _with_packages(module: str) -> Iterator[str]:
    return accumulate(module.split("."), "{}.{}".format)


def _needed(
    found: Iterable[_Import], own: _File, nodes: Iterable[ast.AST], modules: Container[str]
) -> dict[str, str]:
    """The attributes that a stand-in needs, each with what the code calls it."""
    needed = {i.name: i.spelling for i in found if i.name and i.name != "*"}
    wholes = [i.spelling for i in found if i.name is None]  # such as pl, for pl.LightningModule
    # After import a.b, the code can read from a too.
    wholes += [m for name in wholes for m in _with_packages(name) if m in modules]
    attributes = {ast.unparse(node): node for node in nodes if isinstance(node, ast.Attribute)}
    read = {text: n for text, n in attributes.items() if ast.unparse(n.value) in wholes}
    needed |= {node.attr: text for text, node in read.items() if text not in wholes}
    if any(i.name == "*" for i in found):
        needed |= {name: name for name in _undefined(own)}
    return needed


def _undefined(file: _File) -> list[str]:
    """The names that a file uses and does not define, as those of ``from utils import *``."""
    used: dict[str, None] = {}
    defined = {*dir(builtins), "__file__", *(i.spelling.partition(".")[0] for i in file.imports())}
    for node in file.nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                used[name] = None
            case ast.Name(id=name) | ast.arg(arg=name) | ast.ClassDef(name=name):
                defined.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                defined.add(name)
    return [name for name in used if name not in defined]


def _base(nodes: Sequence[ast.AST], *, several: bool) -> str:
    """A base class with what its subclasses call of it; one of ``several`` is a class of its own.

    What is called without a use of its result does nothing.
    """
    there = {*dir(nn.Module), *(n.name for n in nodes if isinstance(n, ast.FunctionDef))}
    alone = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    members: dict[str, str] = {}
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Attribute(ast.Name("self"), name)]):
                there.add(name)
            case ast.Call(ast.Attribute(ast.Call(ast.Name("super")), "__init__"), args, given):
                if args or given:
                    members["__init__"] = f"lambda self, *_, **__: {_CLASS}.__init__(self)"
            case ast.Call(ast.Attribute(ast.Name("self"), name)) if members.get(name) != "...":
                members[name] = "lambda *_, **__: None" if id(node) in alone else "..."
    own = {n: code for n, code in members.items() if n == "__init__" or n not in there}
    inherited = ", ".join(f"{name!r}: {code}" for name, code in own.items())
    return f'type("Base", ({_CLASS},), {{{inherited}}})' if several or own else _CLASS


def _replacement(spelling: str, own: _File, nodes: Sequence[ast.AST]) -> str:
    """What stands in for a name that is missing, by how the code uses it; ``...`` if it must be."""

    def is_it(node: ast.AST) -> bool:
        read = isinstance(node, ast.Name | ast.Attribute | ast.Subscript)
        return read and ast.unparse(node) == spelling

    if not any(map(is_it, nodes)):
        return "None"
    if spelling in _USUAL:
        return _USUAL[spelling]
    owners = [node for node in nodes if isinstance(node, ast.ClassDef)]
    if children := [owner for owner in owners if any(map(is_it, owner.bases))]:
        return _base(nodes, several=any(len(child.bases) > 1 for child in children))
    decorators = [d for node in nodes for d in getattr(node, "decorator_list", ())]
    if any(map(is_it, decorators)):
        return "lambda x: x"
    if any(isinstance(d, ast.Call) and is_it(d.func) for d in decorators):
        return "lambda *_, **__: lambda x: x"
    notes = [getattr(node, part, None) for node in nodes for part in ("annotation", "returns")]
    noted = {id(inner) for note in notes if note for inner in ast.walk(note)}
    early = [node.value for node in own.tree.body if isinstance(node, ast.Assign)]
    noted |= {id(node) for node in early if isinstance(getattr(node, "slice", None), ast.Tuple)}
    taken = [node for node in nodes if isinstance(node, ast.Subscript) and is_it(node.value)]
    if taken and all(id(node) in noted for node in taken):
        return "list"  # of an annotation, such as Float[Tensor, "n d"]
    calls = [node for node in nodes if isinstance(node, ast.Call) and is_it(node.func)]
    alone = [node.value for node in nodes if isinstance(node, ast.Expr)]
    if calls and all(call in alone for call in calls):
        return "lambda *_, **__: None"  # such as wandb.log(...)
    if calls and _CHECKS.fullmatch(spelling):
        return "lambda x, *_, **__: x"
    if any(call in early for call in calls):
        return "unittest.mock.MagicMock()"  # such as logger = get_logger(__name__)
    gets = []  # such as CFG.get, of a key
    for call in (node for node in nodes if isinstance(node, ast.Call)):
        reader = Reader({spelling: ()})
        if reader.path(call) or reader.optional:
            gets.append(call.func)
    reader = Reader({spelling: ()})
    paths = [reader.path(node) for node in nodes if node not in gets]
    read = [path[0] for path in paths if path and len(path) == 1]
    if (read or reader.optional) and not calls:  # a module or a configuration
        inner = {}
        for name in read:
            forms = (f"{spelling}.{name}", f"{spelling}[{name!r}]")
            codes = {_replacement(form, own, nodes) for form in forms} - {"None"}
            inner[name] = min(codes, default="...", key="...".__eq__)
        return configuration(inner, reader.ways | reader.optional)
    only_noted = all(id(node) in noted for node in nodes if is_it(node))
    return _CLASS if only_noted and spelling.isidentifier() else "..."
