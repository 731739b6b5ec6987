"""How accounts pay: everybody's terms, and those of single accounts."""

from fastapi import APIRouter

from bluelobster.access.route import Caller, IdentifiedRoute, Reading, Time, Transaction
from bluelobster.accounts.account import Account
from bluelobster.accounts.terms import AccountTerms, set_account_terms
from bluelobster.billing.terms import BillingTerms, read_terms, set_terms
from bluelobster.staff.accounts import Named

router = APIRouter(prefix="/api/v1/admin", tags=["ADMINISTRATION"], route_class=IdentifiedRoute)


@router.put("/accounts/{account_id}/terms", summary="Say how an account pays")
async def admin_set_account_terms(account: Named, wanted: AccountTerms, tx: Transaction, clock: Time) -> Account:
    """Prepaid or by invoice, how much it may owe, and whether it is exempt from all of it."""
    return await set_account_terms(tx, account.id, wanted, clock.now())


@router.get("/billing-terms", summary="Everybody's terms")
async def admin_get_billing_terms(_caller: Caller, tx: Reading) -> BillingTerms:
    """What a launch needs, when there are warnings, and how long who owes has before each step."""
    return await read_terms(tx)


@router.put("/billing-terms", summary="Change everybody's terms")
async def admin_set_billing_terms(wanted: BillingTerms, _caller: Caller, tx: Transaction) -> BillingTerms:
    """Who is in a step already keeps the time that they were told."""
    await set_terms(tx, wanted)
    return await read_terms(tx)
