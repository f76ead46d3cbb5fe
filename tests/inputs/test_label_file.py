import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from supcr_bench.inputs.label_file import read_label_file
from supcr_bench.inputs.tensors import draw_rows, make_batch
from supcr_bench.values.case import Workload
from supcr_bench.values.errors import InputError, UnknownNameError

TABLE = pd.DataFrame(
    {
        "fitness": [1.0, 2.5, np.nan, 1.0, -3.25],
        "growth": [np.nan, 0.1, 0.2, 0.3, 0.1],
        "batch": [1, 2, 3, 4, 5],
    }
)


def write(folder: Path, suffix: str, table: pd.DataFrame = TABLE) -> Path:
    path = folder / f"labels{suffix}"
    if suffix == ".csv":
        table.to_csv(path, index=False)
    elif suffix == ".parquet":
        table.to_parquet(path)
    else:
        arrays: dict[str, Any] = {str(name): table[name].to_numpy() for name in table}
        np.savez(path, **arrays)
    return path


FORMATS = pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])


@FORMATS
def test_every_column_is_a_dimension_unless_some_are_named(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path, suffix)
    with pytest.raises(InputError, match="column 'batch' numbers the rows; name the label columns"):
        read_label_file(str(path))
    table = TABLE.assign(batch=[1, 1, 2, 2, 3])
    file = read_label_file(str(write(tmp_path, suffix, table)))
    labels = file.table
    assert file.columns == ("fitness", "growth", "batch")
    assert file.rows == 5
    np.testing.assert_array_equal(labels, table.to_numpy(dtype=np.float64))


@FORMATS
def test_named_columns_come_in_the_order_given(tmp_path: Path, suffix: str) -> None:
    file = read_label_file(f"{write(tmp_path, suffix)}:growth,fitness")
    labels = file.table
    assert file.columns == ("growth", "fitness")
    np.testing.assert_array_equal(labels, TABLE[["growth", "fitness"]].to_numpy())


@FORMATS
def test_missing_labels_and_ties_are_kept(tmp_path: Path, suffix: str) -> None:
    labels = read_label_file(f"{write(tmp_path, suffix)}:fitness").table
    assert labels.dtype == np.float64
    assert np.isnan(labels[2, 0])
    assert np.isnan(labels).sum() == 1
    assert labels[0, 0] == labels[3, 0] == 1.0


def test_the_same_labels_have_the_same_digest_in_every_format_and_place(tmp_path: Path) -> None:
    elsewhere = tmp_path / "else" / "where"
    elsewhere.mkdir(parents=True)
    paths = [write(tmp_path, s) for s in (".csv", ".parquet", ".npz")] + [write(elsewhere, ".csv")]
    files = [read_label_file(f"{path}:fitness,growth") for path in paths]
    assert len({file.digest for file in files}) == 1
    assert len({file.path for file in files}) == 4
    assert files[0].label_kind == f"file:{files[0].digest}"


def test_other_labels_have_another_digest(tmp_path: Path) -> None:
    path = write(tmp_path, ".csv")
    chosen = ["fitness", "growth", "growth,fitness", "fitness,growth"]
    assert len({read_label_file(f"{path}:{columns}").digest for columns in chosen}) == 4


def test_the_digest_is_pinned(tmp_path: Path) -> None:
    file = read_label_file(f"{write(tmp_path, '.csv')}:batch")
    assert file.digest == "024ee3f0fff6"


def test_a_two_axis_array_gives_a_column_for_each_dimension(tmp_path: Path) -> None:
    path = tmp_path / "labels.npz"
    np.savez(path, y=np.arange(6.0).reshape(3, 2), z=np.array([7.0, 8.0, 9.0]))
    file = read_label_file(str(path))
    labels = file.table
    assert file.columns == ("y.0", "y.1", "z")
    np.testing.assert_array_equal(labels, [[0, 1, 7], [2, 3, 8], [4, 5, 9]])
    assert read_label_file(f"{path}:y.1").table.ravel().tolist() == [1, 3, 5]


def test_a_text_column_is_refused_with_the_row_that_shows_it(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("name,y\n1,1.5\nYAL001C,2.5\n")
    with pytest.raises(InputError, match=r"column 'name' is not numeric \(row 2 holds 'YAL001C'"):
        read_label_file(str(path))
    assert read_label_file(f"{path}:y").table.ravel().tolist() == [1.5, 2.5]


def test_a_missing_column_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'fitness'") as caught:
        read_label_file(f"{write(tmp_path, '.csv')}:fitnes")
    assert caught.value.known == ("fitness", "growth", "batch")


@pytest.mark.parametrize("value", ["inf", "-inf", "1e400"])
def test_an_infinite_label_is_refused_with_its_place(tmp_path: Path, value: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(f"a,b\n1,2\n3,{value}\n")
    with pytest.raises(InputError, match="column 'b' is infinite in row 2"):
        read_label_file(str(path))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    with pytest.raises(InputError, match=re.escape(f"no labels file {str(path)!r}")):
        read_label_file(f"{path}:y")


def test_a_folder_is_no_labels_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no labels file"):
        read_label_file(str(tmp_path))


@pytest.mark.parametrize("name", ["labels.txt", "labels", "labels.json"])
def test_another_suffix_is_refused_with_those_that_serve(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("a\n1\n2\n")
    with pytest.raises(InputError, match=r"labels can be read from \.csv, \.parquet, \.npz"):
        read_label_file(str(path))


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n1,2,3,4\n", b"\xff\xfe\x00"])
def test_a_csv_that_cannot_be_parsed_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"labels\.csv cannot be read"):
        read_label_file(str(path))


@pytest.mark.parametrize("suffix", [".parquet", ".npz"])
def test_a_binary_file_that_is_something_else_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"labels{suffix}"
    path.write_bytes(b"something else")
    with pytest.raises(InputError, match="cannot be read"):
        read_label_file(str(path))


def test_a_single_row_is_no_batch(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("a\n1\n")
    with pytest.raises(InputError, match="1 row; a batch has at least 2"):
        read_label_file(str(path))


def test_arrays_of_different_lengths_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.npz"
    np.savez(path, a=np.ones(3), b=np.ones(4))
    with pytest.raises(InputError, match="arrays of different lengths"):
        read_label_file(str(path))


def test_an_array_of_three_axes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.npz"
    np.savez(path, a=np.ones((3, 2, 2)))
    with pytest.raises(InputError, match="array 'a' has 3 axes"):
        read_label_file(str(path))


def test_a_colon_inside_the_path_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "run:1"
    folder.mkdir()
    path = write(folder, ".csv")
    assert read_label_file(f"{path}:batch,fitness").columns == ("batch", "fitness")
    assert read_label_file(f"{path}:growth").columns == ("growth",)


def test_without_pyarrow_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*arguments: object, **options: object) -> None:
        raise ImportError("no pyarrow")

    path = write(tmp_path, ".parquet")
    monkeypatch.setattr(pd, "read_parquet", missing)
    with pytest.raises(InputError, match="pip install pyarrow"):
        read_label_file(str(path))


OWN = np.arange(40.0).reshape(20, 2)


def test_drawn_rows_are_different_rows_of_the_file() -> None:
    drawn = draw_rows(OWN, Workload(batch_size=12, dims=2, labels="file:x", nan_density=None))
    assert len(set(drawn[:, 0].tolist())) == 12
    assert set(map(tuple, drawn.tolist())) <= set(map(tuple, OWN.tolist()))


def test_drawn_rows_depend_on_the_seed_and_on_nothing_else() -> None:
    def rows(**fields: int) -> list[float]:
        workload = Workload(batch_size=12, labels="file:x", nan_density=None, **fields)  # type: ignore[arg-type]
        found: list[float] = draw_rows(OWN, workload)[:, 0].tolist()
        return found

    assert rows() == rows(embedding_size=3)
    assert rows(seed=0) != rows(seed=1)


def test_a_smaller_batch_is_the_beginning_of_a_larger_one() -> None:
    small, large = (
        draw_rows(OWN, Workload(batch_size=n, labels="file:x", nan_density=None)) for n in (5, 15)
    )
    np.testing.assert_array_equal(small, large[:5])


def test_a_batch_may_take_every_row_of_the_file() -> None:
    assert len(draw_rows(OWN, Workload(batch_size=20, labels="file:x", nan_density=None))) == 20


def test_a_batch_takes_its_labels_from_the_file() -> None:
    workload = Workload(batch_size=8, dims=2, labels="file:x", nan_density=None)
    batch = make_batch(workload, OWN)
    np.testing.assert_array_equal(batch.labels.numpy(), draw_rows(OWN, workload))
    assert batch.weights.shape == (2,)
