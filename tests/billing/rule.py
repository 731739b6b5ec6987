"""What use costs, in other words than the database's."""

from datetime import timedelta
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from fractions import Fraction
from math import floor


def cost(kind: str, price: int, used: timedelta, size: int = 0, *, over: bool = True) -> int:
    """Cents of a use that lasted so long, of so many bytes; of one that goes on still, unless it is `over`."""
    seconds = used // timedelta(seconds=1)
    if kind == "backup":
        gigabyte_months = Fraction(seconds, 3600) / 730 * Fraction(size, 2**30)
        return floor(gigabyte_months * price + Fraction(1, 2))
    if kind == "instance":
        hours = steps(Decimal(seconds) / 1800, over) / 2
    else:
        hours = steps(Decimal(seconds) / 3600, over) / 730
    return int((hours * price).quantize(Decimal(1), ROUND_HALF_UP))


def steps(count: Decimal, over: bool) -> Decimal:
    """Whole ones, or the nearest number and at least one."""
    if over:
        return max(Decimal(1), count.quantize(Decimal(1), ROUND_HALF_UP))
    return count.quantize(Decimal(1), ROUND_FLOOR)
