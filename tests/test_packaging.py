"""The built package, installed outside the checkout, holds every implementation and suite."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml

import supcr_bench

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parent.parent
SOURCES = ("supcr_bench", "implementations", "suites")
FILES = ("pyproject.toml", "README.md", "LICENSE")


def files_of(wheel: Path) -> dict[str, bytes]:
    with ZipFile(wheel) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def test_the_version_is_one_and_the_change_log_has_it() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((CHECKOUT / "CITATION.cff").read_text())
    assert supcr_bench.__version__ == project["version"] == str(citation["version"])
    log = (CHECKOUT / "CHANGELOG.md").read_text()
    newest = re.search(r"^## (\d\S*) - (\S+)$", log, re.MULTILINE)
    assert newest
    assert newest.groups() == (project["version"], citation["date-released"])


def test_an_installed_package_lists_what_the_checkout_holds(tmp_path: Path) -> None:
    copy = tmp_path / "copy"  # so that building leaves nothing in the checkout
    for name in SOURCES:
        shutil.copytree(CHECKOUT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(CHECKOUT / name, copy)
    wheels: list[Path] = []
    for source in (["--wheel"], []):  # from the checkout, and from the sdist
        built = copy / f"built{len(wheels)}"
        subprocess.run(
            [sys.executable, "-m", "build", "--no-isolation", *source, "--outdir", built, "."],
            cwd=copy,
            check=True,
            capture_output=True,
        )
        wheels += built.glob("*.whl")
    assert files_of(wheels[0]) == files_of(wheels[1])
    names = {name for name in files_of(wheels[0]) if not name.endswith(".py")}
    assert {Path(name).suffix for name in names if ".dist-info/" not in name} == {
        *(".typed", ".toml", ".yml", ".j2", ".css", ".js", ".mplstyle"),
    }
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert not [name for name in files_of(wheels[0]) if name.startswith("tests/")]
    assert wheels[0].stat().st_size < 1_000_000

    environment = tmp_path / "environment"
    venv.create(environment)
    # The dependencies come from the environment of the tests: what is tested is this package. A
    # path in a .pth file brings plain packages and not the editable install that lies beside them.
    site = next((environment / "lib").glob("python*")) / "site-packages"
    (site / "dependencies.pth").write_text(
        "".join(f"{p}\n" for p in sys.path if Path(p).is_dir() and p.endswith("site-packages"))
    )
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    subprocess.run(
        [*pip, "install", "-q", "--no-deps", "--no-index", "--no-compile", str(wheels[1])],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    where = subprocess.run(
        [python, "-c", "import supcr_bench; print(supcr_bench.__file__)"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(where.stdout.strip()).is_relative_to(environment)
    listed = json.loads(
        subprocess.run(
            [environment / "bin" / "supcr-bench", "list", "--json"],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    )
    assert {i["name"] for i in listed["implementations"]} == {
        p.stem.replace("_", "-") for p in (CHECKOUT / "implementations").glob("[a-z]*.py")
    }
    assert all(i["available"] for i in listed["implementations"])
    assert {s["name"] for s in listed["suites"]} == {
        p.stem for p in (CHECKOUT / "suites").glob("*.toml")
    }
    # pytest finds the plug-in, and the plug-in finds what it is made of.
    shutil.copy(CHECKOUT / "suites" / "quick.toml", tmp_path / "mine.toml")
    collected = subprocess.run(
        [python, "-m", "pytest", "--collect-only", "-q", "mine.toml"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "mine.toml::rowsort[training-N16-D1-nan0-tied]" in collected.stdout.splitlines()
