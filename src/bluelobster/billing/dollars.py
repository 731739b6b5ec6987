"""Cents as people read them."""


def amount(cents: int) -> str:
    """`1,012.30`, `-0.05`."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100:,}.{abs(cents) % 100:02d}"


def dollars(cents: int) -> str:
    """`$1,012.30`, `-$0.05`."""
    return f"{'-' if cents < 0 else ''}${amount(abs(cents))}"
