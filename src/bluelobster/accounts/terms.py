"""How an account pays: in advance or by invoice, and whether it must at all."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StrictBool, model_validator

from bluelobster.accounts.account import Account, read_account
from bluelobster.billing.standing import Pays, update_standing
from bluelobster.billing.terms import read_terms
from bluelobster.db.pool import Tx
from bluelobster.http.text import RequestBody

MOST_CENTS = 10**12


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
