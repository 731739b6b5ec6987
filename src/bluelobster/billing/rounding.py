"""The billing rule: half hours, rounded to the nearest, at least one. All in integers."""

STEP_SECONDS = 1800


def half_hours(seconds: int) -> int:
    """Billed half hours of a use that lasted so long."""
    return max(1, (seconds + STEP_SECONDS // 2) // STEP_SECONDS)


def cents(half_hours_used: int, cents_per_hour: int) -> int:
    """What they cost, in whole cents; half a cent is rounded up."""
    return (half_hours_used * cents_per_hour + 1) // 2
