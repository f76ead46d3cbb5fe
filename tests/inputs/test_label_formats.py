"""Label files as they come from other programs."""

import bz2
import gzip
import lzma
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from supcr_bench.inputs.label_file import read_label_file
from supcr_bench.inputs.tensors import make_batch
from supcr_bench.values.case import Workload
from supcr_bench.values.errors import InputError

ROWS = [[1.5, 2.0], [3.25, 4.0]]
CSV = "y,z\n1.5,2\n3.25,4\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("semicolons.csv", b"y;z\n1.5;2\n3.25;4\n"),
        ("decimal-commas.csv", b"y;z\n1,5;2\n3,25;4\n"),
        ("tabs.csv", b"y\tz\n1.5\t2\n3.25\t4\n"),
        ("tabs.tsv", b"y\tz\n1,5\t2\n3,25\t4\n"),
        ("bars.csv", b"y|z\n1.5|2\n3.25|4\n"),
        ("spaces.csv", b"y z\n1.5 2\n3.25 4\n"),
        ("padded.csv", b"y, z\n1.5, 2\n3.25, 4\n"),
        ("quoted.csv", b'"y","z"\n"1.5","2"\n"3.25","4"\n'),
        ("trailing.csv", b"y,z\n1.5,2,\n3.25,4,\n"),
        ("windows.csv", b"\xef\xbb\xbfy,z\r\n1.5,2\r\n3.25,4\r\n"),
        ("utf16.csv", CSV.encode("utf-16")),
        ("upper.CSV", CSV.encode()),
        ("packed.csv.gz", gzip.compress(CSV.encode(), mtime=0)),
        ("packed.csv.bz2", bz2.compress(CSV.encode())),
        ("packed.tsv.xz", lzma.compress(b"y\tz\n1.5\t2\n3.25\t4\n")),
    ],
)
def test_text_of_columns(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    file = read_label_file(str(tmp_path / name))
    table = file.table
    assert table.tolist() == ROWS
    assert file.columns == ("y", "z")
    assert file.notes[0] == f"labels are 2 rows of {name}: y, z"


def test_a_sheet_of_a_spreadsheet(tmp_path: Path) -> None:
    pd.DataFrame(ROWS, columns=["y", "z"]).to_excel(tmp_path / "a.xlsx", index=False)
    file = read_label_file(str(tmp_path / "a.xlsx"))
    table = file.table
    assert (file.columns, table.tolist()) == (("y", "z"), ROWS)


def test_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ROWS)
    torch.save(torch.tensor(ROWS), tmp_path / "a.pt")
    torch.save({"y": torch.tensor([1.5, 3.25]), "z": torch.tensor([2, 4])}, tmp_path / "b.pt")
    for name, columns in (
        ("a.npy", ("a.0", "a.1")),
        ("a.pt", ("a.0", "a.1")),
        ("b.pt", ("y", "z")),
    ):
        file = read_label_file(str(tmp_path / name))
        table = file.table
        assert (file.columns, table.tolist()) == (columns, ROWS)


def test_names_with_commas_spaces_colons_and_other_letters(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes('"age, years",birth year,a:b,größe\n1,2,3,5\n5,6,7,9\n'.encode("latin-1"))
    for spec, columns in (
        ("age, years", ("age, years",)),
        ('"age, years",birth year', ("age, years", "birth year")),
        ("a:b", ("a:b",)),
        ("größe,birth year", ("größe", "birth year")),
    ):
        file = read_label_file(f"{path}:{spec}")
        assert file.columns == columns
        again = read_label_file(file.spec)
        assert (again.columns, again.digest) == (columns, file.digest)
    assert "it is not UTF-8 and was read as Latin-1" in file.notes


def test_a_comma_that_may_mean_two_things_matters_in_the_columns_that_are_read(
    tmp_path: Path,
) -> None:
    file = tmp_path / "scores.csv"
    file.write_text("id;age;score\nS1;40;1,288\nS2;;2,250\n")
    assert read_label_file(f"{file}:age").table[0] == [40]
    with pytest.raises(InputError, match=r"'1,288' may be 1288 or 1.288; write one of these"):
        read_label_file(f"{file}:age,score")
    file.write_text("id;age;score\nS1;40;1,288\nS2;;0,250\n")  # no thousands begin with 0
    assert read_label_file(f"{file}:score").table.tolist() == [[1.288], [0.25]]


def test_a_single_column_may_count_the_rows_and_have_decimal_commas(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("y\n1\n2\n3\n")
    assert read_label_file(str(tmp_path / "a.csv")).table.ravel().tolist() == [1, 2, 3]
    (tmp_path / "b.csv").write_text("birth weight\n1,5\n2,25\n")
    assert read_label_file(str(tmp_path / "b.csv")).table.ravel().tolist() == [1.5, 2.25]


@pytest.mark.parametrize(
    ("labels", "dtype", "expected"),
    [
        ([1700000000 + i for i in range(300)], "float32", torch.float64),
        ([2**24, 2**24 + 1, 5], "float32", torch.float64),
        ([2**53 - 1, 2**53 - 2, 5], "float32", torch.float64),
        ([0.5, 1.25, 100], "float32", torch.float32),
        ([0.5, 1.25, 1e5], "float16", torch.float64),
        ([0.5, 1.25, 100], "bfloat16", torch.bfloat16),
    ],
)
def test_labels_stay_apart(
    tmp_path: Path, labels: list[float], dtype: str, expected: torch.dtype
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("t\n" + "".join(f"{label}\n" for label in labels))
    file = read_label_file(str(path))
    table = file.table
    n = len(labels)
    batch = make_batch(
        Workload(batch_size=n, labels="file:x", nan_density=None, dtype=dtype), table
    )
    assert batch.labels.dtype == expected
    assert batch.first.dtype == getattr(torch, dtype)
    assert len(np.unique(batch.labels.double())) == n
    said = any("float32 would merge" in note for note in file.notes)
    assert said is (len(np.unique(np.float32(table))) < n)


def test_a_column_without_two_different_labels_is_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("age,same,none\n1,3,\n2,3,\n4,,\n")
    notes = read_label_file(f"{path}:age,same,none").notes[1:]
    assert notes == (
        "every label of column 'same' is 3.0, which tells no losses apart",
        "every label of column 'none' is missing, which tells no losses apart",
    )


def test_a_file_without_any_label_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("age,other\nNaN,1\n,2\n")
    with pytest.raises(InputError, match="no row has a label in 'age'"):
        read_label_file(f"{path}:age")
