"""The routes of an account's people."""

from fastapi import APIRouter

from bluelobster.access.route import Caller, IdentifiedRoute, Reading, Time, Transaction
from bluelobster.accounts import members
from bluelobster.accounts.members import InvitationRequest, Member, Members, NewMember, RoleRequest

router = APIRouter(prefix="/api/v1/account/members", tags=["ACCOUNT"], route_class=IdentifiedRoute)


@router.get("", summary="List the account's members")
async def list_account_members(caller: Caller, tx: Reading) -> Members:
    """Everybody who may act in the whole account, or is invited to."""
    return await members.list_members(tx, caller.account_id)


@router.post("", summary="Invite somebody to the account", status_code=201)
async def invite_account_member(wanted: InvitationRequest, caller: Caller, tx: Transaction, clock: Time) -> NewMember:
    """No message is sent: hand them the token, which is shown this once. Nobody gives a role above their own."""
    return await members.invite(tx, caller, wanted, clock.now())


@router.patch("/{member_id}", summary="Change the role of a member of the account")
async def change_account_member(member_id: str, wanted: RoleRequest, caller: Caller, tx: Transaction) -> Member:
    """At once, for whoever is signed in, too. Nobody gives or takes a role above their own; the last owner stays."""
    return await members.change_role(tx, caller, member_id, wanted.role)


@router.delete("/{member_id}", summary="Remove a member of the account", status_code=204)
async def remove_account_member(member_id: str, caller: Caller, tx: Transaction) -> None:
    """At once. Teams that they are in are not touched, nor keys that they made; the last owner stays."""
    await members.remove_member(tx, caller, member_id)
