"""What use costs, as the customer sees it: balance, usage, invoices and prices."""

import csv
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from bluelobster.access.accounts import find_account
from bluelobster.billing.bill import bill
from bluelobster.billing.ledger import credit
from bluelobster.billing.months import Month
from bluelobster.billing.prices import set_price
from bluelobster.db.pool import transaction
from cloud import TestCloud, api_client
from set_clock import SetClock

USED = timedelta(hours=19, minutes=38, seconds=33)
COST = 878  # 19.5 hours at 45 cents


@pytest.fixture
async def used(cloud: TestCloud) -> str:
    """An instance that was used as long as in the contract's example, and is deleted; not charged yet."""
    instance_id = await cloud.launched(instance_type="gpu_1x_a4000", name="trainer")
    async with cloud.parts.pool.connection() as connection:
        await connection.execute("update usage_periods set began_at = began_at - %s", (USED,))
    await cloud.customer.delete(f"/instances/{instance_id}")
    return instance_id


async def ask(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    answer = await client.get(f"/billing/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def charge(cloud: TestCloud, **later: int) -> None:
    await bill(cloud.parts.pool, SetClock(cloud.parts.clock.now() + timedelta(**later)))


def days(cloud: TestCloud) -> dict[str, str]:
    """Yesterday and today."""
    today = cloud.parts.clock.now().date()
    return {"from": str(today - timedelta(days=1)), "to": str(today + timedelta(days=1))}


async def test_use_is_charged_and_shown(cloud: TestCloud, used: str) -> None:
    async with transaction(cloud.parts.pool) as tx:
        account_id = await find_account(tx, "customer")
        assert account_id is not None
        await credit(tx, account_id, 1000, "welcome", cloud.parts.clock.now())
    assert (await ask(cloud.customer, "balance"))["balance_cents"] == 1000
    for _ in range(2):
        await charge(cloud, seconds=1)
        balance = await ask(cloud.customer, "balance")
        assert (balance["balance_cents"], balance["cents_per_hour"]) == (1000 - COST, 0)
        assert balance["credited_this_month_cents"] == 1000
    report = await ask(cloud.customer, "usage", **days(cloud))
    [line] = report["lines"]
    assert (line["instance_id"], line["instance_name"], line["instance_hours"]) == (used, "trainer", 19.5)
    assert line["total_cents"] == line["instance_cents"] == report["total_cents"] == COST
    now = datetime.now(UTC)
    span = {"start_time": (now - timedelta(days=1)).isoformat(), "end_time": (now + timedelta(days=1)).isoformat()}
    log = (await cloud.customer.post("/instances/log", json=span)).json()
    assert [(each["total_billed_cents"], each["total_hours_billed"]) for each in log["instances"]] == [(COST, 19.5)]
    assert (await ask(cloud.stranger, "usage", **days(cloud)))["lines"] == []
    assert (await ask(cloud.stranger, "balance"))["balance_cents"] == 0


async def test_usage_by_day_and_as_csv(cloud: TestCloud, used: str) -> None:
    await charge(cloud, seconds=1)
    by_day = await ask(cloud.customer, "usage", group_by="day", **days(cloud))
    assert sum(each["total_cents"] for each in by_day["lines"]) == by_day["total_cents"] == COST
    ended = await cloud.one("select ended_at from usage_periods")
    assert by_day["lines"][-1]["day"] == str(ended.date())
    params = {**days(cloud), "group_by": "team"}
    for answer in (
        await cloud.customer.get("/billing/usage", params={**params, "format": "csv"}),
        await cloud.customer.get("/billing/usage", params=params, headers={"Accept": "text/csv"}),
    ):
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        [line] = csv.DictReader(answer.text.splitlines())
        assert (line["team_name"], line["instance_hours"], line["total_cents"]) == ("", "19.5", str(COST))
    await cloud.launched(name="other")
    await charge(cloud, hours=1)
    pages = [await ask(cloud.customer, "usage", limit=1, **days(cloud))]
    pages.append(await ask(cloud.customer, "usage", limit=1, cursor=pages[0]["next"], **days(cloud)))
    assert [page["lines"][0]["instance_name"] for page in pages] == ["other", "trainer"]
    assert {page["total_cents"] for page in pages} == {COST + 3}
    assert pages[1]["next"] is None


async def test_spans_that_cannot_be(idle_cloud: TestCloud) -> None:
    for params, status in (
        ({"from": "2026-02-01", "to": "2026-01-31"}, 422),
        ({"from": "2024-01-01", "to": "2026-01-31"}, 422),
        ({"from": "2026-02-30"}, 422),
        ({"to": "1700000000"}, 422),
        ({"group_by": "moon"}, 422),
        ({"cursor": "moon"}, 422),
        ({"from": "2026-02-01", "to": "2026-02-01"}, 200),
    ):
        assert (await idle_cloud.customer.get("/billing/usage", params=params)).status_code == status, params


async def test_a_team_sees_its_own_cost_only(cloud: TestCloud, used: str) -> None:
    teams = {}
    for name in ("Red", "=Blue"):
        teams[name] = (await cloud.customer.post("/teams", json={"name": name})).json()["id"]
    await cloud.customer.put(f"/instances/{await cloud.launched(name='red')}/team", json={"team_id": teams["Red"]})
    moving = await cloud.launched(name="moving")
    await cloud.customer.put(f"/instances/{moving}/team", json={"team_id": teams["Red"]})
    await charge(cloud, hours=2)
    await cloud.customer.put(f"/instances/{moving}/team", json={"team_id": teams["=Blue"]})
    await charge(cloud, hours=3)
    span = {**days(cloud), "group_by": "team"}
    whole = await ask(cloud.customer, "usage", **span)
    assert {each["team_name"]: each["total_cents"] for each in whole["lines"]} == {None: COST, "Red": 15, "=Blue": 3}
    for name, cents in (("Red", 15), ("=Blue", 3)):
        made = await cloud.customer.post(f"/teams/{teams[name]}/keys", json={"role": "owner"})
        member = api_client(cloud.app, made.json()["api_key"])
        assert (await ask(member, "usage", **span))["total_cents"] == cents
        assert [each["team_name"] for each in (await ask(member, "usage", **span))["lines"]] == [name]
        for path in ("balance", "invoices", f"invoices/{used}"):
            assert (await member.get(f"/billing/{path}")).status_code == 403
    sheet = (await cloud.customer.get("/billing/usage", params={**span, "format": "csv"})).text
    assert "'=Blue" in sheet


async def test_invoices_stay_as_they_are(cloud: TestCloud, used: str) -> None:
    ended = await cloud.one("select ended_at from usage_periods")
    async with transaction(cloud.parts.pool) as tx:
        account_id = await find_account(tx, "customer")
        assert account_id is not None
        await credit(tx, account_id, 500, "paid € 4.60 ✓", ended)
    closing = SetClock(Month.of(ended).ends + timedelta(minutes=59))
    await bill(cloud.parts.pool, closing)
    assert await ask(cloud.customer, "invoices") == {"invoices": [], "next": None}
    closing.at += timedelta(minutes=1)
    await bill(cloud.parts.pool, closing)
    [summary] = (await ask(cloud.customer, "invoices"))["invoices"]
    assert (summary["number"], summary["month"]) == (f"{closing.at.year}-000001", f"{ended:%Y-%m}")
    amounts = [summary[f"{name}_cents"] for name in ("opening_balance", "credited", "charged", "closing_balance")]
    assert amounts == [0, 500, COST, 500 - COST]
    path = f"/billing/invoices/{summary['id']}"
    invoice = (await cloud.customer.get(path)).json()
    [line] = invoice["lines"]
    assert (line["kind"], line["detail"], line["hours"], line["amount_cents"]) == (
        "instance",
        "gpu_1x_a4000",
        19.5,
        COST,
    )
    assert [(each["kind"], each["amount_cents"]) for each in invoice["entries"]] == [("credit", 500)]
    printed = (await cloud.customer.get(path, params={"format": "pdf"})).content
    assert printed.startswith(b"%PDF-")
    async with transaction(cloud.parts.pool) as tx:
        await tx.execute("update instances set name = 'renamed'")
        await credit(tx, account_id, 900, "too late for it", ended)
    closing.at += timedelta(days=32)
    await bill(cloud.parts.pool, closing)
    assert (await cloud.customer.get(path)).json() == invoice
    assert (await cloud.customer.get(path, headers={"Accept": "application/pdf"})).content == printed
    both = await ask(cloud.customer, "invoices", limit=1)
    assert (both["invoices"][0]["opening_balance_cents"], both["invoices"][0]["credited_cents"]) == (500 - COST, 900)
    [older] = (await ask(cloud.customer, "invoices", cursor=both["next"]))["invoices"]
    assert older == summary
    for client, wrong in ((cloud.stranger, summary["id"]), (cloud.customer, used), (cloud.customer, "7")):
        assert (await client.get(f"/billing/invoices/{wrong}")).status_code == 404


async def test_prices(idle_cloud: TestCloud) -> None:
    later = idle_cloud.parts.clock.now().replace(microsecond=0) + timedelta(days=3)
    async with transaction(idle_cloud.parts.pool) as tx:
        await set_price(tx, "ip_address_month", 350, later)
    prices = (await ask(idle_cloud.customer, "prices"))["prices"]
    by_name = {each["instance_type"] or each["item"]: each for each in prices}
    assert (by_name["gpu_1x_a4000"]["cents"], by_name["gpu_1x_a4000"]["unit"]) == (45, "hour")
    assert (by_name["backup_gb_month"]["cents"], by_name["backup_gb_month"]["planned"]) == (5, [])
    planned = [{"cents": 350, "since": later.strftime("%Y-%m-%dT%H:%M:%SZ")}]
    assert (by_name["ip_address_month"]["cents"], by_name["ip_address_month"]["planned"]) == (300, planned)
