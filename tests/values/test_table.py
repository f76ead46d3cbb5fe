"""Tables as values."""

from supcr_bench.values.table import Table, row, words


def test_what_all_rows_have_in_common_are_the_facets_of_a_table() -> None:
    both = ({"pass": "training", "dims": "1"}, {"pass": "training", "dims": "2"})
    rows = tuple(row("x", facets=facets) for facets in both)
    assert Table("t", "T", words("x"), rows).facets == {"pass": "training"}
    assert Table("t", "T", words("x"), ()).facets == {}
