"""Staff's routes of people: who there is, who may come in, and who no more."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from bluelobster.access.audit import concerning_account
from bluelobster.access.route import Caller, IdentifiedRoute, Reading, Time, Transaction
from bluelobster.accounts.welcome import NewUser, NewUserRequest, welcome
from bluelobster.http.errors import InvalidRequest
from bluelobster.http.paging import place_of
from bluelobster.http.text import CleanText
from bluelobster.users.change_user import NewPasswordToken, UserRequest, change_user, find, let_set_password
from bluelobster.users.view import Filter, Users, UserView, list_users

router = APIRouter(prefix="/api/v1/admin/users", tags=["ADMINISTRATION"], route_class=IdentifiedRoute)


@router.get("", summary="List users")
async def admin_list_users(
    _caller: Caller,
    tx: Reading,
    search: Annotated[CleanText | None, Query(max_length=254, description="Only with this in their address")] = None,
    disabled: Annotated[bool | None, Query(description="Only disabled ones, or only others")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Most entries of a page")] = 100,
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
) -> Users:
    """Everybody who signs in, newest first, with the accounts that they are in."""
    return await list_users(tx, Filter(search, disabled), None if cursor is None else place_of(cursor, UUID), limit)


@router.post("", summary="Make a user", status_code=201)
async def admin_create_user(wanted: NewUserRequest, caller: Caller, tx: Transaction, clock: Time) -> NewUser:
    """Somebody in an account. With the token, which is shown this once, they set their password."""
    made = await welcome(tx, wanted, caller.key_prefix, clock.now())
    concerning_account(made.account_id)
    return made


@router.patch("/{user_id}", summary="Disable a user, or enable them again")
async def admin_change_user(
    user_id: str, wanted: UserRequest, caller: Caller, tx: Transaction, clock: Time
) -> UserView:
    """At once: sessions of a disabled user end. Keys that they made are the account's, and stay."""
    user = await find(tx, user_id)
    if wanted.disabled and caller.key_prefix == f"user:{user.prefix}":
        raise InvalidRequest("own_user", "disabled: this is yourself")
    return await change_user(tx, user, wanted, clock.now())


@router.post("/{user_id}/reset-password", summary="Let a user set another password")
async def admin_reset_password(user_id: str, _caller: Caller, tx: Transaction, clock: Time) -> NewPasswordToken:
    """With the token, which is shown this once, they set one within 7 days. Until then the old one is good."""
    return await let_set_password(tx, await find(tx, user_id), clock.now())
