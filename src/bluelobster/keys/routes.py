"""The routes of an account's keys."""

from fastapi import APIRouter

from bluelobster.access import keys
from bluelobster.access.route import Caller, IdentifiedRoute, Reading, Time, Transaction
from bluelobster.keys import change
from bluelobster.keys.create import create_account_key
from bluelobster.keys.request import AccountKeyRequest, RotationRequest
from bluelobster.keys.view import Keys, NewKey, keys_view

router = APIRouter(prefix="/api/v1/keys", tags=["KEYS"], route_class=IdentifiedRoute)


@router.get("", summary="List keys")
async def list_keys(caller: Caller, tx: Reading) -> Keys:
    """The keys of the account and of its teams, without their secrets."""
    return keys_view(await keys.list_keys(tx, caller.account_id))


@router.post("", summary="Make a key", status_code=201)
async def create_key(wanted: AccountKeyRequest, caller: Caller, tx: Transaction, clock: Time) -> NewKey:
    """A key that may at most what the one may that makes it. It is shown this once."""
    return await create_account_key(tx, caller, caller.account_id, wanted, clock.now())


@router.post("/{prefix}/rotate", summary="Give a key another secret")
async def rotate_key(prefix: str, wanted: RotationRequest, caller: Caller, tx: Transaction, clock: Time) -> NewKey:
    """The old secret is good for `overlap_hours` longer, so that everybody who has it can change to the new one, which
    is shown this once. Of two rotations within that time, the second ends the first secret."""
    found = await change.find(tx, caller.account_id, prefix)
    return await change.rotate(tx, caller, found, wanted, clock.now())


@router.delete("/{prefix}", summary="Revoke a key", status_code=204)
async def revoke_key(prefix: str, caller: Caller, tx: Transaction, clock: Time) -> None:
    """From now on it opens nothing."""
    await change.revoke(tx, caller, await change.find(tx, caller.account_id, prefix), clock.now())
