"""The routes of SSH keys."""

from fastapi import APIRouter

from bluelobster.access.route import Caller, IdentifiedRoute, Reading, Time, Transaction
from bluelobster.ssh_keys import registered
from bluelobster.ssh_keys.registered import NewSshKey, SshKeys, SshKeyView

router = APIRouter(prefix="/api/v1/ssh-keys", tags=["SSH KEYS"], route_class=IdentifiedRoute)


@router.get("", summary="List SSH keys")
async def list_ssh_keys(caller: Caller, tx: Reading) -> SshKeys:
    """The account's registered keys, by name; a launch takes their names as `ssh_key_names`."""
    return await registered.list_keys(tx, caller.account_id)


@router.post("", summary="Register an SSH key", status_code=201)
async def create_ssh_key(new: NewSshKey, caller: Caller, tx: Transaction, clock: Time) -> SshKeyView:
    """Keep a public key under a name. Names and keys are unique in the account."""
    return await registered.register(tx, caller.account_id, new, clock.now())


@router.delete("/{name_or_id}", summary="Remove an SSH key", status_code=204)
async def delete_ssh_key(name_or_id: str, caller: Caller, tx: Transaction) -> None:
    """Later launches cannot name it any more; machines that have it keep it."""
    await registered.remove(tx, caller.account_id, name_or_id)
