"""Moments as options of a command."""

from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from bluelobster.admin.session import Wrong
from bluelobster.http.moments import Moment

MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


def moment_of(option: str, text: str) -> datetime:
    """Raises Wrong for what is no moment with its time zone."""
    try:
        return MOMENT.validate_python(text)
    except ValidationError as error:
        raise Wrong(f"{option}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None
