"""Reads the user's labels, ``--labels FILE[:COLUMN,...]``, by pandas, NumPy or torch.

A file may come from someone else: nothing is unpickled, and the unpacked size is bounded.
"""

import bz2
import csv
import gzip
import hashlib
import io
import lzma
import pickle
import re
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile, is_zipfile

from supcr_bench.values.errors import InputError, UnknownNameError
from supcr_bench.values.files import LARGEST_BYTES, read_bytes
from supcr_bench.values.units import plural

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

FORMATS = (".csv", ".parquet", ".npz", ".tsv", ".npy", ".pt", ".xlsx")
_PACKED: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}

_THOUSANDS = re.compile(r"-?[1-9]\d{0,2},\d{3}")
"""A number whose comma may stand before decimals or between thousands."""


@dataclass(frozen=True, slots=True)
class LabelFile:
    """The file, its columns that serve as labels, and a digest of their values, to name them.

    ``notes`` are sentences about how it was read. ``table`` holds the [rows, D] labels as float64
    with NaN; it is ``None`` for a file that a stored run names.
    """

    path: str
    columns: tuple[str, ...]
    digest: str
    rows: int
    notes: tuple[str, ...] = ()
    table: Any = field(default=None, compare=False, repr=False)

    @property
    def label_kind(self) -> str:
        return f"file:{self.digest}"

    @property
    def chosen(self) -> str:
        """The columns as ``--labels`` takes them, a name with a comma in quotes."""
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow(self.columns)
        return text.getvalue()

    @property
    def spec(self) -> str:
        return f"{self.path}:{self.chosen}"

    def to_mapping(self) -> dict[str, Any]:
        """The values for ``run.json``, which names the labels and does not hold them."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.compare}


def _split(spec: str) -> tuple[Path, str]:
    """The file and the columns of ``FILE[:COLUMN,...]``; both may contain colons."""
    ends = [*(found.start() for found in re.finditer(":", spec)), len(spec)]
    for end in reversed(ends):
        if Path(spec[:end]).is_file():
            return Path(spec[:end]), spec[end + 1 :]
    path, _, columns = spec.rpartition(":")
    return (Path(path), columns) if path else (Path(spec), "")


def _text(path: Path) -> tuple[str, list[str]]:
    """The text of a file, packed or not, and how it is encoded if not in UTF-8."""
    content = read_bytes(path, _PACKED.get(path.suffix.lower(), open))
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16"), []
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        return content.decode("latin-1"), ["it is not UTF-8 and was read as Latin-1"]


def _read_text(path: Path) -> tuple["pd.DataFrame", list[str]]:
    import pandas as pd

    text, notes = _text(path)
    lines = [line for line in text.splitlines()[:50] if line.strip()]
    if not lines:
        raise InputError(f"{path} cannot be read: it is empty")
    if "\0" in text:
        raise InputError(f"{path} cannot be read: it is not text in columns")
    # The separator is most often in the first line; a single column has none.
    sep = max(",;\t|", key=lines[0].count)
    if sep not in lines[0]:
        words = {len(line.split()) for line in lines[:3]}
        sep = ";" if len(words) > 1 or words == {1} else " "
    rows = [[f.strip() for f in row] for row in csv.reader(lines[:2], delimiter=sep)]
    names, values = rows[0], rows[-1]
    if any(values[len(names) :]):
        raise InputError(
            f"{path}: the first line has {len(names)} names and the second {len(values)} values; "
            "name every column in the first line"
        )
    for name in filter(None, names):
        if names.count(name) > 1:
            raise InputError(f"{path}: {names.count(name)} columns are called {name!r}; rename one")
    sample = "\n".join(lines)
    points = sep == "," or re.search(r"\d\.\d", sample)
    commas = [] if points else re.findall(r"\d+,\d+", sample)
    decimal: Any = "."
    if not all(_THOUSANDS.fullmatch(number) for number in commas):
        notes.append("numbers were read with decimal commas")
        decimal = ","
    frame = pd.read_csv(
        io.StringIO(text), sep=sep, decimal=decimal, index_col=False, skipinitialspace=True
    )
    frame.columns = frame.columns.str.strip()
    return frame, notes


def _arrays(path: Path) -> "dict[str, Any]":
    """The arrays of a NumPy or torch file by name; a single array is named after the file."""
    import numpy as np

    if path.suffix.lower() == ".pt":
        import torch

        tensors: Any = None
        with suppress(pickle.UnpicklingError):
            tensors = torch.load(path, map_location="cpu", weights_only=True)
        tensors = tensors if isinstance(tensors, dict) else {path.stem: tensors}
        if not all(isinstance(tensor, torch.Tensor) for tensor in tensors.values()):
            raise InputError(f"{path} holds more than tensors; torch.save the labels alone")
        return {
            str(name): (t.double() if t.is_floating_point() else t).detach().numpy()
            for name, t in tensors.items()
        }
    with path.open("rb") as file:
        loaded = np.load(file, allow_pickle=False)
        return {path.stem: loaded} if isinstance(loaded, np.ndarray) else dict(loaded)


def _read_frame(path: Path) -> tuple["pd.DataFrame", list[str]]:
    import pandas as pd

    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv") or suffix in _PACKED:
        return _read_text(path)
    size = path.stat().st_size
    if is_zipfile(path):
        with ZipFile(path) as packed:
            size = sum(member.file_size for member in packed.infolist())
    if size > LARGEST_BYTES:
        raise InputError(
            f"{path} holds {size:,} bytes, more than {LARGEST_BYTES:,}; save fewer rows or columns"
        )
    try:
        if suffix == ".parquet":
            import pyarrow.parquet as parquet

            meta = parquet.ParquetFile(path).metadata
            if 8 * meta.num_rows * meta.num_columns > LARGEST_BYTES:
                raise InputError(
                    f"{path} has {meta.num_rows:,} rows and {meta.num_columns:,} columns, too many "
                    "to read; save fewer"
                )
            return pd.read_parquet(path), []
        if suffix == ".xlsx":
            return pd.read_excel(path), []
    except ImportError as error:
        package = "pyarrow" if suffix == ".parquet" else "openpyxl"
        raise InputError(
            f"{path}: reading {suffix} needs {package}: pip install {package}, or save it as .csv"
        ) from error
    columns: dict[str, npt.NDArray[np.generic]] = {}
    for name, array in _arrays(path).items():
        if array.ndim == 1:
            columns[name] = array
        elif array.ndim == 2:
            columns.update({f"{name}.{c}": array[:, c] for c in range(array.shape[1])})
        else:
            raise InputError(
                f"{path}: array {name!r} has {array.ndim} axes; labels have one (rows) or two "
                "(rows, dimensions)"
            )
    lengths = {name: len(array) for name, array in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"{path}: arrays of different lengths: {lengths}; save only the labels")
    return pd.DataFrame(columns), []


def _numeric(
    path: Path, frame: "pd.DataFrame", columns: Sequence[str], *, named: bool = True
) -> "npt.NDArray[np.float64]":
    import numpy as np
    import pandas as pd

    for column in columns:
        if pd.api.types.is_complex_dtype(frame[column]):
            raise InputError(f"{path}: column {column!r} is complex; labels are real numbers")
        if not pd.api.types.is_numeric_dtype(frame[column]):
            as_numbers = pd.to_numeric(frame[column], errors="coerce")
            bad = frame.index[as_numbers.isna() & frame[column].notna()]
            first = frame[column].loc[bad[0]] if len(bad) else ""
            where = f"row {bad[0] + 1} holds {first!r}" if len(bad) else "text"
            cure = "write a number there, or leave it empty where the label is missing"
            if isinstance(first, str) and _THOUSANDS.fullmatch(first):
                whole, point = first.replace(",", ""), first.replace(",", ".")
                cure = f"{first!r} may be {whole} or {point}; write one of these"
            elif not named:
                cure = "name the label columns, as in FILE:COLUMN,COLUMN"
            raise InputError(f"{path}: column {column!r} is not numeric ({where}); {cure}")
    table = frame[list(columns)].to_numpy(dtype=np.float64, na_value=np.nan)
    table = np.where(np.isnan(table), np.nan, table)  # one NaN of the many there are
    with np.errstate(all="ignore"):
        infinite = np.argwhere(np.isinf(table.astype(np.float32)))
    if len(infinite):
        row, at = infinite[0]
        what = "is infinite" if np.isinf(table[row, at]) else f"holds {table[row, at]:g}"
        raise InputError(
            f"{path}: column {columns[at]!r} {what} in row {row + 1}; label distances need labels "
            "that are finite in float32, or NaN where one is missing"
        )
    return table


def _precision(path: Path, column: "pd.Series[Any]") -> list[str]:
    """Notes on the precision of a column; raises an InputError if float64 merges labels."""
    own, double, single = (
        column.astype(dtype).nunique() for dtype in (column.dtype, "float64", "float32")
    )
    if double < own:
        raise InputError(
            f"{path}: column {column.name!r} has {own} different numbers, which float64 does not "
            "keep apart; subtract the smallest from all"
        )
    if single == double:
        return []
    return [
        f"float32 would merge {double} different labels of column {column.name!r} into {single}, "
        "so labels stay in float64"
    ]


def _spread(column: "pd.Series[Any]") -> list[str]:
    """A note if a column has no two different labels."""
    values = column.dropna().unique()
    if len(values) > 1:
        return []
    what = f"is {values[0]}" if len(values) else "is missing"
    return [f"every label of column {column.name!r} {what}, which tells no losses apart"]


def _require_labels(path: Path, frame: "pd.DataFrame") -> None:
    """Refuse columns that are unlikely to be labels, unless the user named them."""
    names = [str(name) for name in frame.columns]
    numbers = [n for n in names if re.fullmatch(r"[-+]?\d+[.,]?\d*([eE][-+]?\d+)?", n)]
    if path.suffix.lower() not in FORMATS[1:3] and numbers:
        raise InputError(
            f"{path}: the first line holds numbers ({', '.join(numbers[:3])}), so it names no "
            "columns; add a first line of names, or name these columns after FILE:"
        )
    _numeric(path, frame, names, named=len(names) == 1)
    for name in names if len(names) > 1 else ():
        column = frame[name]
        whole = str(column.dtype).lower().startswith(("int", "uint")) and column.is_unique
        if name.startswith("Unnamed: ") or (
            whole and len(column) > 2 and column.max() - column.min() == len(column) - 1
        ):
            others = ",".join(other for other in names if other != name)
            raise InputError(
                f"{path}: column {name!r} numbers the rows; name the label columns, as in "
                f"{path}:{others}"
            )


def read_label_file(spec: str) -> LabelFile:
    """The file named by ``FILE[:COLUMN,...]``, with its labels.

    Without columns, every column is a label dimension; columns that are unlikely to be labels are
    refused. Two-axis arrays give columns ``name.0``, ``name.1`` and so on.
    """
    path, text = _split(spec)
    if not path.is_file():
        raise InputError(f"no labels file {str(path)!r}")
    packed = path.suffix.lower() in _PACKED and path.with_suffix("").suffix in (".csv", ".tsv")
    if not packed and path.suffix.lower() not in FORMATS:
        raise InputError(
            f"{path}: labels can be read from {', '.join(FORMATS)}, not from {path.suffix!r}; "
            "save them as .csv"
        )
    try:
        with warnings.catch_warnings(action="ignore"):
            frame, notes = _read_frame(path)
    except InputError:
        raise
    except Exception as error:
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        what = what.removeprefix("Error tokenizing data. C error: ")  # pandas' words
        raise InputError(f"{path} cannot be read: {what}") from error
    if len(frame) < 2:
        raise InputError(f"{path}: {plural(len(frame), 'row')}; a batch has at least 2")
    frame.columns = frame.columns.map(str)
    try:
        columns = [text] if text in frame.columns else next(csv.reader([text]), [])
    except csv.Error:
        columns = [text]
    columns = [column.strip() for column in columns if column.strip()]
    for column in columns:
        if column not in frame.columns:
            quotes = "put a name with a comma in quotes, as in FILE:'\"a, b\"'"
            hint = f"these are the columns of {path}; {quotes}"
            raise UnknownNameError("column", column, frame.columns, hint)
    if not columns:
        _require_labels(path, frame)
    chosen = columns or list(frame.columns)
    table = _numeric(path, frame, chosen)
    if not frame[chosen].notna().any(axis=None):
        raise InputError(f"{path}: no row has a label in {', '.join(map(repr, chosen))}")
    digest = hashlib.sha256(repr(table.shape).encode() + table.tobytes()).hexdigest()[:12]
    notes.insert(0, f"labels are {len(table)} rows of {path.name}: {', '.join(chosen)}")
    with warnings.catch_warnings(action="ignore"):  # NaN is of many kinds
        for column in chosen:
            notes += [*_precision(path, frame[column]), *_spread(frame[column])]
    place = str(path.resolve())
    return LabelFile(place, tuple(chosen), digest, len(table), tuple(notes), table)
