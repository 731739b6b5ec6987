"""What a request that does not fit its schema is told: field, rule and way out, never its own input."""

from collections.abc import Mapping, Sequence
from typing import Any

from bluelobster.http.patterns import in_words
from bluelobster.http.text import MOST_TOLD

SAFE_CONTEXT = frozenset({"ge", "gt", "le", "lt", "min_length", "max_length", "pattern", "expected", "multiple_of"})


def validation_body(errors: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """FastAPI's `detail` list without inputs, and the same as `errors: [{field, message}]`; of many, the first."""
    detail = [_without_input(error) for error in errors[:MOST_TOLD]]
    fields = [{"field": field_of(error), "message": error["msg"]} for error in detail]
    message = "; ".join(f"{each['field']}: {each['message']}" for each in fields) or "The request is not valid"
    return {"error": "validation_error", "message": message, "errors": fields, "detail": detail}


def field_of(error: Mapping[str, Any]) -> str:
    """`("body", "metadata", "a")` as `metadata.a`; the body as a whole, or one that is not JSON, is `body`."""
    parts = [str(part) for part in error["loc"]]
    whole = len(parts) < 2 or error["type"] == "json_invalid"
    return "body" if whole else ".".join(parts[1:])


def _without_input(error: Mapping[str, Any]) -> dict[str, Any]:
    context = {key: value for key, value in (error.get("ctx") or {}).items() if key in SAFE_CONTEXT}
    words = in_words(context.get("pattern")) or str(error["msg"]).removeprefix("Value error, ")
    safe: dict[str, Any] = {"type": error["type"], "loc": list(error["loc"]), "msg": words}
    return {**safe, "ctx": context} if context else safe
