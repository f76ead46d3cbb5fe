"""Writes one comment on the pull request of a GitHub job, and updates it in later jobs."""

import ast
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from supcr_bench.render.gate_tables import annotations, gate_comment, has_news, marker
from supcr_bench.subjects.registry import Subject, file_of
from supcr_bench.values.errors import SubjectError, UsageError
from supcr_bench.values.files import write_file
from supcr_bench.values.gate import GateOutcome

GITHUB = "github"
"""The value, in place of a file, that asks for a comment on the pull request."""
LIMIT_S = 30
PAGE = 100


def publish(body: str, marker: str, *, news: bool, environment: Mapping[str, str]) -> str:
    """Write the comment, or update the one that begins with ``marker``; say which it was.

    If nothing changed and there is no comment yet, none is written. A UsageError says that the job
    is not of a pull request, that the token is missing, or that GitHub refuses.
    """
    number = _pull_request(environment)
    token, repository = (environment.get(n) for n in ("GITHUB_TOKEN", "GITHUB_REPOSITORY"))
    if not token or not repository or number is None:
        raise UsageError(
            "--comment github needs a job of a pull request with GITHUB_TOKEN in its environment "
            "and `permissions: pull-requests: write`; --comment FILE writes the comment to a file"
        )
    api = environment.get("GITHUB_API_URL", "https://api.github.com")
    issues = f"{api}/repos/{repository}/issues"
    page, earlier = 1, None
    while earlier is None:
        comments = _ask(f"{issues}/{number}/comments?per_page={PAGE}&page={page}", token)
        earlier = next((c for c in comments if str(c.get("body", "")).startswith(marker)), None)
        if len(comments) < PAGE:
            break
        page += 1
    if earlier is None and not news:
        return "Nothing worth a comment changed, so none was written."
    if earlier is None:
        _ask(f"{issues}/{number}/comments", token, "POST", {"body": body})
        return f"Commented on pull request {number}."
    if str(earlier["body"]).strip() == body.strip():
        return f"The comment on pull request {number} is up to date."
    _ask(f"{issues}/comments/{int(earlier['id'])}", token, "PATCH", {"body": body})
    return f"Updated the comment on pull request {number}."


def _pull_request(environment: Mapping[str, str]) -> int | None:
    """The number of the pull request, from the file in which GitHub describes the event."""
    try:
        event = json.loads(Path(environment["GITHUB_EVENT_PATH"]).read_text("utf-8"))
        return int(event["pull_request"]["number"])
    except (OSError, LookupError, TypeError, ValueError):
        return None


def _ask(url: str, token: str, method: str = "GET", content: Any = None) -> Any:
    if not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise UsageError(
            f"GITHUB_API_URL must begin with https://, and is {url.split('/repos')[0]}"
        )
    headers = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - see above
    try:
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        hint = "; does the job have `permissions: pull-requests: write`?" * (error.code == 403)
        raise UsageError(f"GitHub refuses the comment: {error.code} {error.reason}{hint}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"GitHub cannot be reached for the comment: {error}") from None


def tell_pull_request(
    outcome: GateOutcome,
    comment: str | None,
    subjects: Sequence[Subject],
    console: Console,
    environment: Mapping[str, str],
) -> None:
    """Write the comment that the user asked for, and in a job of GitHub the annotations."""
    if comment == GITHUB:
        news, body = has_news(outcome), gate_comment(outcome)
        said = publish(body, marker(outcome), news=news, environment=environment)
        console.print(Text(said), soft_wrap=True)
    elif comment is not None:
        write_file(Path(comment), gate_comment(outcome) if has_news(outcome) else "")
    if environment.get("GITHUB_ACTIONS") != "true":
        return
    places = {}
    for subject in subjects:
        with suppress(SubjectError, SyntaxError, ValueError, OSError):
            file, line = _line_of(subject)
            places[subject.name] = file.resolve().relative_to(Path.cwd().resolve()), line
    for annotation in annotations(outcome, places):
        console.print(Text(annotation), soft_wrap=True)


def _line_of(subject: Subject) -> tuple[Path, int]:
    """The file of a subject, and the line that defines its attribute; 1 if that is not found."""
    file = file_of(subject)
    name = subject.attribute.partition(".")[0]
    for node in ast.walk(ast.parse(file.read_bytes())):
        match node:
            case ast.ClassDef(own) | ast.FunctionDef(own) | ast.Name(own, ast.Store()) if (
                own == name
            ):
                return file, node.lineno
    return file, 1
