"""The data of a run inside its report: all of it comes back, and what is no report is said."""

import base64
import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from supcr_bench.store.loaded_run import SCHEMA_VERSION, Run
from supcr_bench.store.report_file import embedded, load_report
from supcr_bench.store.run import RunWriter, find_run, load_run
from supcr_bench.values.errors import StoreError
from supcr_bench.values.result import Result, Status
from supcr_bench.verification.verification import Verification
from tests.examples import measured
from tests.made_verifications import DIAGNOSIS, LATE, OFF, make_verification

RESULTS = (
    replace(
        measured(16, (0.1 + 0.2, 1e-9 / 3, 5e-324)),
        value_difference={"other": 1e-7, "</a><b>": None},
        peak_bytes=2**53 + 1,
        aa_samples_s=(0.1,),
    ),
    Result(
        implementation="<script>",
        case=measured(32).case,
        status=Status.SKIPPED,
        reason='"&\n\u2028',
    ),
)
FOUND = make_verification("one", OFF, LATE, diagnosis=DIAGNOSIS)
INFO: dict[str, Any] = {
    "schema_version": SCHEMA_VERSION,
    "id": "20260101T000000Z-made",
    "environment": {"cpu": "some"},
}


def made(verification: dict[str, Verification] | None = None, **info: Any) -> Run:
    return Run(Path("anywhere"), INFO | info, RESULTS, verification)


def page(tmp_path: Path, address: str, element: str = '<a id="{id}" href="{address}">') -> Path:
    """A page with an address in it, beside much else."""
    path = tmp_path / "sent.html"
    anchor = element.format(id="run-data", address=address)
    path.write_text(
        f"<!doctype html><title>x</title><a href='#top'>up</a>{anchor}data</a>", encoding="utf-8"
    )
    return path


def packed(values: Any) -> str:
    data = values if isinstance(values, bytes) else json.dumps(values).encode()
    return "data:application/gzip;base64," + base64.b64encode(gzip.compress(data, mtime=0)).decode()


def whole(**changes: Any) -> dict[str, Any]:
    return {"run": INFO, "results": {}, "verification": None} | changes


@pytest.mark.parametrize("verification", [None, {"one": FOUND}])
def test_a_run_comes_back_from_its_page_to_the_last_digit(
    tmp_path: Path, verification: dict[str, Verification] | None
) -> None:
    run = made(verification)
    path = page(tmp_path, embedded(run))
    found = load_report(path)
    assert found == replace(run, path=path)
    assert embedded(found) == embedded(run)


def test_a_run_without_results_comes_back_too(tmp_path: Path) -> None:
    run = replace(made(), results=())
    assert load_report(page(tmp_path, embedded(run))).results == ()


@pytest.mark.parametrize(
    "element",
    [
        "<a href='{address}' download='x' id='{id}'>",
        "<A\n  CLASS=quiet\n  HREF={address}\n  ID={id}>",
        '<!-- <a id="{id}" href="data:,"> --><a id="other" href="#"></a>'
        '<a id="{id}" href="{address}">',
    ],
)
def test_how_the_element_is_written_does_not_matter(tmp_path: Path, element: str) -> None:
    assert load_report(page(tmp_path, embedded(made()), element)).results == RESULTS


def test_five_thousand_results_leave_room_for_the_page() -> None:
    """Samples as irregular as a clock gives them; a page is to stay under 3 MB."""
    results = [
        replace(
            measured(16 + i, tuple((i * 7919 + k * 104729) % 10**8 * 1e-9 for k in range(15))),
            loss=1 / (i + 3),
            value_error=1e-7 / (i + 7),
            value_tolerances=1 / (i + 11),
            peak_bytes=i * 7919 % 10**9,
        )
        for i in range(5000)
    ]
    assert len(embedded(replace(made(), results=tuple(results)))) < 1_600_000


def test_a_report_is_taken_wherever_a_run_is(tmp_path: Path) -> None:
    folder = tmp_path / "mailed"
    folder.mkdir()
    file = page(folder, embedded(made())).rename(folder / "index.html")
    for name in (file, folder):
        assert find_run(str(name), tmp_path / "results") == file
        assert load_run(name, tmp_path / "results").results == RESULTS
    with pytest.raises(StoreError, match="no run"):
        find_run(str(folder / "other.html"), tmp_path)


def test_the_run_itself_goes_before_the_page_beside_it(tmp_path: Path) -> None:
    with RunWriter.create(tmp_path, "run", {"environment": {}}) as writer:
        (writer.path / "index.html").write_text("<p>")
    assert load_run(writer.path, tmp_path).results == ()
    assert find_run("run", tmp_path) == writer.path


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("data:,hello", "holds no data of a run"),
        ("data:application/gzip;base64,&&&", "damaged"),
        ("data:application/gzip;base64,AAAA", "damaged"),
        (embedded(made())[:-40], "damaged"),
        (packed(b"{"), "damaged"),
        (packed([]), "damaged"),
        (packed({"run": INFO}), "damaged"),
        (packed(whole(run={"id": "x"})), "damaged"),
        (packed(whole(run=INFO | {"id": "../../x"})), "damaged.*not the id"),
        (packed(whole(run=INFO | {"id": ""})), "damaged.*not the id"),
        (packed(whole(results={"a": [1], "b": []})), "damaged"),
        (packed(whole(results=[])), "damaged"),
        (
            packed(whole(results={"a": [1]})),
            "result 1 is not a valid result: key 'batch_size' is missing",
        ),
        (packed(whole(verification={"a": 1})), "the verification of 'a' is not valid"),
        (
            packed(whole(run=INFO | {"schema_version": SCHEMA_VERSION + 1})),
            f"has schema {SCHEMA_VERSION + 1}.*install a newer",
        ),
    ],
)
def test_data_that_cannot_be_used_are_refused_with_the_file_and_the_reason(
    tmp_path: Path, address: str, words: str
) -> None:
    with pytest.raises(StoreError, match=rf"sent\.html.*{words}"):
        load_report(page(tmp_path, address))


def test_a_page_without_data_or_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no data of a run"):
        load_report(page(tmp_path, "", '<a id="{id}x" href="{address}">'))
    binary = tmp_path / "binary.html"
    binary.write_bytes(b"\xff\xfe")
    for path in (binary, tmp_path / "nowhere.html"):
        with pytest.raises(StoreError, match="cannot be read"):
            load_report(path)
