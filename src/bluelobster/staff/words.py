"""Fields that several of staff's requests have."""

from typing import Annotated

from pydantic import Field

from bluelobster.http.patterns import pattern

NAME = pattern(
    r"^[a-z0-9][a-z0-9-]{0,62}$",
    "Must have 1 to 63 lower-case letters, digits and hyphens, and not begin with a hyphen",
)
IDENTIFIER = pattern(
    r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$",
    "Must have 1 to 63 letters, digits, underscores, dots and hyphens, and begin with a letter or digit",
)

Words = Annotated[str, Field(min_length=1, max_length=100)]
Name = Annotated[str, Field(pattern=NAME)]
Identifier = Annotated[str, Field(pattern=IDENTIFIER)]
