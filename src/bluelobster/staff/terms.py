"""How accounts pay: everybody's terms, and those of single accounts."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field, StrictBool, model_validator

from bluelobster.access.route import Caller, IdentifiedRoute, Time, Transaction
from bluelobster.accounts.account import Account, read_account
from bluelobster.billing.standing import Pays, update_standing
from bluelobster.billing.terms import BillingTerms, read_terms, set_terms
from bluelobster.db.pool import Tx
from bluelobster.http.text import RequestBody
from bluelobster.staff.accounts import Named

MOST_CENTS = 10**12

router = APIRouter(prefix="/api/v1/admin", tags=["ADMINISTRATION"], route_class=IdentifiedRoute)


class AccountTerms(RequestBody):
    """How an account pays. Only one that pays by invoice may owe something."""

    pays: Pays = Field(description="`prepaid`, or `invoice`", json_schema_extra={"example": "invoice"})
    credit_limit_cents: Annotated[int, Field(ge=0, le=MOST_CENTS, strict=True)] = Field(
        0, description="What it may owe, in US cents"
    )
    exempt: StrictBool = Field(False, description="Whether nothing is ever refused, shut down or deleted for money")

    @model_validator(mode="after")
    def _only_who_pays_later_may_owe(self) -> "AccountTerms":
        if self.pays == "prepaid" and self.credit_limit_cents:
            raise ValueError("credit_limit_cents needs pays=invoice: a prepaid account may not owe anything")
        return self


async def set_account_terms(tx: Tx, account_id: UUID, terms: AccountTerms, now: datetime) -> Account:
    """From now on the account pays like this; who may owe more stands well again at once."""
    await tx.execute(
        "update accounts set pays = %s, credit_limit_cents = %s, exempt = %s where id = %s",
        (terms.pays, terms.credit_limit_cents, terms.exempt, account_id),
    )
    await update_standing(tx, account_id, await read_terms(tx), now)
    return await read_account(tx, account_id)


@router.put("/accounts/{account_id}/terms", summary="Say how an account pays")
async def admin_set_account_terms(account: Named, wanted: AccountTerms, tx: Transaction, clock: Time) -> Account:
    """Prepaid or by invoice, how much it may owe, and whether it is exempt from all of it."""
    return await set_account_terms(tx, account.id, wanted, clock.now())


@router.get("/billing-terms", summary="Everybody's terms")
async def admin_get_billing_terms(_caller: Caller, tx: Transaction) -> BillingTerms:
    """What a launch needs, when there are warnings, and how long who owes has before each step."""
    return await read_terms(tx)


@router.put("/billing-terms", summary="Change everybody's terms")
async def admin_set_billing_terms(wanted: BillingTerms, _caller: Caller, tx: Transaction) -> BillingTerms:
    """Who is in a step already keeps the time that they were told."""
    await set_terms(tx, wanted)
    return await read_terms(tx)
