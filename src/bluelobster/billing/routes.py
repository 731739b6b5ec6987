"""The routes of billing."""

from datetime import UTC, date
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from bluelobster.access.route import Caller, IdentifiedRoute, Reading, Time, Transaction
from bluelobster.billing import balance as balances
from bluelobster.billing import invoices, price_list, spending, usage_report
from bluelobster.billing.invoice_pdf import as_pdf
from bluelobster.http.moments import Day
from bluelobster.http.paging import place_of

router = APIRouter(prefix="/api/v1/billing", tags=["BILLING"], route_class=IdentifiedRoute)

AS_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
AS_PDF: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}}
}
Cursor = Annotated[str | None, Query(description="`next` of the page before")]


def wants(request: Request, media_type: str) -> bool:
    """Whether the first thing that a client says it takes is this."""
    first = request.headers.get("Accept", "").partition(",")[0].partition(";")[0]
    return first.strip().lower() == media_type


@router.get("/balance", summary="Balance")
async def get_balance(caller: Caller, tx: Reading, clock: Time) -> balances.Balance:
    """What the account has, and what it spends. For keys of the whole account."""
    return await balances.balance(tx, caller.account_id, clock.now())


@router.get("/usage", summary="What use cost", response_model=usage_report.Usage, responses=AS_CSV)
async def get_usage(
    request: Request,
    caller: Caller,
    tx: Reading,
    clock: Time,
    since: Annotated[Day | None, Query(alias="from", description="First day, UTC; else the first of the month")] = None,
    until: Annotated[Day | None, Query(alias="to", description="Last day, included; else today")] = None,
    group_by: Annotated[usage_report.Group, Query(description="What each line adds up")] = "instance",
    form: Annotated[Literal["json", "csv"] | None, Query(alias="format", description="Or by `Accept`")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Most instances of a page; CSV has all")] = 100,
    cursor: Cursor = None,
) -> Any:
    """What was charged, by instance, team or day of UTC, as JSON or CSV. A key that is scoped to a team sees what that
    team's instances cost while they were its."""
    span = usage_report.span_of(since, until, today(clock))
    if form == "csv" or (form is None and wants(request, "text/csv")):
        whole = await usage_report.usage(tx, caller.sight, span, group_by)
        name = f"usage-{span.since}-{span.until}-by-{group_by}.csv"
        return file(usage_report.as_csv(whole).encode(), "text/csv; charset=utf-8", name)
    behind = None if cursor is None else place_of(cursor, UUID)
    return await usage_report.usage(tx, caller.sight, span, group_by, behind, limit)


@router.get("/invoices", summary="List invoices")
async def list_invoices(
    caller: Caller,
    tx: Reading,
    limit: Annotated[int, Query(ge=1, le=100, description="Most invoices of a page")] = 24,
    cursor: Cursor = None,
) -> invoices.Invoices:
    """The account's invoices, newest first: one for each month in which there was money to tell of, written in the
    first hours of the next. For keys of the whole account."""
    behind = None if cursor is None else place_of(cursor, UUID)
    return await invoices.list_invoices(tx, caller.account_id, behind, limit)


@router.get("/invoices/{invoice_id}", summary="An invoice", response_model=invoices.Invoice, responses=AS_PDF)
async def get_invoice(
    request: Request,
    invoice_id: str,
    caller: Caller,
    tx: Reading,
    form: Annotated[Literal["json", "pdf"] | None, Query(alias="format", description="Or by `Accept`")] = None,
) -> Any:
    """An invoice with all its lines, as JSON or PDF. It never changes. For keys of the whole account."""
    found = await invoices.find_invoice(tx, caller.account_id, invoice_id)
    if form == "pdf" or (form is None and wants(request, "application/pdf")):
        return file(as_pdf(found), "application/pdf", f"invoice-{found.number}.pdf")
    return found


@router.get("/spending-limits", summary="Spending limits")
async def get_spending_limits(caller: Caller, tx: Reading, clock: Time) -> spending.SpendingLimits:
    """What the account and each of its teams may spend in a month, and have. For keys of the whole account."""
    return await spending.spending_limits(tx, caller.account_id, clock.now())


@router.put("/spending-limits", summary="Limit what the account spends in a month")
async def set_spending_limit(
    wanted: spending.SpendingLimitRequest, caller: Caller, tx: Transaction, clock: Time
) -> spending.SpendingLimits:
    """When the limit is reached, nothing new can be launched. What there is stays, and goes on costing."""
    await spending.limit_account(tx, caller.account_id, wanted.limit_cents)
    return await spending.spending_limits(tx, caller.account_id, clock.now())


@router.put("/spending-limits/{team_id}", summary="Limit what a team spends in a month")
async def set_team_spending_limit(
    team_id: str, wanted: spending.SpendingLimitRequest, caller: Caller, tx: Transaction, clock: Time
) -> spending.SpendingLimits:
    """The same for the instances of a team."""
    await spending.limit_team(tx, caller.account_id, team_id, wanted.limit_cents)
    return await spending.spending_limits(tx, caller.account_id, clock.now())


@router.get("/prices", summary="Prices")
async def get_prices(_caller: Caller, tx: Reading, clock: Time) -> price_list.PriceList:
    """What everything costs that is begun now, and changes that are planned."""
    return await price_list.price_list(tx, clock.now())


def today(clock: Time) -> date:
    return clock.now().astimezone(UTC).date()


def file(content: bytes, media_type: str, name: str) -> Response:
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})
