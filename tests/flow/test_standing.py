"""Who does not pay: refused, warned, past due, suspended, terminated; and all of it undone by a payment in time."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from bluelobster.enforcement.enforce import enforce
from cloud import CLEAN, LAUNCH, TestCloud, eventually
from event_streams import page
from pvelocal.faults import Fault
from set_clock import SetClock

HOUR = timedelta(hours=1)


@dataclass
class Debtor:
    """A customer who pays in advance, and staff. `at` is what time enforcement takes it to be."""

    cloud: TestCloud
    account_id: str
    at: datetime

    @property
    def customer(self) -> httpx.AsyncClient:
        return self.cloud.customer

    async def staff(self, path: str, body: dict[str, Any]) -> Any:
        answer = await self.cloud.staff.request(
            "POST" if path == "credit" else "PUT", f"/admin/accounts/{self.account_id}/{path}", json=body
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def pays(self, cents: int) -> None:
        await self.staff("credit", {"amount_cents": cents, "reason": "test"})

    async def balance(self) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.customer.get("/billing/balance")).json()
        return answer

    async def standing(self) -> tuple[str, str | None]:
        balance = await self.balance()
        return balance["standing"], balance["next_step_at"]

    async def looks(self, later: timedelta = timedelta()) -> None:
        """Three workers see to it at once, so much later: it is done once."""
        self.at += later
        await asyncio.gather(*(enforce(self.cloud.parts.pool, SetClock(self.at)) for _ in range(3)))

    async def idle(self) -> None:
        async def look() -> bool:
            return not await self.cloud.one("select count(*) from tasks where ended_at is null")

        await eventually(look)

    async def power(self, instance_id: str) -> str:
        status: str = (await self.customer.get(f"/instances/{instance_id}")).json()["power_status"]
        return status

    async def told(self) -> list[str]:
        """The kinds of events about money, in order."""
        found = (await page(self.customer))["events"]
        return [each["kind"] for each in found if each["kind"].startswith("billing.")]


@pytest.fixture
async def debtor(cloud: TestCloud) -> Debtor:
    account_id = str(await cloud.account_id())
    debtor = Debtor(cloud, account_id, cloud.parts.clock.now())
    await debtor.staff("terms", {"pays": "prepaid"})
    return debtor


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("error")


async def test_a_launch_needs_credit_for_all_that_runs(debtor: Debtor) -> None:
    """At 3 cents an hour each."""
    launch = {**LAUNCH, "instance_type": "v1_cpu_small"}
    answer = await debtor.customer.post("/instances/launch-instance", json=launch)
    assert refusal(answer) == (402, "insufficient_credit")
    assert answer.json() == {
        "error": "insufficient_credit",
        "message": "The account can spend $0.00, and its instances, with this one, cost $0.03 in 1 hour; "
        "add $0.03 or more and launch again",
        "available_cents": 0,
        "needed_cents": 3,
        "missing_cents": 3,
    }
    await debtor.pays(5)
    await debtor.cloud.launched(instance_type="v1_cpu_small")
    answer = await debtor.customer.post("/instances/launch-instance", json=launch)
    assert refusal(answer) == (402, "insufficient_credit")
    assert (answer.json()["needed_cents"], answer.json()["missing_cents"]) == (6, 1)
    await debtor.pays(1)
    await debtor.cloud.launched(instance_type="v1_cpu_small")
    terms = (await debtor.cloud.staff.get("/admin/billing-terms")).json()
    await debtor.cloud.staff.put("/admin/billing-terms", json={**terms, "launch_hours": 24})
    answer = await debtor.customer.post("/instances/launch-instance", json=launch)
    assert answer.json()["needed_cents"] == 3 * 3 * 24
    await debtor.staff("terms", {"pays": "prepaid", "exempt": True})
    await debtor.cloud.launched(instance_type="v1_cpu_small")


async def test_what_was_refused_takes_nothing(debtor: Debtor) -> None:
    answer = await debtor.customer.post("/instances/launch-instance", json=LAUNCH)
    assert refusal(answer) == (402, "insufficient_credit")
    assert await debtor.cloud.leftovers() == CLEAN


async def test_warnings_come_once_for_each_level(debtor: Debtor) -> None:
    await debtor.pays(3 * 100)
    await debtor.cloud.launched(instance_type="v1_cpu_small")
    for _ in range(2):
        await debtor.looks()
    (low,) = (await page(debtor.customer, kind="billing.low_credit"))["events"]
    assert low["data"] == {"standing": "good", "next_step_at": None, "hours_left": 100}
    await debtor.pays(-3 * 80)
    for _ in range(2):
        await debtor.looks()
    assert await debtor.told() == ["billing.low_credit"] * 2
    await debtor.pays(3 * 1000)
    await debtor.looks()
    await debtor.pays(-3 * 1000)
    await debtor.looks()
    assert await debtor.told() == ["billing.low_credit"] * 3, "after a payment the levels count anew"


async def test_from_debt_to_a_payment_in_time(debtor: Debtor) -> None:
    await debtor.pays(100)
    on, off = [await debtor.cloud.launched(instance_type="v1_cpu_small") for _ in range(2)]
    await debtor.cloud.completed((await debtor.customer.post(f"/instances/{off}/shutdown")).json()["task_id"])
    await debtor.pays(-250)
    await debtor.looks()
    standing, step = await debtor.standing()
    assert standing == "past_due"
    assert step == (debtor.at + 24 * HOUR).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = await debtor.customer.post("/instances/launch-instance", json=LAUNCH)
    assert refusal(answer) == (402, "account_past_due")
    assert answer.json()["missing_cents"] == 150
    assert answer.json()["message"] == "The account owes $1.50 more than it may; pay that or more to make anything new"
    assert refusal(await debtor.customer.post(f"/instances/{on}/ips")) == (402, "account_past_due")
    await debtor.cloud.completed((await debtor.customer.post(f"/instances/{on}/backup")).json()["task_id"])
    await debtor.looks(23 * HOUR)
    await debtor.idle()
    assert await debtor.power(on) == "running"

    await debtor.looks(HOUR)
    await debtor.idle()
    assert (await debtor.standing())[0] == "suspended"
    assert [await debtor.power(each) for each in (on, off)] == ["stopped", "stopped"]
    for path in (f"{on}/power-on", f"{on}/power-cycle", f"{on}/reboot", f"{on}/backup", f"{off}/power-on"):
        assert refusal(await debtor.customer.post(f"/instances/{path}")) == (402, "account_suspended")
    volid = (await debtor.customer.get(f"/instances/{on}/backups")).json()["backups"][0]["volid"]
    answer = await debtor.customer.post(f"/instances/{on}/restore", json={"backup_volid": volid})
    assert refusal(answer) == (402, "account_suspended")

    await debtor.pays(149)
    assert (await debtor.standing())[0] == "suspended"
    await debtor.pays(1)
    assert await debtor.standing() == ("good", None)
    await debtor.looks()
    await debtor.idle()
    assert [await debtor.power(each) for each in (on, off)] == ["running", "stopped"], "as they were before"
    assert (await debtor.told())[-3:] == ["billing.past_due", "billing.suspended", "billing.good_standing"]
    await debtor.cloud.completed((await debtor.customer.post(f"/instances/{off}/power-on")).json()["task_id"])


async def test_a_guest_that_does_not_follow_is_switched_off(debtor: Debtor) -> None:
    await debtor.pays(100)
    instance_id = await debtor.cloud.launched(instance_type="v1_cpu_small")
    debtor.cloud.node.faults.add(
        Fault("task-fails", "POST", "/status/shutdown$", message="VM quit/powerdown failed - got timeout")
    )
    await debtor.pays(-101)
    await debtor.looks()
    for _ in range(2):
        await debtor.looks(24 * HOUR)
        await debtor.idle()
        await eventually(lambda: known(debtor, instance_id))
    assert await debtor.power(instance_id) == "stopped"
    tasks = (await debtor.customer.get("/tasks")).json()["tasks"]
    assert [each["operation"] for each in tasks[:2]] == ["force_shutdown_instance", "shutdown_instance"]


async def known(debtor: Debtor, instance_id: str) -> bool:
    return await debtor.power(instance_id) != "unknown"


async def test_to_the_end(debtor: Debtor) -> None:
    await debtor.pays(100)
    instance_id = await debtor.cloud.launched(instance_type="v1_cpu_small")
    await debtor.cloud.completed((await debtor.customer.post(f"/instances/{instance_id}/backup")).json()["task_id"])
    await debtor.pays(-101)
    await debtor.looks()
    for hours in (24, 14 * 24):
        await debtor.looks(hours * HOUR)
        await debtor.idle()
    assert (await debtor.standing())[0] == "terminated"
    await debtor.looks()
    await debtor.idle()
    assert await debtor.cloud.leftovers() == CLEAN
    assert await debtor.cloud.one("select count(*) from backups where ended_at is null") == 0
    assert (await debtor.told())[-3:] == ["billing.past_due", "billing.suspended", "billing.terminated"]
    await debtor.pays(1)
    assert await debtor.standing() == ("good", None)


async def test_an_outage_of_ours_takes_nobody_s_time(debtor: Debtor) -> None:
    """The steps of a year that nobody looked at are taken one at a time, each with its whole time."""
    await debtor.pays(-1)
    await debtor.looks()
    await debtor.looks(365 * 24 * HOUR)
    assert await debtor.standing() == ("suspended", (debtor.at + 336 * HOUR).strftime("%Y-%m-%dT%H:%M:%SZ"))


async def test_who_pays_by_invoice_may_owe(debtor: Debtor) -> None:
    await debtor.staff("terms", {"pays": "invoice", "credit_limit_cents": 500})
    await debtor.cloud.launched(instance_type="v1_cpu_small")
    await debtor.pays(-500)
    await debtor.looks()
    assert (await debtor.standing())[0] == "good"
    await debtor.pays(-1)
    await debtor.looks()
    assert (await debtor.standing())[0] == "past_due"
    shown = await debtor.staff("terms", {"pays": "invoice", "credit_limit_cents": 501})
    assert (shown["standing"], shown["next_step_at"]) == ("good", None)
    answer = await debtor.cloud.staff.put(
        f"/admin/accounts/{debtor.account_id}/terms", json={"pays": "prepaid", "credit_limit_cents": 1}
    )
    assert answer.status_code == 422
    assert "credit_limit_cents needs pays=invoice" in answer.text


async def test_staff_and_who_is_exempt_are_left_alone(debtor: Debtor) -> None:
    await debtor.staff("terms", {"pays": "prepaid", "exempt": True})
    instance_id = await debtor.cloud.launched()
    await debtor.pays(-(10**6))
    for _ in range(3):
        await debtor.looks(400 * 24 * HOUR)
    assert await debtor.standing() == ("good", None)
    assert await debtor.power(instance_id) == "running"
    answer = await debtor.cloud.staff.post("/instances/launch-instance", json=LAUNCH)
    assert answer.status_code == 200


async def test_a_payment_comes_before_a_deletion(debtor: Debtor) -> None:
    """Between the step and what it does, somebody pays: nothing is deleted."""
    await debtor.pays(100)
    instance_id = await debtor.cloud.launched(instance_type="v1_cpu_small")
    await debtor.cloud.one("update accounts set standing = 'terminated' where id = %s returning 1", debtor.account_id)
    await debtor.looks()
    await debtor.idle()
    assert await debtor.power(instance_id) == "running"
    assert "billing.good_standing" in await debtor.told()


async def test_spending_limits(debtor: Debtor) -> None:
    await debtor.pays(10_000)
    team = (await debtor.customer.post("/teams", json={"name": "Research"})).json()
    put = debtor.customer.put
    limits = (await put("/billing/spending-limits", json={"limit_cents": 100})).json()
    assert [(each["team_name"], each["limit_cents"], each["spent_cents"]) for each in limits["limits"]] == [
        (None, 100, 0),
        ("Research", None, 0),
    ]
    assert (await debtor.cloud.launch(instance_type="gpu_1x_a4000"))["task_id"]
    await spend(debtor, 60)
    answer = await debtor.customer.post("/instances/launch-instance", json={**LAUNCH, "instance_type": "gpu_1x_a4000"})
    assert refusal(answer) == (402, "spending_limit_reached")
    assert answer.json()["message"] == (
        "The account may spend $1.00 in a month; $0.60 are spent, and this needs $0.45 more. "
        "Raise the limit, or wait for the next month"
    )
    await debtor.looks()
    assert "billing.spending_limit" not in await debtor.told()
    await spend(debtor, 40)
    for _ in range(2):
        await debtor.looks()
    assert (await debtor.told()).count("billing.spending_limit") == 1
    assert (await put("/billing/spending-limits", json={"limit_cents": None})).status_code == 200
    await debtor.cloud.launched(instance_type="v1_cpu_small")

    limits = (await put(f"/billing/spending-limits/{team['id']}", json={"limit_cents": 2})).json()
    assert limits["limits"][1]["limit_cents"] == 2
    key = (await debtor.customer.post("/keys", json={"name": "team", "team_id": team["id"], "role": "admin"})).json()
    answer = await debtor.customer.post(
        "/instances/launch-instance",
        json={**LAUNCH, "instance_type": "v1_cpu_small"},
        headers={"X-API-Key": key["api_key"]},
    )
    assert refusal(answer) == (402, "spending_limit_reached")
    answer = await debtor.customer.put("/billing/spending-limits/nobody", json={"limit_cents": 2})
    assert refusal(answer) == (404, "team_not_found")


async def spend(debtor: Debtor, cents: int) -> None:
    async with debtor.cloud.parts.pool.connection() as connection:
        await connection.execute(
            """insert into ledger (account_id, kind, amount_cents, reason, created_at)
               values (%s, 'charge', %s, 'test', now())""",
            (debtor.account_id, -cents),
        )
