"""A run's raw data inside the page of its report, so that the page alone can be compared.

The page holds them in an element ``<a id="run-data" href="data:application/gzip;base64,...">``: a
gzip of one JSON object ``{"run", "results", "verification"}``. Results lie in columns, one list for
each field, because like beside like compresses to four fifths of what rows do. Nothing is rounded.
"""

import base64
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from supcr_bench.store.loaded_run import (
    Run,
    on_machines,
    require_known_schema,
    results_of,
    verification_of,
)
from supcr_bench.values.errors import StoreError

PAGE = "index.html"
ELEMENT_ID = "run-data"
_START = "data:application/gzip;base64,"


def embedded(run: Run) -> str:
    """The address that a page takes into its element; the same run gives the same text."""
    rows = [result.to_mapping() for result in run.results]
    values = {
        "run": dict(run.info),
        "results": {name: [row[name] for row in rows] for name in (rows[0] if rows else ())},
        "verification": None
        if run.verification is None
        else {name: found.to_mapping() for name, found in run.verification.items()},
    }
    text = json.dumps(values, allow_nan=False, separators=(",", ":"))
    return _START + base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def load_report(path: Path) -> Run:
    """Read the run that a report was made from.

    Raises:
        StoreError: the page cannot be read, holds no data, or damaged or newer ones.
    """
    try:
        page = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path} cannot be read: {error}") from None
    finder = _Finder()
    finder.feed(page)
    address = finder.address
    if address is None:
        raise StoreError(f"{path} holds no data of a run: it is no report, or not all of one")
    if not address.startswith(_START):
        raise StoreError(f"{path} holds data of another kind than a run's")
    try:
        packed = base64.b64decode(address.removeprefix(_START), validate=True)
        values = json.loads(gzip.decompress(packed))
        info, columns, verification = (values[k] for k in ("run", "results", "verification"))
        require_known_schema(info["schema_version"], path)
        rows = list(_rows(columns))
        run_id = info["id"]
        # It names a folder to write to, and whoever sent the page chose it.
        if not isinstance(run_id, str) or run_id in ("", "..") or Path(run_id).name != run_id:
            raise ValueError(f"no id of a run: {run_id!r}")
    except (
        OSError,
        EOFError,
        zlib.error,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        raise StoreError(f"{path}: the data of its run are damaged ({error})") from None
    found = None if verification is None else verification_of(verification, path)
    return Run(path, info, on_machines(results_of(rows, path), info), found)


def _rows(columns: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))


class _Finder(HTMLParser):
    """Finds the address of the data, wherever in the page and in whichever order it is written."""

    def __init__(self) -> None:
        super().__init__()
        self.address: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if self.address is None and tag == "a" and values.get("id") == ELEMENT_ID:
            self.address = values.get("href")
