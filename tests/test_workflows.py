"""The workflow of this repository, its action, and the example in docs/gate.md for others."""

import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.repository import Repository

CHECKOUT = Path(__file__).parent.parent
WORKFLOW = CHECKOUT / ".github" / "workflows" / "ci.yml"
ACTION = CHECKOUT / "action.yml"
TOOLS = Path(sysconfig.get_path("scripts"))
EXAMPLE = re.compile(r"<!-- example: a gate in CI -->\n```yaml\n(.*?)```\n", re.DOTALL)
PINNED = re.compile(r"uses: ([\w.-]+/[\w.-]+)@([0-9a-f]{40}) # (.+)")


def example() -> str:
    """The one block of the page that is marked."""
    (found,) = EXAMPLE.findall((CHECKOUT / "docs" / "gate.md").read_text())
    return str(found)


def steps(path: Path) -> list[dict[str, Any]]:
    """Of every job of a workflow, or of an action."""
    values = yaml.safe_load(path.read_text())
    jobs = values["jobs"].values() if "jobs" in values else [values["runs"]]
    return [step for job in jobs for step in job["steps"]]


def tool(name: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [TOOLS / name, *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the example as its only workflow."""
    path = tmp_path / ".github" / "workflows" / "gate.yml"
    path.parent.mkdir(parents=True)
    path.write_text(example())
    return tmp_path


def test_the_example_takes_ten_lines_and_inputs_that_the_action_has() -> None:
    assert len(example().splitlines()) <= 10
    checkout, gate = yaml.safe_load(example())["jobs"]["gate"]["steps"]
    assert checkout["with"] == {"fetch-depth": 0, "persist-credentials": False}
    assert set(gate["with"]) <= set(yaml.safe_load(ACTION.read_text())["inputs"])


def test_the_example_is_a_valid_workflow_that_zizmor_has_nothing_against(
    repository: Path,
) -> None:
    file = repository / ".github" / "workflows" / "gate.yml"
    checked = tool("check-jsonschema", "--builtin-schema", "vendor.github-workflows", file)
    assert checked.returncode == 0, checked.stdout
    audited = tool("zizmor", "--offline", "--strict-collection", repository)
    assert audited.returncode == 0, audited.stdout
    # And both would have found something.
    file.write_text(example().replace("runs-on", "run-on"))
    assert tool("check-jsonschema", "--builtin-schema", "vendor.github-workflows", file).returncode
    file.write_text(re.sub("@de0fac2e45[0-9a-f]+", "@v6", example()))
    assert "unpinned-uses" in tool("zizmor", "--offline", repository).stdout


@pytest.mark.parametrize("text", [WORKFLOW.read_text(), ACTION.read_text(), example()])
def test_every_action_is_taken_at_a_commit_and_says_which_version_that_is(text: str) -> None:
    assert len(PINNED.findall(text)) == text.count("uses: ") > 0


def test_an_action_is_taken_at_the_same_commit_everywhere() -> None:
    texts = (WORKFLOW.read_text(), ACTION.read_text(), example())
    found = {pin for text in texts for pin in PINNED.findall(text)}
    assert len({name for name, _, _ in found}) == len(found) == 4


@pytest.mark.parametrize("path", [WORKFLOW, ACTION])
def test_no_script_is_put_together_from_what_comes_from_outside(path: Path) -> None:
    assert not [step for step in steps(path) if "${{" in step.get("run", "")]


def test_the_page_has_every_input_with_its_default() -> None:
    page = (CHECKOUT / "docs" / "gate.md").read_text()
    for name, own in yaml.safe_load(ACTION.read_text())["inputs"].items():
        (line,) = re.findall(rf"^\| .*`{name}`.* \|.*\|.*\|$", page, re.MULTILINE)
        default = own["default"]
        assert default in line or default.startswith("https://download.pytorch.org/")


def test_the_workflow_has_little_permission_and_ends_in_time() -> None:
    values = yaml.safe_load(WORKFLOW.read_text())
    assert values["permissions"] == {}
    for job in values["jobs"].values():
        assert job["permissions"] == {"contents": "read"}
        assert job["timeout-minutes"] <= 60
    for step in steps(WORKFLOW):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@dataclass(frozen=True)
class Ran:
    """What became of the action's script."""

    status: int
    arguments: list[str]
    outputs: dict[str, str]
    printed: str

    def option(self, name: str) -> list[str]:
        """Every value that an option was given."""
        pairs = zip(self.arguments, self.arguments[1:], strict=False)
        return [value for key, value in pairs if key == name]


FAKE = """#!/bin/bash
printf '%s\\n' "$@" > "$RECORD"
while [[ $# -gt 0 ]]; do
  if [[ $1 == --json && -n $RULING ]]; then echo "{\\"ruling\\": \\"$RULING\\"}" > "$2"; fi
  shift
done
exit "$STATUS"
"""


@pytest.fixture
def act(tmp_path: Path) -> Callable[..., Ran]:
    """Runs the script of the action with inputs, and a gate that rules as it is told to."""
    values = yaml.safe_load(ACTION.read_text())
    (step,) = [step for step in values["runs"]["steps"] if step.get("id") == "gate"]
    of_input = {
        f"${{{{ inputs.{name} }}}}": own["default"] for name, own in values["inputs"].items()
    }
    defaults = {name: of_input.get(text, "") for name, text in step["env"].items()}
    fake = tmp_path / "bin" / "supcr-bench"
    fake.parent.mkdir()
    fake.write_text(FAKE)
    fake.chmod(0o755)

    def ran(ruling: str = "pass", status: int = 0, **inputs: str) -> Ran:
        assert set(inputs) <= set(defaults)
        record, output = tmp_path / "record", tmp_path / "output"
        record.write_text("")
        output.write_text("")
        environment = {
            **defaults,
            **inputs,
            "PATH": f"{fake.parent}:{Path(sys.executable).parent}:/usr/bin:/bin",
            "RUNNER_TEMP": str(tmp_path),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
            "RECORD": str(record),
            "RULING": ruling,
            "STATUS": str(status),
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
        return Ran(done.returncode, record.read_text().splitlines(), outputs, done.stdout)

    return ran


def test_a_pull_request_is_held_against_its_base(act: Callable[..., Ran]) -> None:
    ran = act(PULL_REQUEST_BASE="abc123", IMPLEMENTATION="my loss.py:Loss\n\n  other.py:Loss  \n")
    assert ran.status == 0
    assert ran.arguments[0] == "gate"
    assert ran.arguments[-2:] == ["--", "ci"]
    assert ran.option("--against") == ["abc123"]
    assert ran.option("--implementation") == ["my loss.py:Loss", "other.py:Loss"]
    assert ran.option("--max-slowdown") == ["5%"]
    assert ran.option("--max-memory-growth") == ["1%"]
    assert ran.option("--undecided") == ["pass"]
    assert "--baseline" not in ran.arguments
    assert ran.outputs["ruling"] == "pass"
    assert [ran.outputs["report"]] == ran.option("--json")
    assert [ran.outputs["junit"]] == ran.option("--junit")
    assert ran.printed == ""


def test_a_merge_commit_is_held_against_its_first_parent(
    act: Callable[..., Ran], tmp_path: Path
) -> None:
    repository = Repository(tmp_path)
    repository.write("one.py", "")
    repository.commit()
    repository.git("checkout", "--quiet", "-b", "change")
    repository.write("two.py", "")
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--no-ff", "--no-edit", "change")
    assert act(PULL_REQUEST_BASE="abc123").option("--against") == ["HEAD^1"]
    assert act(PULL_REQUEST_BASE="abc123", AGAINST="v1").option("--against") == ["v1"]


def test_a_revision_or_a_baseline_takes_the_place_of_the_base(act: Callable[..., Ran]) -> None:
    ran = act(PULL_REQUEST_BASE="abc123", AGAINST="v1.0", UNDECIDED="neither")
    assert ran.option("--against") == ["v1.0"]
    assert "--undecided" not in ran.arguments
    ran = act(PULL_REQUEST_BASE="abc123", BASELINE="base line.json", UNDECIDED="fail")
    assert ran.option("--baseline") == ["base line.json"]
    assert ran.option("--undecided") == ["fail"]
    assert "--against" not in ran.arguments


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "this is no pull request"),
        ({"AGAINST": "v1.0", "BASELINE": "b.json"}, "exclude each other"),
        ({"AGAINST": "v1.0", "UNDECIDED": "maybe"}, "takes pass, fail or neither"),
        ({"AGAINST": "v1.0", "INFORMATIONAL": "maybe"}, "takes true or false"),
    ],
)
def test_inputs_that_make_no_sense_stop_the_step(
    act: Callable[..., Ran], inputs: dict[str, str], message: str
) -> None:
    ran = act(**inputs)
    assert ran.status == 2
    assert ran.printed.startswith("::error title=supcr-bench gate::")
    assert message in ran.printed
    assert (ran.arguments, ran.outputs) == ([], {})


@pytest.mark.parametrize(
    ("ruling", "status", "annotation"),
    [
        ("regression", 1, "::error title=supcr-bench gate::regression; see the summary\n"),
        ("regression", 0, "::warning title=supcr-bench gate::regression; see the summary\n"),
        ("undecided", 0, "::warning title=supcr-bench gate::undecided; see the summary\n"),
        ("undecided", 3, "::warning title=supcr-bench gate::undecided; see the summary\n"),
    ],
)
def test_the_step_ends_as_the_gate_did_and_says_why(
    act: Callable[..., Ran], ruling: str, status: int, annotation: str
) -> None:
    ran = act(ruling, status, AGAINST="main")
    assert (ran.status, ran.outputs["ruling"], ran.printed) == (status, ruling, annotation)


@pytest.mark.parametrize(
    ("inputs", "options"),
    [
        ({}, []),
        ({"COMMENT": "false"}, []),
        ({"COMMENT": "true"}, ["--comment", "github"]),
        ({"COMMENT": "the comment.md"}, ["--comment", "the comment.md"]),
        ({"INFORMATIONAL": "true"}, ["--informational"]),
    ],
)
def test_a_comment_and_a_step_that_never_fails_are_asked_for(
    act: Callable[..., Ran], inputs: dict[str, str], options: list[str]
) -> None:
    given = act(AGAINST="main", **inputs).arguments
    usual = act(AGAINST="main").arguments
    added = [word for word in given if word not in usual and not word.startswith("/")]
    assert added == options


def test_the_token_is_there_for_a_comment_alone() -> None:
    values = yaml.safe_load(ACTION.read_text())
    (step,) = [step for step in values["runs"]["steps"] if step.get("id") == "gate"]
    assert step["env"]["GITHUB_TOKEN"] == "${{ inputs.comment == 'true' && github.token || '' }}"


def test_a_gate_that_could_not_be_run_has_no_ruling(act: Callable[..., Ran]) -> None:
    ran = act(ruling="", status=2, AGAINST="main")
    assert (ran.status, ran.outputs, ran.printed) == (2, {}, "")


def test_what_an_input_says_is_never_run(act: Callable[..., Ran], tmp_path: Path) -> None:
    evil = f'"; touch {tmp_path}/run; $(touch {tmp_path}/run) `touch {tmp_path}/run` ;"'
    ran = act(AGAINST=evil, IMPLEMENTATION=evil, SUITE=evil, MAX_SLOWDOWN=evil)
    assert ran.status == 0
    assert ran.option("--against") == ran.option("--implementation") == [evil]
    assert ran.arguments[-1] == evil
    assert not (tmp_path / "run").exists()
