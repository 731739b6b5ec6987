"""What the database refuses of staff's wishes, as answers."""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.errors import CheckViolation, ForeignKeyViolation, NumericValueOutOfRange, UniqueViolation

from bluelobster.db.refusals import refusal
from bluelobster.http.errors import InvalidRequest


@contextmanager
def refused() -> Iterator[None]:
    """Raises InvalidRequest where a statement in the block names what is not there, or breaks a rule. The transaction
    is of no use any more then."""
    try:
        yield
    except (CheckViolation, ForeignKeyViolation, NumericValueOutOfRange, UniqueViolation) as error:
        raise InvalidRequest("invalid_request", refusal(error)) from error
