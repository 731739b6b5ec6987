"""Hours as they are shown: money is never computed from them."""


def hours(seconds: int) -> float:
    """Billed seconds as hours, with four digits behind the point: 70200 are 19.5."""
    return round(seconds / 3600, 4)
