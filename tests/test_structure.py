"""The order of the package: a module imports only from its own floor and those below it."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import supcr_bench

PACKAGE = "supcr_bench"
ROOT = Path(supcr_bench.__file__).parent
CHECKOUT = ROOT.parent
FLOORS = (
    "values",
    "analysis",
    "inputs",
    "reference",
    "subjects",
    "measure",
    "verification",
    "store",
    "workers",
    "sweep",
    "gate",
    "render",
    "testing",
    "commands",
)
"""From low to high. A new folder needs a place here."""
DATA_FOLDERS = ("implementations", "suites")
"""At the top of a checkout, and subpackages once installed."""
PLAIN = {"values": ("torch", "numpy", "pandas", "pydantic", "rich", "typer")}
"""What a floor must not import at all."""
LONGEST = 400
"""Lines of a module."""


def module_name(path: Path) -> str:
    parts = list(path.relative_to(CHECKOUT).with_suffix("").parts)
    if parts[0] in DATA_FOLDERS:
        parts.insert(0, PACKAGE)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)


FILES = {
    module_name(path): path
    for folder in (PACKAGE, *DATA_FOLDERS)
    for path in sorted((CHECKOUT / folder).rglob("*.py"))
}
SOURCES = {name: ast.parse(path.read_text(), str(path)) for name, path in FILES.items()}


def imports(name: str) -> Iterator[str]:
    """Every module that a module imports, wherever in it; a name that is a module counts as one."""
    package = name if FILES[name].name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(SOURCES[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if inner in FILES else base


def floor(name: str) -> int:
    """Of a module of this package; its face and its entrances stand where they lead."""
    parts = name.split(".")
    if len(parts) == 1 or parts[1] == "__main__":
        return FLOORS.index("commands")
    if parts[1] == "pytest_plugin":
        return FLOORS.index("testing")
    if parts[1] in DATA_FOLDERS:
        return 0
    return FLOORS.index(parts[1])


def own_imports(name: str) -> set[str]:
    return {found for found in imports(name) if found.split(".")[0] == PACKAGE} - {name}


def test_every_folder_has_a_floor_and_every_floor_a_folder() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/*.py")}
    assert folders == set(FLOORS)


def test_the_sources_are_read() -> None:
    assert f"{PACKAGE}.values.case" in FILES
    assert f"{PACKAGE}.implementations.loopy" in FILES
    assert f"{PACKAGE}.values.errors" in own_imports(f"{PACKAGE}.values.definition")
    # In a function.
    assert f"{PACKAGE}.analysis.summary" in own_imports(f"{PACKAGE}.store.loaded_run")


def test_a_module_imports_only_from_its_own_floor_and_lower_ones() -> None:
    upward = {
        f"{name} imports {found}"
        for name in FILES
        for found in own_imports(name)
        if floor(found) > floor(name)
    }
    assert not upward


def test_an_implementation_rests_on_the_value_it_exports_and_on_others_alone() -> None:
    folder = f"{PACKAGE}.implementations"
    strange = {
        f"{name} imports {found}"
        for name in FILES
        if name.startswith(folder)
        for found in own_imports(name)
        if not found.startswith(folder) and found != f"{PACKAGE}.values.implementation"
    }
    assert not strange


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: own_imports(name) & set(FILES) for name in FILES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"imports go round: {' -> '.join(error.args[1])}")


def test_a_floor_stays_clear_of_what_it_must_not_need() -> None:
    unwanted = {
        f"{name} imports {found}"
        for floor_name, forbidden in PLAIN.items()
        for name in FILES
        if name.split(".")[1:2] == [floor_name]
        for found in imports(name)
        if found.split(".")[0] in forbidden
    }
    assert not unwanted


def test_only_the_command_line_prints() -> None:
    printing = {
        f"{name} calls {node.func.id}"
        for name in FILES
        if not name.startswith(f"{PACKAGE}.commands")
        for node in ast.walk(SOURCES[name])
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"print", "input", "breakpoint"}
    }
    assert not printing


def test_ray_is_known_to_one_module_alone() -> None:
    named = {
        name
        for name in FILES
        if any(found.split(".")[0] == "ray" for found in imports(name))
        or any(isinstance(n, ast.Name) and n.id == "ray" for n in ast.walk(SOURCES[name]))
    }
    assert named == {f"{PACKAGE}.sweep.ray_executor"}


def test_every_module_says_what_it_is_for() -> None:
    assert not {name for name in FILES if not ast.get_docstring(SOURCES[name])}


def test_no_module_of_the_harness_is_longer_than_400_lines() -> None:
    lengths = {
        name: len(path.read_text().splitlines())
        for name, path in FILES.items()
        if name.split(".")[1:2] != ["implementations"]  # an algorithm is one file
    }
    assert not {name: lines for name, lines in lengths.items() if lines > LONGEST}
