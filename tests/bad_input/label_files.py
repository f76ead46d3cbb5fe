"""Label files that cannot be used as they are, each with a part of the answer."""

import bz2
import gzip
import io
import lzma
import pickle
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt

GOOD = "y,z\n" + "".join(f"{i % 7 / 4},{(3 * i) % 11 / 2}\n" for i in range(24))


def npy(array: "npt.NDArray[Any]", *, pickled: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=pickled)
    return file.getvalue()


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name.replace("__", "/"), content)
    return file.getvalue()


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return open, ("unpickled", "w")


FILES: dict[str, str | bytes] = {
    "good.csv": GOOD,
    "empty.csv": "",
    "blank.csv": "\n\n\n",
    "header.csv": "y,z\n",
    "one-row.csv": "y\n1\n",
    "binary.csv": bytes(range(256)),
    "image.csv": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(40),
    "text.csv": "name,y\na,1\nb,2\nc,3\n",
    "dates.csv": "y,day\n1,2020-01-01\n2,2020-02-01\n3,2020-03-01\n",
    "units.csv": "y\n1 kg\n2 kg\n",
    "percent.csv": "y\n10%\n20%\n",
    "dash.csv": "y\n1\n-\n3\n",
    "no-header.csv": "1.5,2\n2.5,3\n3.5,5\n",
    "no-header-one.csv": "1.5\n2.5\n3.5\n",
    "no-header-exponent.csv": "1e3,2e3\n2e3,1e3\n3e3,5e3\n",
    "no-header-half.csv": "y,2\n1,3\n2,5\n",
    "twice.csv": "y,y\n1,2\n3,4\n",
    "thrice.csv": "y;z;y;y\n1;2;3;4\n5;6;7;8\n",
    "pandas-index.csv": ",y\n0,1.5\n1,2.5\n2,0.5\n",
    "index-from-1.csv": "row,y\n1,1.5\n2,2.5\n3,0.5\n",
    "index-shuffled.csv": "row,y\n3,1.5\n1,2.5\n2,0.5\n",
    "index-last.csv": "y,row\n1.5,10\n2.5,11\n0.5,12\n",
    "infinite.csv": "y\n1\ninf\n2\n",
    "minus-infinite.csv": "y\n1\n-Infinity\n2\n",
    "overflow.csv": "y\n1\n1e400\n2\n",
    "huge.csv": "y\n1\n1e300\n2\n",
    "just-too-large.csv": "y\n1\n3.5e38\n2\n",
    "id64.csv": "y\n9007199254740993\n9007199254740992\n3\n",
    "id-beyond-64.csv": "y\n99999999999999999999999\n99999999999999999999998\n3\n",
    "thousands.csv": "y;z\n1,500;2\n2,250;3\n",
    "thousands-points.csv": "y\n1.500.000\n2.500.000\n",
    "mixed-decimals.csv": "y;z\n1,5;2\n2.5;3\n",
    "ragged.csv": "y,z\n1,2\n1,2,3,4\n",
    "row-names.csv": "y,z\nr1,1,2\nr2,3,4\n",
    "row-names-tab.tsv": "y\tz\n1\t1.5\t2\n2\t3\t4\n",
    "quote.csv": 'y,z\n"1,2\n3,4\n',
    "nul.csv": "y\n1\0\n2\n",
    "comma-name.csv": '"age, years",y\n1,2.5\n5,4\n',
    "space-name.csv": "birth year,y\n1999,2\n1990,4\n",
    "json.csv": '{"y": [1, 2, 3]}\n',
    "html.csv": "<html><body>not found</body></html>\n<p>\n",
    "utf16-cut.csv": "y\n1\n2\n".encode("utf-16")[:-1],
    "cut.csv.gz": gzip.compress(GOOD.encode(), mtime=0)[:-12],
    "not.csv.gz": GOOD,
    "not.csv.bz2": GOOD,
    "not.csv.xz": GOOD,
    "cut.csv.xz": lzma.compress(GOOD.encode())[:-20],
    "cut.csv.bz2": bz2.compress(GOOD.encode())[:-20],
    "labels.txt": GOOD,
    "labels.json": "[1, 2, 3]",
    "labels": GOOD,
    "labels.pkl": pickle.dumps([1, 2, 3]),
    "labels.h5": b"\x89HDF",
    "labels.csv.zip": zipped(**{"labels.csv": GOOD.encode()}),
    "labels.gz": gzip.compress(GOOD.encode(), mtime=0),
    "labels.tar.gz": gzip.compress(GOOD.encode(), mtime=0),
    "not.parquet": GOOD,
    "cut.parquet": b"PAR1" + bytes(20),
    "not.xlsx": GOOD,
    "not.npz": GOOD,
    "empty.npz": b"",
    "cut.npz": npz(y=np.arange(9.0))[:-30],
    "lengths.npz": npz(y=np.ones(3), z=np.ones(4)),
    "deep.npz": npz(y=np.ones((3, 2, 2))),
    "scalar.npz": npz(y=np.float64(3)),
    "none.npz": npz(),
    "complex.npz": npz(y=np.ones(3, complex)),
    "text.npz": npz(y=np.array(["a", "b", "c"])),
    "objects.npz": npz(y=np.array([{}, {}], dtype=object)),
    "member.npz": zipped(**{"..__..__y.npy": npy(np.ones(3)), "x.txt": b"no"}),
    "lying.npz": zipped(
        y=npy(np.ones(3)).replace(b"(3,)", b"(10000000000000,)").replace(b" " * 14 + b"\n", b"\n")
    ),
    "not.npy": GOOD,
    "empty.npy": b"",
    "scalar.npy": npy(np.array(3.0)),
    "deep.npy": npy(np.ones((2, 2, 2))),
    "objects.npy": npy(np.array([Evil(), Evil()], dtype=object), pickled=True),
    "cut.npy": npy(np.arange(100.0))[:300],
    "structured.npy": npy(np.ones(3, dtype=[("a", "f8"), ("b", "f8")])),
    "dates.npy": npy(np.array(["2020-01-01", "2021-01-01"], dtype="datetime64[D]")),
    "strings.npy": npy(np.array(["1", "x", "3"])),
    "nan.npy": npy(np.array([1.0, np.inf])),
    "not.pt": GOOD,
    "empty.pt": b"",
    "evil.pt": pickle.dumps(Evil()),
    "plain.pt": pickle.dumps([1.0, 2.0, 3.0]),
}

LABEL_ROWS: list[tuple[str, str]] = [
    ("nowhere.csv", "no labels file 'nowhere.csv'"),
    ("nowhere.csv:y", "no labels file 'nowhere.csv'"),
    ("nowhere.parquet", "no labels file"),
    (".", "no labels file"),
    ("/dev/null", "no labels file '/dev/null'"),
    (":y", "no labels file"),
    ("good.csv:x", "unknown column 'x'"),
    ("good.csv:Y", "known: y, z"),
    ("good.csv:y,x", "unknown column 'x'"),
    ("good.csv:y;z", "unknown column 'y;z'"),
    ("good.csv:y:z", "unknown column 'y:z'"),
    ("good.csv:0", "unknown column '0'"),
    ("empty.csv", "is empty"),
    ("blank.csv", "is empty"),
    ("header.csv", "0 rows; a batch has at least 2"),
    ("one-row.csv", "1 row; a batch has at least 2"),
    ("binary.csv", "is not text in columns"),
    ("image.csv", "is not text in columns"),
    ("text.csv", "column 'name' is not numeric (row 1 holds 'a'); name the label columns"),
    ("text.csv:name", "(row 1 holds 'a'); write a number there, or leave it empty"),
    ("dates.csv", "column 'day' is not numeric (row 1 holds '2020-01-01')"),
    ("units.csv", "(row 1 holds '1 kg'); write a number there"),
    ("percent.csv", "row 1 holds '10%'"),
    ("dash.csv", "row 2 holds '-'"),
    ("no-header.csv", "the first line holds numbers (1.5, 2)"),
    ("no-header.csv:y", "unknown column 'y'"),
    ("no-header-one.csv", "the first line holds numbers (1.5)"),
    ("no-header-exponent.csv", "add a first line of names"),
    ("no-header-half.csv", "the first line holds numbers (2)"),
    ("twice.csv", "2 columns are called 'y'; rename one"),
    ("twice.csv:y", "2 columns are called 'y'; rename one"),
    ("thrice.csv", "3 columns are called 'y'"),
    ("pandas-index.csv", "column 'Unnamed: 0' numbers the rows; name the label columns, as in"),
    ("index-from-1.csv", "index-from-1.csv:y"),
    ("index-shuffled.csv", "column 'row' numbers the rows"),
    ("index-last.csv", "column 'row' numbers the rows"),
    ("infinite.csv", "column 'y' is infinite in row 2"),
    ("minus-infinite.csv", "column 'y' is infinite in row 2"),
    ("overflow.csv", "column 'y' is infinite in row 2"),
    ("huge.csv", "column 'y' holds 1e+300 in row 2"),
    ("just-too-large.csv", "finite in float32"),
    ("id64.csv", "which float64 does not keep apart; subtract the smallest"),
    ("id-beyond-64.csv", "column 'y' is not numeric"),
    ("thousands.csv", "'1,500' may be 1500 or 1.500; write one of these"),
    ("thousands-points.csv", "row 1 holds '1.500.000'"),
    ("mixed-decimals.csv", "column 'y' is not numeric (row 1 holds '1,5')"),
    ("ragged.csv", "cannot be read: Expected 2 fields in line 3, saw 4"),
    ("row-names.csv", "the first line has 2 names and the second 3 values"),
    ("row-names-tab.tsv", "name every column in the first line"),
    ("quote.csv", "cannot be read"),
    ("nul.csv", "is not text in columns"),
    ("comma-name.csv:age", "put a name with a comma in quotes"),
    ("space-name.csv:birth", "did you mean 'birth year'?"),
    ("json.csv", "rows; a batch has at least 2"),
    ("html.csv", "1 row; a batch has at least 2"),
    ("utf16-cut.csv", "cannot be read"),
    ("cut.csv.gz", "cannot be read"),
    ("not.csv.gz", "Not a gzipped file"),
    ("not.csv.bz2", "Invalid data stream"),
    ("not.csv.xz", "cannot be read"),
    ("cut.csv.xz", "cannot be read"),
    ("cut.csv.bz2", "cannot be read"),
    ("labels.txt", "labels can be read from .csv, .parquet, .npz, .tsv, .npy, .pt, .xlsx"),
    ("labels.json", "save them as .csv"),
    ("labels", "not from ''"),
    ("labels.pkl", "not from '.pkl'"),
    ("labels.h5", "not from '.h5'"),
    ("labels.csv.zip", "not from '.zip'"),
    ("labels.gz", "not from '.gz'"),
    ("labels.tar.gz", "not from '.gz'"),
    ("not.parquet", "cannot be read"),
    ("cut.parquet", "cannot be read"),
    ("not.xlsx", "cannot be read"),
    ("not.npz", "cannot be read"),
    ("empty.npz", "cannot be read"),
    ("cut.npz", "cannot be read"),
    ("lengths.npz", "arrays of different lengths"),
    ("deep.npz", "array 'y' has 3 axes"),
    ("scalar.npz", "array 'y' has 0 axes"),
    ("none.npz", "0 rows"),
    ("complex.npz", "column 'y' is complex"),
    ("text.npz", "column 'y' is not numeric"),
    ("objects.npz", "allow_pickle=False"),
    ("member.npz", "cannot be read"),
    ("lying.npz", "cannot be read"),
    ("not.npy", "cannot be read"),
    ("empty.npy", "cannot be read"),
    ("scalar.npy", "has 0 axes"),
    ("deep.npy", "has 3 axes"),
    ("objects.npy", "allow_pickle=False"),
    ("cut.npy", "cannot be read"),
    ("structured.npy", "not numeric"),
    ("dates.npy", "not numeric"),
    ("strings.npy", "not numeric"),
    ("nan.npy", "is infinite in row 2"),
    ("not.pt", "holds more than tensors"),
    ("empty.pt", "cannot be read"),
    ("evil.pt", "holds more than tensors"),
    ("plain.pt", "holds more than tensors"),
]
"""What ``--labels`` is given, and a part of the answer; the status is 2."""
