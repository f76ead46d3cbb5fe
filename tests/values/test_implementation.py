from dataclasses import fields, replace
from functools import partial

from supcr_bench.values.definition import NO_SELF, RANK_N_CONTRAST
from supcr_bench.values.implementation import Description, Implementation
from tests.examples import NOTE_NAMES, implementation


def test_a_description_is_everything_but_name_and_code() -> None:
    own = {f.name for f in fields(Implementation)} - {f.name for f in fields(Description)}
    assert own == {"name", "factory", "process_changes"}
    for name in NOTE_NAMES:
        found = implementation(name)
        assert type(found.description) is Description
        for f in fields(Description):
            assert getattr(found.description, f.name) == getattr(found, f.name)


def test_an_implementation_claims_nothing_unless_it_says_so() -> None:
    plain = Implementation(name="a", title="A", source="here", factory=dict)
    assert (plain.claimed_time, plain.claimed_memory, plain.tags) == (None, None, ())
    assert plain.definition == "torchcell"
    assert plain.definitions == ()
    assert not plain.device_specific


def test_under_a_definition_that_it_computes_too_the_factory_is_told() -> None:
    plain = Implementation(name="a", title="A", source="here", factory=dict)
    assert plain.under("no-self") is plain
    several = replace(plain, definitions=("torchcell", "no-self"))
    assert several.under("torchcell") is several
    assert several.under("rank-n-contrast") is several
    other = several.under("no-self")
    assert other.definition == "no-self"
    assert other.factory(eps=0) == {"definition": "no-self", "eps": 0}


def test_an_own_definition_is_passed_on_where_any_will_do() -> None:
    mine = replace(RANK_N_CONTRAST, name="mine")
    scan = implementation("scan")
    factory = scan.under(mine).factory
    assert isinstance(factory, partial)
    assert factory.keywords == {"definition": mine, "weights": None}
    assert scan.under(replace(NO_SELF, name="mine")).definition == "mine"
    batched = implementation("batched")
    assert batched.under(mine) is batched
