"""Strings as they may come in."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def refuse_control_characters(value: Any, path: str = "") -> None:
    """No NUL, escape sequence or lone surrogate anywhere in `value`; ValueError names where."""
    if isinstance(value, str) and CONTROL.search(value):
        raise ValueError(f"{path or 'the text'} must not contain control characters")
    if isinstance(value, dict):
        for key, inner in value.items():
            refuse_control_characters(key, f"{path}.{key!a}" if path else "a key")
            refuse_control_characters(inner, f"{path}.{key}" if path else str(key))
    if isinstance(value, list):
        for index, inner in enumerate(value):
            refuse_control_characters(inner, f"{path}[{index}]")


def is_clean(value: str) -> str:
    """The text itself; ValueError where it holds control characters."""
    refuse_control_characters(value)
    return value


CleanText = Annotated[str, AfterValidator(is_clean)]


class RequestBody(BaseModel):
    """A request's body: strict about control characters, silent about fields that it does not know."""

    model_config = ConfigDict(str_strip_whitespace=False, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _clean(cls, data: Any) -> Any:
        refuse_control_characters(data)
        return data
