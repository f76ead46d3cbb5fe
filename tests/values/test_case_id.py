from dataclasses import replace
from typing import Any

import pytest

from supcr_bench.values.case import Case

CASE = Case(batch_size=64, dims=2, nan_density=0.2, pass_="training")
OTHERS: dict[str, Any] = {
    "batch_size": 128,
    "nan_density": 0.25,
    "dims": 3,
    "embedding_size": 32,
    "dtype": "float16",
    "temperature": 0.05,
    "labels": "tied",
    "device": "cuda:1",
    "seed": 3,
    "definition": "no-self",
    "pass_": "forward",
}


def test_an_id_names_what_is_not_usual() -> None:
    assert CASE.id == "training-N64-D2-nan0.2"
    assert replace(CASE, nan_density=None, labels="file:0123abcd", temperature=1.0).id == (
        "training-N64-D2-file-0123abcd-tau1"
    )
    assert replace(CASE, **OTHERS).id == (
        "forward-N128-D3-nan0.25-tied-d32-float16-tau0.05-cuda-1-no-self-seed3"
    )


@pytest.mark.parametrize("field", OTHERS)
def test_cases_that_differ_in_one_field_have_different_ids(field: str) -> None:
    assert replace(CASE, **{field: OTHERS[field]}).id != CASE.id


def test_close_numbers_stay_apart() -> None:
    one, other = (replace(CASE, temperature=t).id for t in (0.0123456789, 0.0123456788))
    assert one != other


def test_the_name_of_a_definition_is_one_word() -> None:
    long = "rank-n-contrast but a single view and cosine similarity"
    assert replace(CASE, definition=long).id == (
        "training-N64-D2-nan0.2-rank-n-contrast-but-a-single-view-and-cosine-similarity"
    )
