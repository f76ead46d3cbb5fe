import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supcr_bench.values.units import (
    digits_apart,
    format_bytes,
    format_clock,
    format_duration_s,
    format_error,
    format_limit_bytes,
    format_share,
    parse_bytes,
    parse_duration_s,
    parse_fraction,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("10s", 10.0),
        ("10 s", 10.0),
        ("  2min ", 120.0),
        ("2m", 120.0),
        ("1h", 3600.0),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("1e-3s", 1e-3),
        ("7", 7.0),
        (2.5, 2.5),
        ("10S", 10.0),
    ],
)
def test_a_duration_is_read_in_any_unit(text: str | float, seconds: float) -> None:
    assert parse_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "10 apples", "-1s", "1,5s", "10s10s", "nan", "inf", "x"])
def test_what_is_no_duration_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; write it like 10s"):
        parse_duration_s(text)


@pytest.mark.parametrize("text", ["0s", "0", "1e400s"])
def test_a_duration_is_finite_and_above_zero(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration above zero"):
        parse_duration_s(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4GiB", 4 * 2**30),
        ("4gib", 4 * 2**30),
        ("500MB", 500 * 10**6),
        ("1.5 KiB", 1536),
        ("2TB", 2 * 10**12),
        ("12b", 12),
        ("1048576", 2**20),
        (1024, 1024),
    ],
)
def test_a_size_is_read_in_binary_and_decimal_units(text: str | int, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "4 apples", "-4GiB", "4G", "10s"])
def test_what_is_no_size_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size; write it like 4GiB"):
        parse_bytes(text)


@pytest.mark.parametrize("text", ["0", "0GiB", "1e400"])
def test_a_size_is_finite_and_above_zero(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size above zero"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1.0594, "1.06 s"),
        (12.34, "12.3 s"),
        (3600.0, "3,600 s"),
        (0.0026, "2.60 ms"),
        (0.026, "26.0 ms"),
        (0.377, "377 ms"),
        (4.2e-6, "4.20 µs"),
        (1e-9, "1.00 ns"),
        (1e-11, "0.01 ns"),
        (None, "-"),
    ],
)
def test_a_duration_is_written_with_three_digits(seconds: float | None, text: str) -> None:
    assert format_duration_s(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (5.4, "0:05"), (245, "4:05"), (3723, "1:02:03")]
)
def test_a_clock_has_minutes_and_hours_only_when_there_are_any(seconds: float, text: str) -> None:
    assert format_clock(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (136_908_048, "137 MB"),
        (4_274_444, "4.27 MB"),
        (0, "0 B"),
        (512, "512 B"),
        (1000, "1.00 kB"),
        (2.5e9, "2.50 GB"),
        (3e12, "3.00 TB"),
        (None, "-"),
    ],
)
def test_a_size_is_written_in_decimal_units(size: float | None, text: str) -> None:
    assert format_bytes(size) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (8 * 2**30, "8 GiB"),
        (1.5 * 2**30, "1.5 GiB"),
        (2**40, "1 TiB"),
        (2**20, "1 MiB"),
        (2048, "2 KiB"),
        (100, "100 B"),
        (None, "-"),
    ],
)
def test_a_limit_is_written_in_binary_units(size: float | None, text: str) -> None:
    assert format_limit_bytes(size) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0, "0"),
        (0.0123, "0.012"),
        (1.26, "1.3"),
        (42.4, "42"),
        (250.4, "250"),
        (1.26e-8, "1.3e-08"),
        (22897.5, "2.3e+04"),
        (-0.5, "-0.5"),
    ],
)
def test_an_error_is_written_with_two_digits(value: float | None, text: str) -> None:
    assert format_error(value) == text


@given(st.integers(min_value=1, max_value=2**50))
@settings(deadline=None, derandomize=True, max_examples=100)
def test_whole_bytes_and_seconds_are_read_back_as_written(number: int) -> None:
    assert parse_bytes(str(number)) == number
    assert parse_duration_s(number) == number


@given(st.sampled_from([8, 100, 999]), st.sampled_from(["KiB", "MiB", "GiB", "MB", "GB", "TB"]))
@settings(deadline=None, derandomize=True, max_examples=20)
def test_a_limit_is_written_as_a_person_gave_it(count: int, unit: str) -> None:
    assert format_limit_bytes(parse_bytes(f"{count}{unit}")) == f"{count} {unit}"


@pytest.mark.parametrize(
    ("text", "fraction"), [("5%", 0.05), (" 12.5 % ", 0.125), ("0.05", 0.05), ("1e-3", 0.001)]
)
def test_a_fraction_is_read_with_or_without_a_percent_sign(text: str, fraction: float) -> None:
    assert parse_fraction(text) == pytest.approx(fraction)


@pytest.mark.parametrize("text", ["", "%", "x", "5", "0", "100%", "-5%", "nan", "5%%"])
def test_what_is_no_fraction_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="is not a share between 0 and 1; write it like 5%"):
        parse_fraction(text)


@pytest.mark.parametrize(
    ("share", "text", "signed"),
    [
        (0.05, "5%", "+5%"),
        (0.0634, "6.3%", "+6.3%"),
        (-0.126, "-13%", "-13%"),
        (0.0000034, "0.00034%", "+0.00034%"),
        (0.9949, "99%", "+99%"),
        (0.996, "100%", "+100%"),
        (12.0, "1,200%", "+1,200%"),
    ],
)
def test_shares_have_two_digits_and_a_sign_where_they_are_a_change(
    share: float, text: str, signed: str
) -> None:
    assert format_share(share) == text
    assert format_share(share, signed=True) == signed


@given(
    st.floats(1e-9, 1e9).map(lambda x: -x) | st.floats(1e-9, 1e9),
    st.sampled_from([0.0, 1e-15, 1e-12, 1e-7, 1e-3]),
)
def test_two_different_numbers_get_the_digits_that_tell_them_apart(one: float, off: float) -> None:
    other = one * (1 + off)
    digits = digits_apart(one, other)
    assert digits >= 6
    assert (f"{one:.{digits}g}" == f"{other:.{digits}g}") == (one == other)
    assert digits == 6 or f"{one:.{digits - 1}g}" == f"{other:.{digits - 1}g}"
