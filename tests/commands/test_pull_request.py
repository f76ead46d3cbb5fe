"""The comment on a pull request, against a server on this machine in place of GitHub."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from supcr_bench.commands.pull_request import publish
from supcr_bench.render.gate_tables import LONGEST, annotations, gate_comment, has_news, marker
from supcr_bench.values.errors import UsageError
from supcr_bench.values.gate import GateVerdict
from tests.made_gate_outcomes import PASS, REGRESSION, UNDECIDED, figures_of, judge, outcome


class GitHub(HTTPServer):
    """Comments of pull request 7, and the requests that came."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.comments: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.refuses: int | None = None


class Handler(BaseHTTPRequestHandler):
    server: GitHub

    def _answer(self) -> None:
        own = self.server
        own.asked.append(f"{self.command} {self.path}")
        assert self.headers["Authorization"] == "Bearer a-token"
        length = int(self.headers.get("Content-Length") or 0)
        content = json.loads(self.rfile.read(length)) if length else {}
        if self.command == "POST":
            own.comments.append({"id": len(own.comments), "body": content["body"]})
        elif self.command == "PATCH":
            own.comments[int(self.path.rpartition("/")[2])]["body"] = content["body"]
        page = int(self.path.rpartition("page=")[2]) if "page=" in self.path else 1
        answer = json.dumps(own.comments[100 * (page - 1) : 100 * page]).encode()
        self.send_response(own.refuses or 200)
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PATCH = _answer  # noqa: N815 - names of the base class

    def log_message(self, *given: object) -> None:
        """Say nothing."""


@pytest.fixture
def github() -> Iterator[GitHub]:
    server = GitHub()
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def environment(github: GitHub, tmp_path: Path) -> dict[str, str]:
    event = tmp_path / "event.json"
    event.write_text('{"pull_request": {"number": 7}}')
    return {
        "GITHUB_API_URL": f"http://127.0.0.1:{github.server_port}",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_REPOSITORY": "somebody/losses",
        "GITHUB_TOKEN": "a-token",
    }


def test_a_comment_is_written_once_and_updated_afterwards(github, environment):
    github.comments += [{"id": n, "body": "another"} for n in range(150)]
    worse, better = gate_comment(REGRESSION), gate_comment(PASS)
    own = marker(PASS)
    assert publish(worse, own, news=True, environment=environment).startswith("Commented")
    assert publish(worse, own, news=True, environment=environment).endswith("is up to date.")
    assert publish(better, own, news=False, environment=environment).startswith("Updated")
    assert [c["body"] for c in github.comments[150:]] == [better]
    assert github.asked[-1] == "PATCH /repos/somebody/losses/issues/comments/150"


def test_where_nothing_changed_no_comment_is_begun(github, environment):
    same = outcome(*figures_of("rowsort"))
    assert not has_news(same)
    publish(gate_comment(same), marker(same), news=has_news(same), environment=environment)
    assert github.comments == []
    assert all(map(has_news, (REGRESSION, UNDECIDED, PASS)))  # what passes there became better


def test_what_github_refuses_says_which_permission_is_missing(github, environment):
    github.refuses = 403
    with pytest.raises(UsageError, match=r"403 .*pull-requests: write"):
        publish("text", "text", news=True, environment=environment)


@pytest.mark.parametrize("name", ["GITHUB_TOKEN", "GITHUB_REPOSITORY", "GITHUB_EVENT_PATH"])
def test_outside_of_a_pull_request_it_says_what_to_do(environment, name):
    del environment[name]
    with pytest.raises(UsageError, match="--comment FILE"):
        publish("text", "text", news=True, environment=environment)


def test_a_token_is_never_sent_in_the_clear(environment):
    environment["GITHUB_API_URL"] = "http://example.org"
    with pytest.raises(UsageError, match="must begin with https"):
        publish("text", "text", news=True, environment=environment)


def test_a_comment_is_never_longer_than_github_takes():
    many = [judge("time", GateVerdict.REGRESSION, f"loss {n}") for n in range(2000)]
    assert LONGEST < len(gate_comment(outcome(*many))) < 65_536


def test_annotations_stand_at_the_line_of_the_loss():
    changes = [judge("dispatched_ops", GateVerdict.REGRESSION, "src/a,b.py:Loss")]
    lines = annotations(outcome(*changes), {"src/a,b.py:Loss": (Path("src/a,b.py"), 12)})
    assert lines == [
        "::error file=src/a%2Cb.py,line=12,title=supcr-bench gate::src/a,b.py:Loss dispatched "
        "operations, training N=64 D=2 NaN 20%25: 15%25 more operations; none more is allowed"
    ]
    assert [line.partition(" ")[0] for line in annotations(UNDECIDED, {})] == ["::warning"] * 2
