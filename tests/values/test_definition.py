import pytest

from supcr_bench.values.definition import (
    DEFINITIONS,
    NO_SELF,
    RANK_N_CONTRAST,
    TORCHCELL,
    current_name,
    get_definition,
)
from supcr_bench.values.errors import UnknownNameError, UsageError


@pytest.mark.parametrize("name", ["torchcell", "no-self", "rank-n-contrast"])
def test_shipped_definitions_are_found_by_name(name: str) -> None:
    assert get_definition(name).name == name
    assert DEFINITIONS[name] is get_definition(name)


def test_an_unknown_definition_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'torchcell'"):
        get_definition("torchcel")


def test_no_self_and_torchcell_differ_in_the_self_candidate_and_the_floor_only() -> None:
    fields = TORCHCELL.__slots__
    differing = {f for f in fields if getattr(TORCHCELL, f) != getattr(NO_SELF, f)}
    assert differing == {"name", "self_candidate", "eps"}
    assert (TORCHCELL.self_candidate, NO_SELF.self_candidate) == ("when_tied", "never")
    assert (TORCHCELL.eps, NO_SELF.eps) == (1e-7, None)


def test_rank_n_contrast_has_the_choices_of_its_official_code() -> None:
    chosen = RANK_N_CONTRAST
    assert chosen.similarity == "negative_euclidean"
    assert chosen.views == "concatenate"
    assert chosen.self_candidate == "never"
    assert chosen.label_distance == "l1"
    assert chosen.nan_labels == "unsupported"
    assert chosen.eps is None
    assert chosen.temperature == 2.0
    assert chosen.call == "features_two_views"


def test_the_old_name_of_a_definition_is_refused_with_its_new_one() -> None:
    with pytest.raises(UsageError, match="'paper' is now called 'no-self'"):
        get_definition("paper")
    assert current_name("paper") == "no-self"
    assert current_name("torchcell") == "torchcell"
