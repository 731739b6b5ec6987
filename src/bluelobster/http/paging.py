"""Lists in pages: each ends with the place where the next one begins, which holds however much is added before it."""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError

Id = TypeVar("Id")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PLACE = re.compile(r"(\d{1,17})\.([0-9a-f-]{1,36})", re.ASCII)
LONGEST = 100


@dataclass(frozen=True)
class Place(Generic[Id]):
    """The last entry of a page, by time and id: lists are newest first, and by id within one moment."""

    at: datetime
    id: Id

    def cursor(self) -> str:
        """As a client hands it back, and need not understand it."""
        text = f"{(self.at - EPOCH) // timedelta(microseconds=1)}.{self.id}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def place_of(cursor: str, parse_id: Callable[[str], Id]) -> Place[Id]:
    """The place that a cursor names. Raises RequestValidationError for what is none of ours; one that was made up
    shows nothing that is not in the list anyway."""
    try:
        if len(cursor) > LONGEST:
            raise ValueError("too long")
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        parts = PLACE.fullmatch(text)
        if parts is None:
            raise ValueError("another form")
        return Place(EPOCH + timedelta(microseconds=int(parts[1])), parse_id(parts[2]))
    except (ValueError, OverflowError):
        raise unfit("cursor", "This is not the cursor of a page; take it from the `next` link as it is") from None


def next_link(request: Request, cursor: str) -> str:
    """The value of a `Link` header (RFC 8288) that leads to the page behind `cursor`."""
    return f'<{request.url.include_query_params(cursor=cursor)}>; rel="next"'


def unfit(field: str, rule: str) -> RequestValidationError:
    """A query parameter that cannot be."""
    return RequestValidationError([{"type": "value_error", "loc": ("query", field), "msg": rule}])
