"""Staff's routes of accounts: their life, their credit, their keys, their quotas, their audit log."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from bluelobster.access import keys
from bluelobster.access.audit_log import AuditLog, read_audit_log
from bluelobster.access.audit_log import Filter as AuditFilter
from bluelobster.access.audit_routes import filter_of as audit_filter_of
from bluelobster.access.audit_routes import row_id
from bluelobster.access.route import Caller, IdentifiedRoute, Reading, Time, Transaction
from bluelobster.accounts import close, create
from bluelobster.accounts.account import Account, Accounts, Filter, find_account, list_accounts
from bluelobster.accounts.create import AccountRequest
from bluelobster.http.errors import InvalidRequest
from bluelobster.http.paging import place_of
from bluelobster.http.text import CleanText
from bluelobster.keys import change
from bluelobster.keys.create import create_account_key
from bluelobster.keys.request import AccountKeyRequest, RotationRequest
from bluelobster.keys.view import Keys, NewKey, keys_view
from bluelobster.quotas.limits import LimitRequest, limit
from bluelobster.quotas.quota import read_quotas
from bluelobster.quotas.views import Quotas, quotas_view
from bluelobster.staff.credit import Credited, CreditRequest, give

router = APIRouter(prefix="/api/v1/admin/accounts", tags=["ADMINISTRATION"], route_class=IdentifiedRoute)

Limit = Annotated[int, Query(ge=1, le=200, description="Most entries of a page")]
Cursor = Annotated[str | None, Query(description="`next` of the page before")]


def filter_of(
    search: Annotated[CleanText | None, Query(max_length=63, description="Only with this in their name")] = None,
    closed: Annotated[bool | None, Query(description="Only closed ones, or only open ones")] = None,
) -> Filter:
    return Filter(search, closed)


async def named(account_id: str, _caller: Caller, tx: Transaction) -> Account:
    """The account that the path names; what is asked of it goes into its audit log."""
    return await find_account(tx, account_id)


Named = Annotated[Account, Depends(named)]


@router.get("", summary="List accounts")
async def admin_list_accounts(
    _caller: Caller,
    tx: Reading,
    wanted: Annotated[Filter, Depends(filter_of)],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Accounts:
    """All accounts, newest first, with what they have."""
    return await list_accounts(tx, wanted, None if cursor is None else place_of(cursor, UUID), limit)


@router.post("", summary="Make an account", status_code=201)
async def admin_create_account(wanted: AccountRequest, _caller: Caller, tx: Transaction, clock: Time) -> Account:
    """An account without keys and without credit."""
    return await create.create(tx, wanted, clock.now())


@router.get("/{account_id}", summary="An account")
async def admin_get_account(account: Named) -> Account:
    """An account, with what it has."""
    return account


@router.post("/{account_id}/close", summary="Close an account")
async def admin_close_account(account: Named, caller: Caller, tx: Transaction, clock: Time) -> Account:
    """Once nothing is left in it and nothing is owed. Its keys are revoked."""
    if account.id == caller.account_id:
        raise InvalidRequest("own_account", "This is your own account; close it with POST /api/v1/account/close")
    return await close.close(tx, account.id, clock.now())


@router.post("/{account_id}/reopen", summary="Open a closed account")
async def admin_reopen_account(account: Named, tx: Transaction, clock: Time) -> Account:
    """Its keys stay revoked: it needs a new one."""
    return await close.reopen(tx, account.id, clock.now())


@router.post("/{account_id}/credit", summary="Give an account credit, or take it")
async def admin_credit_account(account: Named, wanted: CreditRequest, tx: Transaction, clock: Time) -> Credited:
    """An entry in the account's ledger; less than nothing takes it."""
    return await give(tx, account.id, wanted, clock.now())


@router.get("/{account_id}/keys", summary="List an account's keys")
async def admin_list_keys(account: Named, tx: Transaction) -> Keys:
    """The keys of the account and of its teams, without their secrets."""
    return keys_view(await keys.list_keys(tx, account.id))


@router.post("/{account_id}/keys", summary="Make a key of an account", status_code=201)
async def admin_create_key(
    account: Named, wanted: AccountKeyRequest, caller: Caller, tx: Transaction, clock: Time
) -> NewKey:
    """It is shown this once."""
    return await create_account_key(tx, caller, account.id, wanted, clock.now())


@router.post("/{account_id}/keys/{prefix}/rotate", summary="Give a key of an account another secret")
async def admin_rotate_key(
    account: Named, prefix: str, wanted: RotationRequest, caller: Caller, tx: Transaction, clock: Time
) -> NewKey:
    """The old secret is good for `overlap_hours` longer. The new one is shown this once."""
    return await change.rotate(tx, caller, await change.find(tx, account.id, prefix), wanted, clock.now())


@router.delete("/{account_id}/keys/{prefix}", summary="Revoke a key of an account", status_code=204)
async def admin_revoke_key(account: Named, prefix: str, caller: Caller, tx: Transaction, clock: Time) -> None:
    """From now on it opens nothing."""
    await change.revoke(tx, caller, await change.find(tx, account.id, prefix), clock.now())


@router.get("/{account_id}/quotas", summary="Quotas of an account")
async def admin_get_account_quotas(account: Named, tx: Transaction) -> Quotas:
    """What the account has, and may have."""
    return quotas_view(await read_quotas(tx, account.id))


@router.put("/{account_id}/quotas/{quota}", summary="Limit an account")
async def admin_set_account_quota(account: Named, quota: str, wanted: LimitRequest, tx: Transaction) -> Quotas:
    """A limit of its own, or with `default` none of its own. What it has more of stays."""
    await limit(tx, account.id, quota, wanted)
    return quotas_view(await read_quotas(tx, account.id))


@router.get("/{account_id}/audit-log", summary="Audit log of an account", response_model=AuditLog)
async def admin_get_audit_log(
    account: Named,
    tx: Transaction,
    wanted: Annotated[AuditFilter, Depends(audit_filter_of)],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Any:
    """What the account's keys would have changed, and what staff would have changed of it."""
    return await read_audit_log(tx, account.id, wanted, None if cursor is None else place_of(cursor, row_id), limit)
