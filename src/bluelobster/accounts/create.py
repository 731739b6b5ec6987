"""A new account."""

from datetime import datetime
from typing import Annotated

from psycopg.errors import UniqueViolation
from pydantic import Field

from bluelobster.access.accounts import Kind, create_account
from bluelobster.access.audit import concerning_account
from bluelobster.accounts.account import Account, read_account
from bluelobster.db.pool import Tx
from bluelobster.http.errors import InvalidRequest
from bluelobster.http.patterns import pattern
from bluelobster.http.text import RequestBody

NAME = pattern(
    r"^[a-z0-9][a-z0-9-]{0,62}$",
    "Must have 1 to 63 lower-case letters, digits and hyphens, and not begin with a hyphen",
)


class AccountRequest(RequestBody):
    """An account to make."""

    name: Annotated[str, Field(pattern=NAME)] = Field(
        description="Unique, and for good", json_schema_extra={"example": "acme"}
    )
    role: Kind = Field("customer", description="`staff` for the operator's own people")


async def create(tx: Tx, wanted: AccountRequest, now: datetime) -> Account:
    """Raises InvalidRequest for a name that is taken."""
    try:
        async with tx.transaction():
            account_id = await create_account(tx, wanted.name, wanted.role, now)
    except UniqueViolation as error:
        raise InvalidRequest("name_taken", f"An account named {wanted.name} exists already") from error
    concerning_account(account_id)
    return await read_account(tx, account_id)
