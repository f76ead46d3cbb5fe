"""Runs the cells of docs/first-steps.ipynb as Jupyter does, without Jupyter.

``python -m tests.docs.notebook`` (`make notebook`) runs them and stores what they show. The cells
are Python; of Jupyter's commands ``%%writefile NAME`` and a line ``!command`` are understood.
"""

import ast
import base64
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

from tests.docs.pages import CHECKOUT

matplotlib.use("Agg")
NOTEBOOK = CHECKOUT / "docs" / "first-steps.ipynb"
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


def read_notebook() -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads(NOTEBOOK.read_text("utf-8"))
    return notebook


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def shown_text(cell: dict[str, Any]) -> str:
    """The text of a cell's outputs, figures left out."""
    parts = [o.get("text") or o["data"].get("text/plain", []) for o in cell["outputs"]]
    return "".join(line for part in parts for line in part)


Shell = Callable[[str], "subprocess.CompletedProcess[str]"]


def run_command(command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command,
        shell=True,
        env={**os.environ, "PATH": PATH},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def run_cell(
    source: str, names: dict[str, Any], number: int, shell: Shell = run_command
) -> list[dict[str, Any]]:
    """Run a cell in the current folder, and return its outputs as a notebook stores them.

    Args:
        source: the text of the cell.
        names: the variables of the cells before, which this one changes.
        number: of the cell, from 1.
        shell: runs a command.
    """

    def show(command: str) -> None:
        done = shell(command)
        sys.stdout.write(done.stdout)
        if done.returncode:
            raise RuntimeError(f"{command}: exit status {done.returncode}\n{done.stdout}")

    first, _, rest = source.partition("\n")
    if first.startswith("%%writefile "):
        file = first.split()[1]
        Path(file).write_text(rest + "\n", "utf-8")
        return [_stream(f"Writing {file}\n")]
    lines = [
        f"_shell({line[1:]!r})" if line.startswith("!") else line for line in source.split("\n")
    ]
    tree = ast.parse("\n".join(lines))
    shown = ast.parse(
        "None", mode="eval"
    ).body  # the value of the last line, unless a semicolon ends it
    last = tree.body[-1]
    if isinstance(last, ast.Expr) and not source.endswith(";"):
        tree.body.remove(last)
        shown = last.value
    names["_shell"] = show
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, f"cell {number}", "exec"), names)  # the notebook is of this repository
        value = eval(compile(ast.Expression(shown), f"cell {number}", "eval"), names)
    outputs = [_stream(printed.getvalue())] if printed.getvalue() else []
    if value is not None:
        html = getattr(value, "_repr_html_", None)
        data = {"text/plain": repr(value), **({"text/html": html()} if html else {})}
        outputs.append(
            {
                "output_type": "execute_result",
                "execution_count": number,
                "metadata": {},
                "data": {kind: text.splitlines(keepends=True) for kind, text in data.items()},
            }
        )
    return outputs + _figures()


def _stream(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}


def _figures() -> list[dict[str, Any]]:
    """What is drawn, as Jupyter shows it below a cell."""
    from matplotlib import pyplot

    outputs = []
    for number in pyplot.get_fignums():
        file = io.BytesIO()
        pyplot.figure(number).savefig(file, format="png", dpi=72, bbox_inches="tight")
        data = {
            "image/png": base64.b64encode(file.getvalue()).decode(),
            "text/plain": [str(pyplot.figure(number))],
        }
        outputs.append({"output_type": "display_data", "metadata": {}, "data": data})
    pyplot.close("all")
    return outputs


def main() -> None:
    notebook = read_notebook()
    names: dict[str, Any] = {"__name__": "__main__"}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for number, cell in enumerate(code_cells(notebook), 1):
            cell["outputs"] = run_cell("".join(cell["source"]), names, number)
            cell["execution_count"] = number
    NOTEBOOK.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
