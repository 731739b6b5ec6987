"""Invoices: what was closed, as it was closed."""

from datetime import date
from uuid import UUID

from psycopg.rows import class_row
from pydantic import BaseModel, Field

from bluelobster.billing.hours import hours
from bluelobster.billing.ledger import Kind
from bluelobster.billing.months import Month
from bluelobster.billing.price_list import Unit
from bluelobster.clock import rfc3339_sql
from bluelobster.db.pool import Tx
from bluelobster.http.errors import NotFound
from bluelobster.http.ids import parsed_id
from bluelobster.http.paging import Place


class Summary(BaseModel):
    """An invoice: the balance before, what came in, what was used, the balance after. In whole US cents."""

    id: UUID
    number: str = Field(examples=["2026-000042"], description="Without a gap within a year")
    month: str = Field(examples=["2026-11"])
    account: str
    issued_at: str
    opening_balance_cents: int
    credited_cents: int = Field(description="Payments, credit, refunds and adjustments")
    charged_cents: int = Field(description="Use: the sum of the lines")
    closing_balance_cents: int


class Line(BaseModel):
    """Use of one instance, additional address or backup that was charged in the month."""

    kind: str = Field(description="`instance`, `address` or `backup`")
    instance_id: UUID
    instance_name: str
    detail: str = Field(description="The instance's type, the address, or the backup's id")
    size_bytes: int | None = Field(description="Of a backup")
    price_cents: int
    unit: Unit
    began_at: str
    ended_at: str
    hours: float
    amount_cents: int


class Entry(BaseModel):
    """What came in or was put right."""

    at: str
    kind: Kind
    reason: str
    amount_cents: int


class Invoice(Summary):
    """With its lines, and with the entries of the ledger that are not charges."""

    lines: list[Line]
    entries: list[Entry]


class Invoices(BaseModel):
    """Newest first. `next` is the `cursor` of the next page."""

    invoices: list[Summary]
    next: str | None


SUMMARY = f"""select id, number, to_char(month, 'YYYY-MM') as month, account_name as account,
                     {rfc3339_sql("issued_at")} as issued_at, opening_cents as opening_balance_cents, credited_cents,
                     charged_cents, closing_cents as closing_balance_cents
              from invoices where account_id = %(account_id)s"""


def place_of_month(month: str, invoice_id: UUID) -> Place[UUID]:
    """Where a page ends."""
    return Place(Month.on(date.fromisoformat(f"{month}-01")).began, invoice_id)


async def list_invoices(tx: Tx, account_id: UUID, behind: Place[UUID] | None, most: int) -> Invoices:
    """A page of an account's invoices, behind a place of the page before."""
    async with tx.cursor(row_factory=class_row(Summary)) as cursor:
        await cursor.execute(
            f"""{SUMMARY} and (%(last)s::date is null or month < %(last)s) order by invoices.month desc
                limit %(most)s""",
            {"account_id": account_id, "last": behind.at.date() if behind else None, "most": most + 1},
        )
        found = await cursor.fetchall()
    shown = found[:most]
    more = len(found) > most
    return Invoices(invoices=shown, next=place_of_month(shown[-1].month, shown[-1].id).cursor() if more else None)


async def find_invoice(tx: Tx, account_id: UUID, invoice_id: str) -> Invoice:
    """One of the account's invoices, whole. Raises NotFound."""
    async with tx.cursor(row_factory=class_row(Summary)) as cursor:
        await cursor.execute(f"{SUMMARY} and id = %(id)s", {"account_id": account_id, "id": parsed_id(invoice_id)})
        summary = await cursor.fetchone()
    if summary is None:
        raise NotFound("invoice_not_found", "Invoice not found")
    return Invoice(
        **vars(summary), lines=await _lines(tx, summary.id), entries=await _entries(tx, account_id, summary.month)
    )


async def _lines(tx: Tx, invoice_id: UUID) -> list[Line]:
    cursor = await tx.execute(
        f"""select kind, instance_id, instance_name, detail, size_bytes, price_cents, unit,
                   {rfc3339_sql("began_at")}, {rfc3339_sql("ended_at")}, seconds, amount_cents
            from invoice_lines where invoice_id = %s order by position""",
        (invoice_id,),
    )
    names = (
        "kind",
        "instance_id",
        "instance_name",
        "detail",
        "size_bytes",
        "price_cents",
        "unit",
        "began_at",
        "ended_at",
    )
    return [
        Line(**dict(zip(names, row, strict=False)), hours=hours(row[-2]), amount_cents=row[-1])
        for row in await cursor.fetchall()
    ]


async def _entries(tx: Tx, account_id: UUID, month: str) -> list[Entry]:
    async with tx.cursor(row_factory=class_row(Entry)) as cursor:
        await cursor.execute(
            f"""select {rfc3339_sql("created_at")} as at, kind, reason, amount_cents from ledger
                where account_id = %s and month = %s and kind <> 'charge' order by id""",
            (account_id, date.fromisoformat(f"{month}-01")),
        )
        return await cursor.fetchall()
