"""Decimal texts without floats: the exchange sends numbers as strings and means every digit."""

from __future__ import annotations


def decimal_text(units: int, decimals: int) -> str:
    """`units` * 10**-decimals as the exchange writes it: no trailing zeros, no exponent."""
    assert units >= 0, units
    assert decimals >= 0, decimals
    if decimals == 0:
        return str(units)
    whole, part = divmod(units, 10**decimals)
    if part == 0:
        return str(whole)
    return f"{whole}.{part:0{decimals}d}".rstrip("0")


def decimal_units(text: str) -> tuple[int, int]:
    """The inverse: (units, decimals) of a plain decimal text."""
    whole, _, part = text.partition(".")
    return int(whole + part), len(part)


def split_size(size: str, count: int) -> list[str]:
    """`count` sizes whose decimal sum is exactly `size`: the matches behind an aggregated row.

    Deterministic, so that any two readers of the same row see the same matches. Where the size has
    fewer units than there are matches, smaller units are used.
    """
    assert count >= 1, count
    units, decimals = decimal_units(size)
    assert units > 0, size
    if count == 1:
        return [size]
    while units < count:
        units, decimals = units * 10, decimals + 1
    each, rest = divmod(units, count)
    sizes = [decimal_text(each, decimals)] * (count - 1)
    sizes.append(decimal_text(each + rest, decimals))
    return sizes
