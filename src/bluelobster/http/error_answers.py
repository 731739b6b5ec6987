"""The errors that an operation can answer with, derived from what it is: so no route has to list them."""

from collections.abc import Iterator
from typing import Any

ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Error",
    "description": "What every error looks like; some carry more fields, such as `details`, `task_id` or `request_id`.",
    "required": ["error", "message"],
    "properties": {
        "error": {"type": "string", "title": "Error", "description": "Which error it is, for programs"},
        "message": {"type": "string", "title": "Message", "description": "What is wrong, for people"},
    },
}
ERROR_CONTENT = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
WRITES = frozenset(("post", "put", "patch", "delete"))
# The health check answers 503 too, but not with an error.
PUBLIC = {"500": "The request failed on our side"}


def error_answers(
    path: str, method: str, operation: dict[str, Any], may_be_forbidden: bool
) -> Iterator[tuple[str, str]]:
    """Status codes with what they mean."""
    yield from PUBLIC.items()
    if "security" not in operation:
        return
    yield "401", "No API key, or one that is not valid"
    yield "429", "Too many requests in a short time; `Retry-After` says when to ask again"
    yield "503", "A part that is needed does not answer at the moment; try again"
    if may_be_forbidden:
        yield "403", "The key may not do this"
    if "{" in path:
        yield "404", "There is no such thing within the caller's sight"
    if method in WRITES:
        yield "400", "It cannot be done as asked"
        yield "409", "It cannot be done now"
        yield "413", "The body is larger than 1 MiB"
