from dataclasses import fields, replace

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
