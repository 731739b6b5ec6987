"""What the database refuses, with the command that helps."""

from psycopg import Error as DatabaseError

from bluelobster.db import refusals

_ADDED_BY = {"accounts": "account add", "gpu_models": "gpu model", "hosts": "host add", "regions": "region add"}


def refusal(error: DatabaseError) -> str:
    """Why the database did not do what was asked, as one sentence."""
    command = _ADDED_BY.get(refusals.missing_table(error) or "")
    hint = f"; add it with `bluelobster admin {command}`" if command else ""
    return refusals.refusal(error) + hint
