"""``supcr-bench gate --init``: sets up the gate in a repository, and says what it will check."""

import ast
import json
import re
from collections.abc import Iterator
from contextlib import closing
from importlib import resources
from pathlib import Path

from rich.console import Console

from supcr_bench.render.terminal import print_sentence
from supcr_bench.store.checkout import Checkout, RevisionError
from supcr_bench.subjects.registry import locate
from supcr_bench.sweep.local_executor import LocalExecutor
from supcr_bench.values.errors import UsageError
from supcr_bench.values.files import write_file
from supcr_bench.values.units import listed
from supcr_bench.verification.phrases import is_foreign
from supcr_bench.workers.messages import Failed

SUITE = Path("supcr-gate.toml")
WORKFLOW = Path(".github/workflows/supcr-gate.yml")
MISSING_LABELS = "nan_density = 0.2 # two of ten labels are missing"
"""A line of the suite that is left out for losses whose definition has no missing labels."""
MOST = 20
_NAME = re.compile(r"(?!_).*(loss|rnc|supcr|contrast)", re.IGNORECASE)
_TESTS = re.compile(r"(^|/)(tests?|docs?|examples?)/|(^|/)(test_\w+|conftest|setup)\.py$")


def candidates(checkout: Checkout) -> Iterator[str]:
    for path, content in sorted(checkout.python_files_now(".").items()):
        if _TESTS.search(path):
            continue
        try:
            nodes = ast.parse(content).body
        except (SyntaxError, ValueError):
            continue
        for node in nodes:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and _NAME.match(node.name):
                yield f"{path}:{node.name}"


def find_losses(names: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The definition of each loss of the family, and why each other name is none; by name."""
    losses, others = {}, {}
    with closing(LocalExecutor()) as executor:
        found = executor.preflight([locate(name) for name in names], "cpu")
    for name, one in found.items():
        if isinstance(one, Failed):
            others[name] = one.reason
            continue
        recognised = one.resolution.recognised if one.resolution else None
        if recognised and recognised.faults:
            first = recognised.faults[0]
            near = "" if is_foreign(first) else f"differs from {recognised.nearest}: "
            others[name] = near + first
        elif one.description:
            losses[name] = one.description.definition
    return losses, others


def set_up(console: Console) -> None:
    """Write a suite and a workflow, unless they exist, and say what the gate will check."""
    try:
        checkout = Checkout(Path.cwd())
    except RevisionError as error:
        raise UsageError(
            f"{Path.cwd()} is not a git checkout, or git does not trust it; the gate compares "
            "versions that git keeps: run it in your repository, or begin with `git init`"
        ) from error
    if checkout.top.resolve() != Path.cwd().resolve():
        raise UsageError(f"run it in the top folder of the checkout, {checkout.top}")
    if SUITE.exists():
        raise UsageError(f"{SUITE} exists; `supcr-bench gate {SUITE} --against main` runs it")
    names = list(candidates(checkout))
    losses, others = find_losses(names[:MOST]) if names else ({}, {})
    for name, why in others.items():
        print_sentence(console, f"Left out: {name}: {why}", "yellow")
    if not losses:
        raise UsageError(
            f"found no loss of the family among {len(names)} classes and functions; name one, as "
            "in `supcr-bench gate --against HEAD -i path/to/file.py:Loss`"
        )
    suite, workflow = (
        resources.files("supcr_bench.commands").joinpath(name).read_text("utf-8")
        for name in ("gate_suite.toml", "gate_workflow.yml")
    )
    if any("rank-n-contrast" in definition for definition in losses.values()):
        suite = suite.replace(MISSING_LABELS, "nan_density = 0")
    files = {SUITE: suite.replace('["LOSSES"]', json.dumps([*losses]))}
    files |= {} if WORKFLOW.exists() else {WORKFLOW: workflow}
    for file, content in files.items():
        write_file(file, content, folders=True)
    wrote = f"Wrote {listed([*map(str, files)])}."
    print_sentence(console, f"{wrote} In each pull request, the gate will check:")
    for name, definition in losses.items():
        said = f"{name}: values and gradients by {definition}, operations, memory, time"
        print_sentence(console, f"  {said}")
    how = f"supcr-bench gate {SUITE} --against HEAD"
    print_sentence(console, f"Commit the files; from then on `{how}` judges what you change.")
