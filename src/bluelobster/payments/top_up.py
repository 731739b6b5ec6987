"""Top-ups: credit that an account buys, as rows and as the API shows them."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from psycopg.rows import class_row
from pydantic import BaseModel, Field

from bluelobster.clock import rfc3339_sql
from bluelobster.db.pool import Tx
from bluelobster.http.errors import NotFound
from bluelobster.http.ids import parsed_id
from bluelobster.http.paging import Place

Status = Literal["open", "pending", "paid", "refunded", "expired", "failed"]


class TopUp(BaseModel):
    """Credit that is bought. `open` until somebody has paid at `url`, `pending` while the money is on its way, which
    takes days from some banks; it is in the balance once it is `paid`. `expired` when nobody paid in time, `failed`
    when it could not be paid, `refunded` when all of it was handed back. Money is in whole US cents."""

    id: UUID
    status: Status
    amount_cents: int
    refunded_cents: int = Field(description="What of it was handed back")
    disputed: bool = Field(description="Whether the payer's bank wanted it back")
    url: str | None = Field(description="Where to pay, while it is open")
    created_at: str
    expires_at: str = Field(description="Until when it can be paid")
    ended_at: str | None


class TopUps(BaseModel):
    """Newest first. `next` is the `cursor` of the next page."""

    top_ups: list[TopUp]
    next: str | None


VIEW = f"""select id, status, amount_cents, refunded_cents, disputed_at is not null as disputed, url,
                  {rfc3339_sql("created_at")} as created_at, {rfc3339_sql("expires_at")} as expires_at,
                  {rfc3339_sql("ended_at")} as ended_at
           from top_ups where account_id = %(account_id)s"""


async def list_top_ups(tx: Tx, account_id: UUID, behind: Place[UUID] | None, most: int) -> TopUps:
    """A page of an account's top-ups, behind a place of the page before."""
    values = {
        "account_id": account_id,
        "last_at": behind.at if behind else None,
        "last_id": behind.id if behind else None,
        "most": most + 1,
    }
    async with tx.cursor(row_factory=class_row(TopUp)) as cursor:
        await cursor.execute(
            f"""{VIEW} and (%(last_at)s::timestamptz is null or created_at < %(last_at)s
                            or created_at = %(last_at)s and id > %(last_id)s)
                order by top_ups.created_at desc, id limit %(most)s""",
            values,
        )
        found = await cursor.fetchall()
    shown = found[:most]
    if len(found) <= most:
        return TopUps(top_ups=shown, next=None)
    return TopUps(top_ups=shown, next=Place(await _made_at(tx, shown[-1].id), shown[-1].id).cursor())


async def _made_at(tx: Tx, top_up_id: UUID) -> datetime:
    """To the microsecond, as pages need it."""
    cursor = await tx.execute("select created_at from top_ups where id = %s", (top_up_id,))
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - top-ups are never deleted
    at: datetime = row[0]
    return at


async def find_top_up(tx: Tx, account_id: UUID, top_up_id: str) -> TopUp:
    """One of the account's top-ups. Raises NotFound."""
    async with tx.cursor(row_factory=class_row(TopUp)) as cursor:
        await cursor.execute(f"{VIEW} and id = %(id)s", {"account_id": account_id, "id": parsed_id(top_up_id)})
        found = await cursor.fetchone()
    if found is None:
        raise NotFound("top_up_not_found", "Top-up not found")
    return found
