"""Names that stand for several registered implementations: ``all``, or those with a tag.

Tags come from the source, so that no implementation is imported.
"""

import ast
import importlib.util
from collections.abc import Iterable
from pathlib import Path

from supcr_bench.subjects.registry import COMPILED, Subject, registered
from supcr_bench.values.errors import UnknownNameError

ALL = "all"
TAG = "tag:"


def is_selection(text: object) -> bool:
    return isinstance(text, str) and (text in (ALL, ALL + COMPILED) or text.startswith(TAG))


def select(names: Iterable[str]) -> tuple[str, ...]:
    """The names, with ``all`` and every ``tag:TAG[@compile]`` replaced by registered names."""
    found: dict[str, None] = {}
    tags: dict[str, tuple[str, ...]] = {}
    for name in names:
        if not is_selection(name):
            found[name] = None
            continue
        tags = tags or {subject.name: tags_of(subject) for subject in registered().values()}
        wanted = name.removeprefix(TAG).removesuffix(COMPILED)
        chosen = [own for own in tags if wanted == ALL or wanted in tags[own]]
        if not chosen:
            raise UnknownNameError(
                "tag", wanted, sorted({tag for own in tags.values() for tag in own})
            )
        suffix = COMPILED if name.endswith(COMPILED) else ""
        found |= dict.fromkeys(own + suffix for own in chosen)
    return tuple(found)


def tags_of(subject: Subject) -> tuple[str, ...]:
    """The argument ``tags=`` of the ``IMPLEMENTATION`` in a file; empty unless it is a literal."""
    spec = importlib.util.find_spec(subject.target)
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return ()
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            tags = {k.arg: k.value for k in node.value.keywords}.get("tags")
            if subject.attribute in names and tags is not None:
                return tuple(ast.literal_eval(tags))
    return ()
