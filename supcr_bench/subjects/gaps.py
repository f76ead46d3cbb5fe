"""Writes what to fill in for an argument without a default: all that the source reads from it."""

import ast
import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from torch import Tensor

from supcr_bench.subjects import signature

CONFIG = (
    "class AnyConfig(dict):",
    "    def __getattribute__(self, name):",
    "        return self[name] if name in self else super().__getattribute__(name)",
    "",
)
"""A mapping whose keys can be read as attributes too, also those named like a method of dict."""

_OF_VALUES = ("shape", "ndim", "dtype", "device", "data", "grad")
"""What is read from a number or tensor in a configuration."""


class Gap(NamedTuple):
    """The code of an argument, ``...`` where it must be filled in.

    ``choices`` are the texts that the source compares the argument with.
    """

    code: str = "..."
    choices: tuple[str, ...] = ()


def gap(argument: str, target: Any, seen: Sequence[Any] = ()) -> Gap:
    """What to fill in for an argument of a class or function, which those ``seen`` pass it to."""
    if isinstance(of := _annotation(argument, target), type) and dataclasses.is_dataclass(of):
        required = [
            f"{field.name}=..."
            for field in dataclasses.fields(of)
            if field.init and field.default is field.default_factory is dataclasses.MISSING
        ]
        return Gap(f"{of.__name__}({', '.join(required)})")
    owners = getattr(target, "__mro__", (target,))  # a class with the bases that the author wrote
    own = [one for one in owners if one.__module__.partition(".")[0] not in ("torch", "builtins")]
    source = "\n".join(map(signature.source_of, own))
    found = read(source, argument)
    if found == Gap():  # such as LabelDifference(label_diff)
        seen = (*seen, target)
        passed = _passed_to(source, argument, target)
        found = next((gap(name, to, seen) for to, name in passed if to not in seen), found)
    return found._replace(code='"cpu"') if (found.code, argument) == ("...", "device") else found


def _passed_to(source: str, argument: str, target: Any) -> Iterator[tuple[Any, str]]:
    """The author's classes and functions that get an argument as it is, and its name there."""
    known = _globals(target)
    with suppress(SyntaxError):
        for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
            to = known.get(getattr(call.func, "id", ""), target)
            if to is target or getattr(to, "__module__", None) != target.__module__:
                continue
            names = [*zip(signature.parameters_of(to), call.args, strict=False)]
            for name, value in (*names, *((k.arg, k.value) for k in call.keywords)):
                if name and isinstance(value, ast.Name) and value.id == argument:
                    yield to, name


def _annotation(argument: str, target: Any) -> Any:
    parameter = signature.parameters_of(target).get(argument)
    found = parameter.annotation if parameter else None
    return _globals(target).get(found) if isinstance(found, str) else found


def _globals(target: Any) -> dict[str, Any]:
    function = vars(target).get("__init__") if isinstance(target, type) else target
    return getattr(function, "__globals__", {})


def read(source: str, argument: str) -> Gap:
    """Code with all that a source reads from an argument, and the texts it is compared with."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return Gap()
    _tell_apart(tree, argument)
    nodes = list(ast.walk(tree))
    reader = Reader({argument: ()})
    known = 0
    while known != len(reader.stands_for):  # such as self.config = config, loss = self.config.loss
        known = len(reader.stands_for)
        for target, value in _assignments(nodes):
            if (path := reader.path(value)) is not None:
                reader.stands_for.setdefault(ast.unparse(target), path)
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    fields: dict[str, Any] = {}
    for node in nodes:
        path = None if id(node) in called else reader.path(node)
        inner = fields
        for name in path or ():
            if inner is not fields and name in _OF_VALUES:
                break  # of a value, such as temperature.device
            inner = inner.setdefault(name, {})
    choices = dict.fromkeys(text for node in nodes for text in _compared(node, reader))
    if source.strip() and not (fields or choices or reader.optional or _is_used(nodes, reader)):
        return Gap("None")
    of_a_tensor = reader.ways == {"attribute"} and all(hasattr(Tensor, name) for name in fields)
    if not (fields or reader.optional) or (fields and of_a_tensor):
        return Gap(choices=tuple(choices))
    return Gap(_code(fields, reader.ways | reader.optional))


def _tell_apart(tree: ast.AST, argument: str) -> None:
    """Give an argument another name where it stands for a part, as after ``cfg = cfg.loss``."""
    for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
        nodes = list(ast.walk(function))
        names = [n for n in nodes if isinstance(n, ast.Name) and n.id == argument]
        pairs = [(target, value) for target, value in _assignments(nodes) if target in names]
        parts = {t: v for t, v in pairs if Reader({argument: ()}).path(v)}
        for name in names:
            start = (name.lineno, name.col_offset)
            ends = ((v.end_lineno or 0, v.end_col_offset or 0) for v in parts.values())
            name.id += "'" * (sum(end <= start for end in ends) + (name in parts))


def _assignments(nodes: list[ast.AST]) -> Iterator[tuple[ast.expr, ast.expr]]:
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
                yield from zip(targets, values, strict=False)
            case ast.Assign(targets=targets, value=value):
                yield from ((target, value) for target in targets)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                yield target, value


def _is_used(nodes: list[ast.AST], reader: "Reader") -> bool:
    """Whether an argument is used at all, and not only kept."""
    kept = [id(value) for _, value in _assignments(nodes)]
    kept += [id(node) for node in nodes if not isinstance(getattr(node, "ctx", None), ast.Load)]
    return any(reader.path(node) == () and id(node) not in kept for node in nodes)


class Reader:
    """Follows what is read from an argument, by the names that stand for it or a part of it."""

    def __init__(self, stands_for: dict[str, tuple[str, ...]]) -> None:
        self.stands_for = stands_for
        self.ways: set[str] = set()
        self.optional: set[str] = set()

    def path(self, node: ast.AST) -> tuple[str, ...] | None:
        """The names from the argument to what a node reads; ``None`` if it reads something else."""
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            known = self.stands_for.get(ast.unparse(node))
            if known is not None:
                return known
        match node:
            case ast.Attribute(value=owner, attr=name):
                return self._inner(owner, name, "attribute")
            case ast.Subscript(value=owner, slice=ast.Constant(value=str(name))):
                return self._inner(owner, name, "key")
            case ast.Call(func=ast.Attribute(value=owner, attr="get" | "pop"), args=[one]):
                return self._inner(owner, getattr(one, "value", None), "key")
            case ast.Call(func=ast.Name(id="getattr"), args=[owner, one]):
                return self._inner(owner, getattr(one, "value", None), "attribute")
            case ast.Call(func=ast.Attribute(value=owner, attr="get" | "pop"), args=[_, _]):
                self._read_with_default(owner, "key")
            case ast.Call(func=ast.Name(id="getattr"), args=[owner, _, _]):
                self._read_with_default(owner, "attribute")
        return None

    def _read_with_default(self, owner: ast.AST, way: str) -> None:
        if self.path(owner) == ():
            self.optional.add(way)

    def _inner(self, owner: ast.AST, name: object, way: str) -> tuple[str, ...] | None:
        outer = self.path(owner)
        if outer is None or not isinstance(name, str):
            return None
        self.ways.add(way)
        return (*outer, name)


def _compared(node: ast.AST, reader: Reader) -> Iterator[str]:
    if isinstance(node, ast.Compare) and reader.path(node.left) == ():
        for part in ast.walk(node.comparators[0]):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield part.value


def _code(fields: dict[str, Any], ways: set[str]) -> str:
    parts = {name: _code(inner, ways) if inner else "..." for name, inner in fields.items()}
    return configuration(parts | {n: '"cpu"' for n in parts if n == "device"}, ways)


def configuration(parts: dict[str, str], ways: set[str]) -> str:
    """Code of an object with these parts, each with its code, read as keys or as attributes."""
    items = f"{{{', '.join(f'{name!r}: {code}' for name, code in parts.items())}}}" if parts else ""
    if ways == {"key"}:
        return items or "dict()"
    if ways == {"attribute"} and all(map(signature.can_be_named, parts)):
        given = ", ".join(f"{name}={code}" for name, code in parts.items())
        return f"types.SimpleNamespace({given})"
    return f"AnyConfig({items})"
