"""What a request that does not fit its schema is told: field, rule and way out, never its own input."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SAFE_CONTEXT = frozenset({"ge", "gt", "le", "lt", "min_length", "max_length", "pattern", "expected", "multiple_of"})


def validation_body(errors: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """FastAPI's `detail` list without inputs, and the same as `errors: [{field, message}]`."""
    detail = [_without_input(error) for error in errors]
    fields = [{"field": field_name(error["loc"]), "message": str(error["msg"])} for error in detail]
    message = "; ".join(f"{each['field']}: {each['message']}" for each in fields) or "The request is not valid"
    return {"error": "validation_error", "message": message, "errors": fields, "detail": detail}


def field_name(loc: Iterable[object]) -> str:
    """`("body", "metadata", "a")` as `metadata.a`; the body as a whole is `body`."""
    parts = [str(part) for part in loc]
    return ".".join(parts[1:]) or (parts[0] if parts else "body")


def _without_input(error: Mapping[str, Any]) -> dict[str, Any]:
    safe: dict[str, Any] = {"type": error["type"], "loc": list(error["loc"]), "msg": error["msg"]}
    context = {key: value for key, value in (error.get("ctx") or {}).items() if key in SAFE_CONTEXT}
    return {**safe, "ctx": context} if context else safe
