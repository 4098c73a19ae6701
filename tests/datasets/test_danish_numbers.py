from __future__ import annotations

import math
import random
from decimal import Decimal as Exact

import numpy as np
import pandas as pd
import pytest

from benchmodels.datasets.danish_numbers import read_number, read_numbers
from benchmodels.errors import BenchmodelsError, DataError, SpecificationError

READ = [
    ("1.234,5", 1234.5, ""),
    ("1 234,5", 1234.5, ""),
    ("1\u00a0234,5", 1234.5, ""),
    ("1\u202f234,5", 1234.5, ""),
    ("1\u2009234\u2009567,25", 1234567.25, ""),
    ("1.234.567", 1234567.0, ""),
    ("1.234.567,8", 1234567.8, ""),
    ("1234", 1234.0, ""),
    ("1234,567", 1234.567, ""),
    ("1234.567", 1234.567, ""),
    ("1 234", 1234.0, ""),
    ("0,123", 0.123, ""),
    ("0.123", 0.123, ""),
    ("0", 0.0, ""),
    ("12,3", 12.3, ""),
    ("12.3", 12.3, ""),
    ("1,234.5", 1234.5, ""),
    ("1,234,567", 1234567.0, ""),
    ("12,3 %", 12.3, "%"),
    ("100,0\u00a0%", 100.0, "%"),
    ("12%", 12.0, "%"),
    ("\u22123,1", -3.1, ""),
    ("-3,1", -3.1, ""),
    ("\u20133,1 %", -3.1, "%"),
    ("+3,1", 3.1, ""),
    (" 7 ", 7.0, ""),
    (5, 5.0, ""),
    (np.float32(0.5), 0.5, ""),
    (np.int64(-2), -2.0, ""),
]
MARKS = [
    "..",
    ".",
    "…",
    "-",
    "–",
    "*",
    "**",
    "i.o.",
    "I.O.",
    "<5",
    "< 5",
    "≤3",
    ">95 %",
    "x",
    "z",
    "<fejl>",
    "Uoplyst",
    "•",
    "N/A",
]
WRONG = [
    "12.34,5",
    "1 23",
    "1.23,4.5",
    "1,23,4",
    "12,3,4",
    "1e5",
    "inf",
    "-inf",
    "3,1-",
    "(3,1)",
    "kr. 5",
    "5 kr.",
    "1'234",
]
WRONG += [
    "--3",
    "- - 3",
    "٣",
    "½",
    "1 2345",
    "1234 567",
    "1.234 567",
    "12 %%",
    "‰",
    "5‰",
    "0x1",
    "1_000",
    "abc",
    "1;2",
    "%",
    "0.123.456",
]
WRONG += ["1,234.567.8", "1.234,567.8", "01.234", "007", "01.02", "00,5", "012 345", "12,", ",5", "12.", "- %"]


@pytest.mark.parametrize(("text", "value", "mark"), READ)
def test_read_in_one_way_only(text: object, value: float, mark: str) -> None:
    assert read_number(text) == (value, mark)


@pytest.mark.parametrize("mark", MARKS)
def test_marks_are_kept(mark: str) -> None:
    for decimal in (None, "comma", "point"):
        value, kept = read_number(f" {mark} ", decimal=decimal)  # type: ignore[arg-type]
        assert math.isnan(value) and kept == mark


@pytest.mark.parametrize("cell", ["", "  ", "\u00a0", None, float("nan"), np.float64("nan"), pd.NA, pd.NaT])
def test_blank(cell: object) -> None:
    value, mark = read_number(cell)
    assert math.isnan(value) and mark == "blank"


@pytest.mark.parametrize("text", WRONG)
@pytest.mark.parametrize("decimal", [None, "comma", "point"])
def test_no_number_is_an_error(text: str, decimal: str | None) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_number(text, decimal=decimal)  # type: ignore[arg-type]


def test_two_readings_are_an_error_until_the_sign_is_said() -> None:
    for text, comma, point in [("1.234", 1234.0, 1.234), ("1,234", 1.234, 1234.0), ("-12.345 %", -12345.0, -12.345)]:
        with pytest.raises(DataError, match="say decimal="):
            read_number(text)
        assert read_number(text, decimal="comma").value == comma
        assert read_number(text, decimal="point").value == point
    for text, decimal in [("12.3", "comma"), ("12,3", "point"), ("1,234.5", "comma"), ("1.234,5", "point")]:
        with pytest.raises(DataError, match="its decimal sign is the"):
            read_number(text, decimal=decimal)  # type: ignore[arg-type]
    with pytest.raises(SpecificationError):
        read_number("1", decimal=",")  # type: ignore[arg-type]
    with pytest.raises(SpecificationError):
        read_numbers(["1"], decimal=["comma"])  # type: ignore[arg-type]


def test_a_column_shows_its_own_sign() -> None:
    read = read_numbers(pd.Series(["1.234", "12,5", "..", None, "-"], index=list("edcba")))
    assert read.decimal == "comma" and read.values.tolist()[:2] == [1234.0, 12.5]
    assert read.marks.tolist() == ["", "", "..", "blank", "-"] and read.values.index.tolist() == list("edcba")
    assert read_numbers(["1.234", "12.5"]).values.tolist() == [1.234, 12.5]
    assert read_numbers(["1.234", "2"], decimal="comma").values.tolist() == [1234.0, 2.0]
    assert read_numbers([]).values.empty and read_numbers(["1", "2"]).decimal is None
    with pytest.raises(DataError, match="1 of 2 cells cannot be read: '1.234' in row 1"):
        read_numbers(["1.234", "2"])
    with pytest.raises(DataError, match="both decimal signs"):
        read_numbers(["12,5", "12.5"])
    with pytest.raises(DataError, match="1 of 2 numbers are written with %"):
        read_numbers(["12,5", "12,5 %"])
    assert read_numbers(["12,5 %", "..", "7 %"]).marks.tolist() == ["%", "..", "%"]
    with pytest.raises(DataError, match="7 of 7 cells .* and 2 more"):
        read_numbers(["a?"] * 7)
    for wrong in ("1,2", 5, b"1"):
        with pytest.raises(DataError, match="a column or list"):
            read_numbers(wrong)  # type: ignore[arg-type]
    for cell in (True, np.True_, float("inf"), b"1", [1], 1j, 10**400, "9" * 400, "9" * 500):
        with pytest.raises(DataError):
            read_numbers([cell])


def danish(value: Exact, decimals: int, space: str) -> str:
    return f"{value:,.{decimals}f}".replace(",", "\0").replace(".", ",").replace("\0", space)


def test_what_is_written_is_read_back() -> None:
    draw = random.Random(3)
    for _ in range(4000):
        decimals = draw.randint(0, 4)
        value = Exact(draw.randint(-(10**9), 10**9)).scaleb(-decimals)
        for space in (".", " ", "\u00a0", "\u202f", ""):
            assert read_number(danish(value, decimals, space), decimal="comma").value == float(value)
        assert read_number(f"{value:,.{decimals}f}", decimal="point").value == float(value)


def test_without_a_sign_no_reading_is_ever_wrong() -> None:
    draw = random.Random(4)
    for _ in range(4000):
        decimals = draw.randint(0, 4)
        value = Exact(draw.randint(-(10 ** draw.randint(1, 9)), 10**7)).scaleb(-decimals)
        for text in (danish(value, decimals, "."), danish(value, decimals, " "), f"{value:,.{decimals}f}"):
            try:
                assert read_number(text).value == float(value), text
            except DataError as error:
                assert "say decimal=" in str(error)


def test_anything_ends_in_a_number_or_a_benchmodels_error() -> None:
    draw = random.Random(5)
    for _ in range(5000):
        text = "".join(draw.choice("0123456789.,-–−% \u00a0<>*…eE+i.oNa'٣") for _ in range(draw.randint(0, 9)))
        for decimal in (None, "comma", "point"):
            try:
                value, mark = read_number(text, decimal=decimal)  # type: ignore[arg-type]
            except BenchmodelsError:
                continue
            assert math.isfinite(value) or mark
