"""Somebody comes into an account on the operator's word, which stands for their e-mail address."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from bluelobster.access.accounts import find_account
from bluelobster.accounts.members import InvitationRequest, add
from bluelobster.db.pool import Tx
from bluelobster.http.errors import InvalidRequest
from bluelobster.users.change_user import find_again
from bluelobster.users.tokens import issue
from bluelobster.users.user import find_or_add
from bluelobster.users.view import UserView


class NewUserRequest(InvitationRequest):
    """A user to make, or one to add to another account."""

    account: str = Field(description="The name of the account", max_length=63, json_schema_extra={"example": "acme"})


class NewUser(BaseModel):
    """A user, and how they come in."""

    user: UserView
    account_id: UUID
    password_token: str | None = Field(
        description="Hand it to them: with it they set their password, within 7 days. Null for somebody who is known"
    )


async def welcome(tx: Tx, wanted: NewUserRequest, invited_by: str | None, now: datetime) -> NewUser:
    """Raises InvalidRequest for an account that is not there, for somebody who is in it already, for a
    disabled user and for the role staff in an account of customers."""
    account_id = await find_account(tx, wanted.account)
    if account_id is None:
        raise InvalidRequest("account_not_found", f"account: there is no account {wanted.account}")
    user = await find_or_add(tx, wanted.email, now)
    if user.disabled_at is not None:
        raise InvalidRequest("user_disabled", "email: this user is disabled; enable them first")
    await add(tx, account_id, wanted, invited_by, now)
    token = None if user.verified_at else await issue(tx, "user_id", user.id, now)
    return NewUser(user=await find_again(tx, user.id), account_id=account_id, password_token=token)
