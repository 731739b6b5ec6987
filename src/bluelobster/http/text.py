"""Strings as they may come in."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
RULE = "Must not contain control characters"
RULE_OF_KEYS = "The names in it must not contain control characters"
DEEPEST = 20
RULE_OF_DEPTH = f"Must not be nested more than {DEEPEST} levels deep"
MOST_TOLD = 20

Place = tuple[str | int, ...]


def unclean(value: Any) -> list[tuple[Place, str]]:
    """Where in `value` there are NULs, escape sequences or lone surrogates, and what is nested deeper than anything
    that is asked for, with the rule that this breaks; the first of them, where there are many."""
    return list(islice(_unclean(value, []), MOST_TOLD))


def _unclean(value: Any, place: list[str | int]) -> Iterator[tuple[Place, str]]:
    # The place is one list for all of a body: most values are well, and no other copy of it is needed.
    if isinstance(value, str):
        if CONTROL.search(value):
            yield tuple(place), RULE
    elif not isinstance(value, (dict, list)):
        return
    elif len(place) >= DEEPEST:
        yield tuple(place), RULE_OF_DEPTH
    elif isinstance(value, dict) and any(CONTROL.search(key) for key in value if isinstance(key, str)):
        yield tuple(place), RULE_OF_KEYS
    else:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            place.append(key)
            yield from _unclean(inner, place)
            place.pop()


def is_clean(value: str) -> str:
    """The text itself; ValueError where it holds control characters."""
    if CONTROL.search(value):
        raise ValueError(RULE)
    return value


CleanText = Annotated[str, AfterValidator(is_clean)]


class RequestBody(BaseModel):
    """A request's body: strict about control characters, silent about fields that it does not know."""

    model_config = ConfigDict(str_strip_whitespace=False, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _clean(cls, data: Any) -> Any:
        known = {name: data[name] for name in cls.model_fields if name in data} if isinstance(data, dict) else data
        if broken := [_error(place, rule) for place, rule in unclean(known)]:
            raise ValidationError.from_exception_data(cls.__name__, broken)
        return data


def _error(place: Place, rule: str) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError("control_characters", rule), loc=place, input=None)
