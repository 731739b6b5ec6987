"""Close an account: nobody gets in any more. What it was charged, its invoices and its audit log stay."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from bluelobster.access.keys import revoke_all_keys
from bluelobster.accounts.account import Account, read_account
from bluelobster.billing.charge import behind, charge
from bluelobster.db.pool import Tx
from bluelobster.http.errors import Conflict, InvalidRequest
from bluelobster.http.text import RequestBody
from bluelobster.quotas.require import hold_quotas


class ClosingRequest(RequestBody):
    """The account's name once more: this cannot be undone by whoever loses access by it."""

    name: str = Field(description="The name of the account", max_length=63, json_schema_extra={"example": "acme"})


async def close_own(tx: Tx, account_id: UUID, wanted: ClosingRequest, now: datetime) -> Account:
    """Close the caller's own account. Raises InvalidRequest for another name than the account's, and Conflict."""
    account = await read_account(tx, account_id)
    if wanted.name != account.name:
        raise InvalidRequest("wrong_name", "name: this is not the name of the account that the key belongs to")
    return await close(tx, account_id, now)


async def close(tx: Tx, account_id: UUID, now: datetime) -> Account:
    """Charge what is not charged yet, and close the account: its keys are revoked for good. Raises Conflict while it
    has instances or backups, or owes something, and for one that is closed."""
    await hold_quotas(tx, account_id)
    await tx.execute("select from accounts where id = %s for no key update", (account_id,))
    account = await read_account(tx, account_id)
    if account.closed_at is not None:
        raise Conflict("account_closed", f"The account is closed since {account.closed_at}")
    _must_have_nothing(account)
    await charge(tx, [account_id], now, now)
    if await behind(tx, [account_id], now):
        raise Conflict("account_in_use", "The account's use is being accounted for; try again in a moment")
    _must_have_nothing(await read_account(tx, account_id))
    await revoke_all_keys(tx, account_id, now)
    await tx.execute("update accounts set closed_at = %s where id = %s", (now, account_id))
    return await read_account(tx, account_id)


def _must_have_nothing(account: Account) -> None:
    has = [
        f"{count} {word}{'s' if count > 1 else ''}"
        for count, word in ((account.instances, "instance"), (account.backups, "backup"))
        if count
    ]
    if account.balance_cents < 0:
        has.append(f"a debt of {-account.balance_cents} cents")
    if has:
        raise Conflict(
            "account_in_use",
            f"The account still has {' and '.join(has)}; it can be closed when it has nothing and owes nothing",
            instances=account.instances,
            backups=account.backups,
            balance_cents=account.balance_cents,
        )


async def reopen(tx: Tx, account_id: UUID, now: datetime) -> Account:
    """Let an account in again, with new keys: one that was made while it was closing is revoked like the others.
    Raises InvalidRequest for one that is not closed."""
    done = await tx.execute(
        "update accounts set closed_at = null where id = %s and closed_at is not null", (account_id,)
    )
    if not done.rowcount:
        raise InvalidRequest("account_open", "The account is not closed")
    await revoke_all_keys(tx, account_id, now)
    return await read_account(tx, account_id)
