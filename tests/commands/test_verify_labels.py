"""``supcr-bench verify --labels``: what a loss's departures mean on a person's own labels."""

import json
from pathlib import Path

import pytest

from supcr_bench.values.errors import UsageError
from supcr_bench.verification.impact import ImpactQuestion, find_question
from tests.commands.conftest import WithChecks

AGES = "".join(f"{20 + (7 * i) % 61},\n" if i % 5 else f",{i}\n" for i in range(50))


@pytest.fixture
def ages(tmp_path: Path) -> Path:
    path = tmp_path / "ages.csv"
    path.write_text("age,visit\n" + AGES)
    return path


def test_the_batch_is_256_rows_or_all_that_have_a_label(ages: Path) -> None:
    assert find_question(f"{ages}:age", None, None) == ImpactQuestion(f"{ages}:age", 40)
    assert find_question(f"{ages}:age", 16, 0.5) == ImpactQuestion(f"{ages}:age", 16, 0.5)
    assert find_question(None, None, None) == ImpactQuestion()


def test_the_batch_of_several_columns_is_no_larger_than_the_rows_that_have_all(ages: Path) -> None:
    ages.write_text("age,mass\n" + "".join(f"{i},{i if i % 3 else ''}\n" for i in range(60)))
    assert find_question(f"{ages}:age,mass", None, None).batch_size == 40
    ages.write_text("age,mass\n" + "".join(f"{i},\n,{i}\n" for i in range(30)))
    assert find_question(f"{ages}:age,mass", None, None).batch_size == 60


@pytest.mark.parametrize(
    ("column", "batch_size", "temperature", "words"),
    [
        ("agee", None, None, "did you mean 'age'?"),
        ("age", 41, None, "40 rows have a label, fewer than a batch of 41"),
        ("nothing", None, None, "no row has a label in 'nothing'"),
        ("age", None, 0.0, "a temperature is above 0"),
        (None, 8, None, "belong to --labels"),
        (None, None, 0.5, "belong to --labels"),
    ],
)
def test_what_cannot_be_measured_is_a_usage_error(
    ages: Path, column: str | None, batch_size: int | None, temperature: float | None, words: str
) -> None:
    if column == "nothing":
        ages.write_text("age,nothing\n" + "1,\n" * 5)
    with pytest.raises(UsageError, match=words.replace("?", r"\?")):
        find_question(column and f"{ages}:{column}", batch_size, temperature)


@pytest.mark.slow
def test_it_is_measured_in_the_worker_printed_and_written_as_json(
    with_checks: WithChecks, workplace: Path, ages: Path
) -> None:
    labels = ["--labels", f"{ages}:age", "--batch-size", "24"]
    done = with_checks(("ties",), "rowsort", *labels, "--json", "found.json")
    assert done.exit_code == 0, done.output
    assert "24 rows of ages.csv:age (10 rows have no label)" in " ".join(done.stdout.split())
    assert "no need to train again" in " ".join(done.stdout.split())
    rows = json.loads((workplace / "found.json").read_text())[0]["impact"]
    assert {(r["definition"], r["embeddings"]) for r in rows if r["departure"] is None} == {
        (definition, how)
        for definition in ("torchcell", "no-self", "rank-n-contrast")
        for how in ("random", "ordered")
    }
    assert all(row["batches"] == 8 for row in rows)
