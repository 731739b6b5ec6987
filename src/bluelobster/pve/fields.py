"""Reading answers: Proxmox VE sends numbers as numbers or strings, and booleans as 0 and 1."""

import math
import re
from collections.abc import Mapping

from bluelobster.pve.errors import UnexpectedAnswer

Fields = Mapping[str, object]


def mapping(value: object) -> Fields:
    """`value` as an object."""
    if not isinstance(value, Mapping):
        raise UnexpectedAnswer(f"an object was expected, not {type(value).__name__}")
    return value


def mappings(value: object) -> list[Fields]:
    """`value` as a list of objects."""
    if not isinstance(value, list):
        raise UnexpectedAnswer(f"a list was expected, not {type(value).__name__}")
    return [mapping(entry) for entry in value]


def string(value: object) -> str:
    """`value` as text."""
    if not isinstance(value, str):
        raise UnexpectedAnswer(f"text was expected, not {type(value).__name__}")
    return value


def text(fields: Fields, name: str) -> str:
    """A field that must be there, as text; numbers are written out."""
    value = fields.get(name)
    if not isinstance(value, str | int | float):
        raise UnexpectedAnswer(f"field {name!r} is missing or is not text")
    return str(value)


def optional_text(fields: Fields, name: str) -> str | None:
    """A field as text, or None when it is absent."""
    return None if fields.get(name) is None else text(fields, name)


def number(fields: Fields, name: str, default: float | None = None) -> float:
    """A field as a number; `default` when it is absent."""
    value = fields.get(name)
    if value is None and default is not None:
        return default
    try:
        found = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise UnexpectedAnswer(f"field {name!r} is missing or is not a number")
    return found


def integer(fields: Fields, name: str, default: int | None = None) -> int:
    """A field as a whole number; `default` when it is absent."""
    value = fields.get(name)
    if value is None and default is not None:
        return default
    # Not by way of a float where it can be helped: that would round large counters.
    if isinstance(value, int) or (isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,20}", value)):
        return int(value)
    return int(number(fields, name))


def flag(fields: Fields, name: str) -> bool:
    """A field as a boolean; False when it is absent."""
    return fields.get(name) in (True, 1, "1")
