"""The routes of the caller's own account."""

from fastapi import APIRouter

from bluelobster.access.route import Caller, IdentifiedRoute, Reading, Time, Transaction
from bluelobster.accounts import close
from bluelobster.accounts.account import Account, read_account
from bluelobster.accounts.close import ClosingRequest

router = APIRouter(prefix="/api/v1/account", tags=["ACCOUNT"], route_class=IdentifiedRoute)


@router.get("", summary="The account")
async def get_account(caller: Caller, tx: Reading) -> Account:
    """The account that the key belongs to. For keys of the whole account."""
    return await read_account(tx, caller.account_id)


@router.post("/close", summary="Close the account")
async def close_account(wanted: ClosingRequest, caller: Caller, tx: Transaction, clock: Time) -> Account:
    """Once nothing is left in it and nothing is owed; 409 `account_in_use` says what is. All its keys are revoked, and
    only the operator can open it again. For owners of the whole account."""
    return await close.close_own(tx, caller.account_id, wanted, clock.now())
