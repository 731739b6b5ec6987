"""E-mail addresses, as requests may say them."""

from typing import Annotated

from pydantic import Field

from bluelobster.http.patterns import pattern

EMAIL = pattern(
    r"^[^@\s<>\"'(),:;\[\]\\]+@[^@\s<>\"'(),:;\[\]\\]+\.[^@\s<>\"'(),:;\[\]\\]+$",
    "Must be an e-mail address, such as ada@example.com",
)
Email = Annotated[str, Field(max_length=254, pattern=EMAIL)]
