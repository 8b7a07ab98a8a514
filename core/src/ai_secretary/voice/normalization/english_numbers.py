"""English number words."""

from __future__ import annotations

from functools import lru_cache

from num2words import num2words

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@lru_cache(maxsize=8192)
def cardinal(number: int) -> str:
    words = str(num2words(abs(number), lang="en")).replace(",", "")
    return f"minus {words}" if number < 0 else words


@lru_cache(maxsize=2048)
def ordinal(number: int) -> str:
    return str(num2words(number, to="ordinal", lang="en")).replace(",", "")


def digits(written: str) -> str:
    return " ".join(_DIGITS[int(digit)] for digit in written if digit.isdigit())


@lru_cache(maxsize=2048)
def year(number: int) -> str:
    """`1905` → `nineteen oh-five`, `2024` → `twenty twenty-four`, `2005` → `two thousand and five`."""
    if 2000 <= number < 2010 or not 1000 <= number < 2100 or number % 1000 == 0:
        return cardinal(number)
    return str(num2words(number, to="year", lang="en")).replace(",", "")


def decimal(whole: str, fraction: str) -> str:
    """`3`, `14` → `three point one four`."""
    return f"{cardinal(int(whole or 0))} point {digits(fraction)}"


def number(written: str) -> str:
    """`1,234.5` in words."""
    whole, _, fraction = written.replace(",", "").replace(" ", "").partition(".")
    if not fraction:
        return cardinal(int(whole)) if len(whole) < 25 else digits(whole)
    return decimal(whole, fraction)
