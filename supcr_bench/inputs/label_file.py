"""Reads the user's labels, ``--labels FILE[:COLUMN,...]``, from CSV, Parquet or NPZ."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

from supcr_bench.values.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

FORMATS = (".csv", ".parquet", ".npz")


@dataclass(frozen=True, slots=True)
class LabelFile:
    """The file, its columns that serve as labels, and a digest of their values, to name them."""

    path: str
    columns: tuple[str, ...]
    digest: str
    rows: int

    @property
    def label_kind(self) -> str:
        return f"file:{self.digest}"

    @property
    def spec(self) -> str:
        """The file and its columns, as ``--labels`` takes them."""
        return f"{self.path}:{','.join(self.columns)}"


def _split(spec: str) -> tuple[Path, list[str]]:
    """The file and the columns of ``FILE[:COLUMN,...]``; the path may contain a colon."""
    if Path(spec).exists():
        return Path(spec), []
    path, _, columns = spec.rpartition(":")
    if not path:
        return Path(spec), []
    return Path(path), [c.strip() for c in columns.split(",") if c.strip()]


def _read_frame(path: Path) -> "pd.DataFrame":
    import numpy as np
    import pandas as pd

    if path.suffix.lower() == ".csv":
        return pd.read_csv(path)
    if path.suffix.lower() == ".parquet":
        try:
            return pd.read_parquet(path)
        except ImportError as error:
            raise InputError(
                f"{path}: reading Parquet needs pyarrow; pip install 'supcr-bench[parquet]'"
            ) from error
    with np.load(path, allow_pickle=False) as arrays:
        columns: dict[str, npt.NDArray[np.generic]] = {}
        for name in arrays.files:
            array = arrays[name]
            if array.ndim == 1:
                columns[name] = array
            elif array.ndim == 2:
                columns.update({f"{name}.{c}": array[:, c] for c in range(array.shape[1])})
            else:
                raise InputError(
                    f"{path}: array {name!r} has {array.ndim} axes; labels have one "
                    "(rows) or two (rows, dimensions)"
                )
    lengths = {name: len(array) for name, array in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"{path}: arrays of different lengths: {lengths}; save only the labels")
    return pd.DataFrame(columns)


def _numeric(
    path: Path, frame: "pd.DataFrame", columns: Sequence[str]
) -> "npt.NDArray[np.float64]":
    import numpy as np
    import pandas as pd

    for column in columns:
        if pd.api.types.is_complex_dtype(frame[column]):
            raise InputError(f"{path}: column {column!r} is complex; labels are real numbers")
        if not pd.api.types.is_numeric_dtype(frame[column]):
            as_numbers = pd.to_numeric(frame[column], errors="coerce")
            bad = frame.index[as_numbers.isna() & frame[column].notna()]
            where = f"row {bad[0] + 1} holds {frame[column].loc[bad[0]]!r}" if len(bad) else "text"
            raise InputError(
                f"{path}: column {column!r} is not numeric ({where}); "
                "name the label columns, as in FILE:COLUMN,COLUMN"
            )
    table = frame[list(columns)].to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(table).any():
        row, column_index = np.argwhere(np.isinf(table))[0]
        raise InputError(
            f"{path}: column {columns[column_index]!r} is infinite in row {row + 1}; "
            "label distances need finite labels, or NaN where one is missing"
        )
    return table


def read_label_file(spec: str) -> "tuple[LabelFile, npt.NDArray[np.float64]]":
    """The file named by ``FILE[:COLUMN,...]`` and its [rows, D] labels as float64 with NaN.

    Without columns, every column is a label dimension. Two-axis arrays of an NPZ file give columns
    ``name.0``, ``name.1`` and so on.
    """
    path, columns = _split(spec)
    if not path.is_file():
        raise InputError(f"no labels file {str(path)!r}")
    if path.suffix.lower() not in FORMATS:
        raise InputError(
            f"{path}: labels can be read from {', '.join(FORMATS)}, not from {path.suffix!r}"
        )
    try:
        frame = _read_frame(path)
    except InputError:
        raise
    except (OSError, ValueError, TypeError, BadZipFile) as error:  # pandas, NumPy
        raise InputError(f"{path} cannot be read: {error}") from error
    if len(frame) < 2:
        raise InputError(f"{path}: {len(frame)} rows; a batch has at least 2")
    frame.columns = frame.columns.map(str)
    for column in columns:
        if column not in frame.columns:
            raise UnknownNameError("column", column, frame.columns, f"in {path}")
    chosen = columns or list(frame.columns)
    table = _numeric(path, frame, chosen)
    digest = hashlib.sha256(repr(table.shape).encode() + table.tobytes()).hexdigest()[:12]
    file = LabelFile(str(path.resolve()), tuple(chosen), digest, len(table))
    return file, table
