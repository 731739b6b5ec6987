"""Strings as they may come in."""

import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
RULE = "Must not contain control characters"
RULE_OF_KEYS = "The names in it must not contain control characters"

Place = tuple[str | int, ...]


def unclean(value: Any, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Where in `value` there are NULs, escape sequences or lone surrogates, with the rule that this breaks."""
    if isinstance(value, str) and CONTROL.search(value):
        yield place, RULE
    if isinstance(value, dict):
        if any(isinstance(key, str) and CONTROL.search(key) for key in value):
            yield place, RULE_OF_KEYS
            return
        for key, inner in value.items():
            yield from unclean(inner, (*place, key))
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from unclean(inner, (*place, index))


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
