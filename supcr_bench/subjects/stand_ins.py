"""Writes the imports of a wrapper, and what stands in for modules that are not there."""

import ast
import builtins
import importlib.util
import os
import sys
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from torch import nn

from supcr_bench.subjects.gaps import CONFIG, Reader, configuration
from supcr_bench.subjects.packages import membership

_CLASS = "torch.nn.Module"
_PACKAGE = "author"
"""The package that a wrapper makes of the folder of a file with relative imports."""


def import_lines(
    target: str, attribute: str, *modules: str, classes: Sequence[str] = ()
) -> tuple[list[str], str]:
    """The lines that import modules and an attribute of a module or file, and its name after them.

    An attribute of ``__main__`` needs no import. ``classes`` are imported from the same place.
    """
    top, file = attribute.partition(".")[0], Path(target)
    names = ", ".join(dict.fromkeys((top, *classes)))
    if not target.endswith(".py"):
        lines = [f"import {', '.join(modules)}"] if modules else []
        return lines + [f"from {target} import {names}"] * (target != "__main__"), attribute
    folder, module = file.parent, file.stem
    if file.is_file():
        full = file.resolve()
        if member := membership(full, full.read_bytes(), lambda place: Path(place).is_file()):
            folder, module = Path(member[0]), member[1]
    plain = all(part.isidentifier() for part in module.split("."))
    used = sorted({"sys", *modules, *(() if plain else ("importlib",))})
    lines = [f"import {', '.join(used)}", f"sys.path.insert(0, {str(folder)!r})"]
    if plain:
        return [*lines, f"from {module} import {names}"], attribute
    lines += [f"module = importlib.import_module({module!r})"]
    lines += [f"{name} = module.{name}" for name in classes]
    return lines, f"module.{attribute}"


@dataclass(frozen=True, slots=True)
class _Import:
    """One name that a file imports.

    Attributes:
        module: the full name of the module; of a relative import, in the package that is made.
        place: the file without ``.py``, or the folder, that shows that it is not missing.
        name: what is imported from it; ``None`` for the whole module.
        spelling: what the file calls it.
        is_relative: whether it is a part of the author's package.
    """

    module: str
    place: Path
    name: str | None
    spelling: str
    is_relative: bool

    @property
    def is_missing(self) -> bool:
        if _exists(self.place):
            return False
        top = self.module.partition(".")[0]
        return self.is_relative or not (top in sys.modules or importlib.util.find_spec(top))


def _exists(place: Path) -> bool:
    return place.is_dir() or place.with_name(f"{place.name}.py").is_file()


class _File:
    """A file of Python code, and what it imports."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        try:
            self.tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError):
            self.tree = ast.Module([], [])
        self.nodes = list(ast.walk(self.tree))

    def imports(self, nodes: Iterable[ast.AST], root: Path = Path("/")) -> Iterator[_Import]:
        """What these nodes import; ``root`` is the folder that becomes a package."""
        folder = self.path.parent
        for node in nodes:
            if isinstance(node, ast.Import):
                for one in node.names:
                    top = one.name.partition(".")[0]
                    yield _Import(one.name, folder / top, None, one.asname or one.name, False)
            elif isinstance(node, ast.ImportFrom):
                inner = (node.module or "").split(".")
                for one in node.names:
                    name = one.name if node.module else None  # from . import helpers
                    module, place = node.module or "", folder / inner[0]
                    if node.level:
                        place = self.path.parents[node.level - 1].joinpath(*inner)
                        place = place if name else place / one.name
                        module = ".".join((_PACKAGE, *place.relative_to(root).parts))
                    spelling = one.asname or one.name
                    yield _Import(module, place, name, spelling, node.level > 0)


def missing_parts(path: Path, line: int) -> dict[str, list[str]]:
    """Files that a file lacks for its relative imports, each with the names that it imports.

    Empty unless the import in that line lacks one.
    """
    file = _File(path)
    at_line = [node for node in file.nodes if getattr(node, "lineno", 0) == line]
    if not any(one.is_relative and one.is_missing for one in file.imports(at_line)):
        return {}
    absent: dict[str, list[str]] = {}
    for one in file.imports(file.nodes):
        if one.is_relative and one.is_missing:
            place = f"{os.path.relpath(one.place, file.path.parent)}.py"
            absent.setdefault(place, []).extend([one.name] if one.name else [])
    return absent


def missing_modules(path: Path) -> list[str]:
    """The modules that a file imports at its top and that are not there, but its own parts."""
    file = _File(path)
    found = (one for one in file.imports(file.tree.body) if one.is_missing and not one.is_relative)
    return list(dict.fromkeys(one.module for one in found))


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
    places = [i.place.parent for f in files for i in f.imports(f.nodes) if i.is_relative]
    root = Path(os.path.commonpath([own.path.parent, *places]))
    absent = {i.module for f in files for i in f.imports(f.tree.body, root) if i.is_missing}
    absent |= {missing} - {""}
    every = [i for f in files for i in f.imports(f.nodes, root)]
    found = [i for i in every if f"{i.module}.".startswith(tuple(f"{m}." for m in absent))]
    if not found:
        return None
    nodes = [node for file in files for node in file.nodes]
    passed_on = [attribute.partition(".")[0], *(i.name for i in every if i.name and i not in found)]
    nodes += [ast.Name(name, ast.Load()) for name in passed_on]
    modules = {module for i in found for module in _with_packages(i.module)}
    modules -= {_PACKAGE, *(i.module for i in every if i.is_relative and i not in found)}
    there = {i.module.partition(".")[0] for i in every if not (i.is_relative or i.is_missing)}
    modules = {m for m in modules if m.partition(".")[0] not in there or m.startswith(missing)}
    modules = {m for m in modules if not (m.startswith(f"{_PACKAGE}.") and _is_there(m, root))}
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
        lines = names if "..." in value else [" = ".join(names)]
        stub += [f"{line} = {value}{note}" for line in lines]
    stub = ["", *CONFIG, *stub] if "AnyConfig(" in "\n".join(stub) else stub
    used = {m for m in ("torch", "types", "unittest.mock") if f"{m}." in "\n".join(stub)}
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


def _is_there(module: str, root: Path) -> bool:
    return _exists(root.joinpath(*module.split(".")[1:]))


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
    defined = {*dir(builtins), "__file__"}
    for node in file.nodes:
        if isinstance(node, ast.Name):
            used |= {node.id: None} if isinstance(node.ctx, ast.Load) else {}
            defined |= set() if isinstance(node.ctx, ast.Load) else {node.id}
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            defined.add(node.name)
        elif isinstance(node, ast.arg):
            defined.add(node.arg)
    defined |= {one.spelling.partition(".")[0] for one in file.imports(file.nodes)}
    return [name for name in used if name not in defined]


def _called_on_self(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The methods that the code calls on ``self`` without using what they return."""
    for node in nodes:
        match node:
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name))):
                yield name


def _replacement(spelling: str, own: _File, nodes: Sequence[ast.AST]) -> str:
    """What stands in for a name that is missing, by how the code uses it; ``...`` if it must be."""

    def is_it(node: ast.AST) -> bool:
        read = isinstance(node, ast.Name | ast.Attribute | ast.Subscript)
        return read and ast.unparse(node) == spelling

    if not any(map(is_it, nodes)):
        return "None"
    bases = [base for node in nodes if isinstance(node, ast.ClassDef) for base in node.bases]
    if any(map(is_it, bases)):
        own_names = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
        absent = {*_called_on_self(nodes)} - own_names - {*dir(nn.Module)}
        if not absent:
            return _CLASS
        inherited = f"dict.fromkeys({sorted(absent)}, lambda *_, **__: None)"  # as self.log(...)
        return f'type("Base", ({_CLASS},), {inherited})'
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
    if any(call in early for call in calls):
        return "unittest.mock.MagicMock()"  # such as logger = get_logger(__name__)
    gets = []  # such as CFG.get, of a key
    for node in nodes:
        reader = Reader({spelling: ()})
        if isinstance(node, ast.Call) and (reader.path(node) or reader.optional):
            gets.append(node.func)
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
