"""What staff does through the API: to accounts, and to what is sold."""

from typing import Any

import httpx
import pytest

from cloud import LAUNCH, TestCloud, api_client


async def made(cloud: TestCloud, name: str) -> str:
    answer = await cloud.staff.post("/admin/accounts", json={"name": name})
    assert answer.status_code == 201, answer.text
    account_id: str = answer.json()["id"]
    return account_id


async def done(client: httpx.AsyncClient, method: str, path: str, body: Any = None) -> Any:
    answer = await client.request(method, path, json=body)
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


async def refused(client: httpx.AsyncClient, method: str, path: str, body: Any = None) -> tuple[int, str]:
    answer = await client.request(method, path, json=body)
    return answer.status_code, answer.json()["error"]


async def test_an_account_s_life(idle_cloud: TestCloud) -> None:
    staff = idle_cloud.staff
    account_id = await made(idle_cloud, "acme")
    path = f"/admin/accounts/{account_id}"
    shown = await done(staff, "GET", path)
    assert {name: shown[name] for name in ("name", "role", "balance_cents", "closed_at", "instances")} == {
        "name": "acme",
        "role": "customer",
        "balance_cents": 0,
        "closed_at": None,
        "instances": 0,
    }
    key = await done(staff, "POST", f"{path}/keys", {"name": "first", "role": "owner"})
    client = api_client(idle_cloud.app, key["api_key"])
    assert (await client.get("/account")).json()["id"] == account_id
    rotated = await done(staff, "POST", f"{path}/keys/{key['prefix']}/rotate", {"overlap_hours": 0})
    assert (await client.get("/account")).status_code == 401
    client = api_client(idle_cloud.app, rotated["api_key"])
    assert [each["prefix"] for each in (await done(staff, "GET", f"{path}/keys"))["keys"]] == [key["prefix"]]
    given = await done(staff, "POST", f"{path}/credit", {"amount_cents": 2500, "reason": "welcome"})
    assert (given["balance_cents"], given["reason"]) == (2500, "welcome")
    taken = await done(staff, "POST", f"{path}/credit", {"amount_cents": -2600, "reason": "a mistake"})
    assert taken["balance_cents"] == -100
    assert await refused(staff, "POST", f"{path}/close") == (409, "account_in_use")
    await done(staff, "POST", f"{path}/credit", {"amount_cents": 100, "reason": "put right"})
    assert (await done(staff, "POST", f"{path}/close"))["closed_at"] is not None
    assert (await client.get("/account")).status_code == 401
    assert await refused(staff, "POST", f"{path}/close") == (409, "account_closed")
    assert (await done(staff, "POST", f"{path}/reopen"))["closed_at"] is None
    another = await done(staff, "POST", f"{path}/keys", {})
    assert (await api_client(idle_cloud.app, another["api_key"]).get("/instances")).status_code == 200
    assert (await staff.delete(f"{path}/keys/{another['prefix']}")).status_code == 204
    assert (await api_client(idle_cloud.app, another["api_key"]).get("/instances")).status_code == 401


async def test_an_account_s_log_tells_what_staff_did(idle_cloud: TestCloud) -> None:
    account_id = await idle_cloud.account_id()
    await idle_cloud.launch()
    path = f"/admin/accounts/{account_id}"
    await done(idle_cloud.staff, "POST", f"{path}/credit", {"amount_cents": 100, "reason": "welcome"})
    assert await refused(idle_cloud.staff, "POST", f"{path}/close") == (409, "account_in_use")
    key = await done(idle_cloud.staff, "POST", f"{path}/keys", {})
    log = (await idle_cloud.customer.get("/audit-log")).json()["entries"]
    prefix = idle_cloud.staff.headers["X-API-Key"].split("_")[1]
    assert [(each["operation"], each["key_prefix"] == prefix, each["error"]) for each in log] == [
        ("admin_create_key", True, None),
        ("admin_close_account", True, "account_in_use"),
        ("admin_credit_account", True, None),
        ("launch_standard_instance", False, None),
    ]
    assert (await done(idle_cloud.staff, "GET", f"{path}/audit-log"))["entries"] == log
    assert (await idle_cloud.staff.get("/audit-log")).json()["entries"] == []
    await refused(idle_cloud.staff, "POST", "/admin/accounts/nobody/close")
    (own,) = (await idle_cloud.staff.get("/audit-log")).json()["entries"]
    assert (own["operation"], own["error"]) == ("admin_close_account", "account_not_found")
    assert key["prefix"] not in str(log)


async def test_accounts_are_found_by_pages_and_by_name(idle_cloud: TestCloud) -> None:
    for number in range(5):
        await made(idle_cloud, f"shop-{number}")
    closed = await made(idle_cloud, "shop-closed")
    await done(idle_cloud.staff, "POST", f"/admin/accounts/{closed}/close")

    async def names(**query: Any) -> list[str]:
        found: list[str] = []
        while query.get("cursor", "first"):
            page = (await idle_cloud.staff.get("/admin/accounts", params=query)).json()
            found += [each["name"] for each in page["accounts"]]
            query["cursor"] = page["next"]
        return found

    whole = await names(limit=2)
    assert whole == await names()
    assert whole[:2] == ["shop-closed", "shop-4"]
    assert sorted(whole[6:]) == ["customer", "staff", "stranger"]
    assert await names(search="SHOP-", closed="false", limit=3) == [f"shop-{number}" for number in (4, 3, 2, 1, 0)]
    assert await names(search="shop", closed="true") == ["shop-closed"]
    assert await names(search="%") == []
    assert (await idle_cloud.staff.get("/admin/accounts", params={"cursor": "x"})).status_code == 422


@pytest.mark.parametrize("name", ["Acme", "-a", "", "a" * 64, "a b", None])
async def test_names_that_no_account_has(idle_cloud: TestCloud, name: object) -> None:
    assert (await refused(idle_cloud.staff, "POST", "/admin/accounts", {"name": name}))[0] == 422


async def test_what_cannot_be_done_to_accounts(idle_cloud: TestCloud) -> None:
    staff = idle_cloud.staff
    account_id = await made(idle_cloud, "acme")
    assert await refused(staff, "POST", "/admin/accounts", {"name": "acme"}) == (400, "name_taken")
    path = f"/admin/accounts/{account_id}"
    assert await refused(staff, "POST", f"{path}/reopen") == (400, "account_open")
    own = (await done(staff, "GET", "/account"))["id"]
    assert await refused(staff, "POST", f"/admin/accounts/{own}/close") == (400, "own_account")
    assert await refused(staff, "POST", f"{path}/keys", {"role": "staff"}) == (400, "invalid_request")
    assert await refused(staff, "DELETE", f"{path}/keys/{idle_cloud.key.split('_')[1]}") == (404, "key_not_found")
    for body in ({"amount_cents": 0, "reason": "x"}, {"amount_cents": 1}, {"amount_cents": 10**12, "reason": "x"}):
        assert (await refused(staff, "POST", f"{path}/credit", body))[0] == 422
    for wrong in ("nobody", "6b1c2f5e-0000-4000-8000-000000000000"):
        assert await refused(staff, "GET", f"/admin/accounts/{wrong}") == (404, "account_not_found")
    assert await refused(idle_cloud.customer, "GET", path) == (403, "forbidden")


async def test_quotas_of_one_and_of_everybody(idle_cloud: TestCloud) -> None:
    staff = idle_cloud.staff
    account_id = await idle_cloud.account_id()
    path = f"/admin/accounts/{account_id}/quotas"

    async def limits(path: str) -> dict[str, int | None]:
        return {each["quota"]: each["limit"] for each in (await done(staff, "GET", path))["quotas"]}

    await done(staff, "PUT", "/admin/quotas/instances", {"limit": 0})
    await done(staff, "PUT", "/admin/quotas/gpus:A4000", {"limit": 1})
    assert (await limits("/admin/quotas"))["gpus:A4000"] == 1
    answer = await idle_cloud.customer.post("/instances/launch-instance", json=LAUNCH)
    assert (answer.status_code, answer.json()["error"]) == (403, "quota_exceeded")
    await done(staff, "PUT", f"{path}/instances", {"limit": 1})
    await done(staff, "PUT", f"{path}/gpus", {"limit": None})
    assert {name: most for name, most in (await limits(path)).items() if name in {"instances", "gpus:A4000"}} == {
        "instances": 1,
        "gpus:A4000": None,
    }
    await idle_cloud.launch()
    await done(staff, "PUT", f"{path}/instances", {"default": True})
    assert (await limits(path))["instances"] == 0
    assert await refused(staff, "PUT", f"{path}/disks", {"limit": 1}) == (404, "quota_not_found")
    assert await refused(staff, "PUT", f"{path}/gpus:H900", {"limit": 1}) == (404, "quota_not_found")
    assert await refused(staff, "PUT", "/admin/quotas/vcpus", {"default": True}) == (400, "invalid_request")
    for body in ({}, {"limit": -1}, {"limit": 1, "default": True}, {"limit": 2**31}):
        assert (await refused(staff, "PUT", f"{path}/vcpus", body))[0] == 422


async def test_a_host_takes_no_more_machines(idle_cloud: TestCloud) -> None:
    staff = idle_cloud.staff
    await idle_cloud.launch(instance_type="gpu_1x_a4000")
    (host,) = (await done(staff, "GET", "/admin/hosts"))["hosts"]
    assert (host["id"], host["status"], host["vcpus_used"], "token" in str(host)) == ("px1", "active", 8, False)
    changed = await done(staff, "PATCH", "/admin/hosts/px1", {"status": "draining"})
    assert changed == {**host, "status": "draining"}
    answer = await idle_cloud.customer.post("/instances/launch-instance", json=LAUNCH)
    assert (answer.status_code, answer.json()["error"]) == (409, "resource_conflict")
    assert await refused(staff, "PATCH", "/admin/hosts/px9", {"status": "active"}) == (404, "host_not_found")
    assert (await refused(staff, "PATCH", "/admin/hosts/px1", {"status": "broken"}))[0] == 422
    gpus = (await done(staff, "GET", "/admin/gpus"))["gpus"]
    assert [(each["mapping"], each["instance_id"] is None) for each in gpus] == [("a4000-0", False), ("a4000-1", True)]
    pools = (await done(staff, "GET", "/admin/pools"))["pools"]
    assert {each["kind"] for each in pools} >= {"public"}
    assert sum(each["used"] for each in pools if each["kind"] == "public") == 1


async def test_regions_templates_and_prices(idle_cloud: TestCloud) -> None:
    staff = idle_cloud.staff
    region = {"name": "eu-1", "description": "Oslo, NO", "city": "Oslo", "state": "-", "country": "NO"}
    for words in ("Oslo, NO", "Oslo, Norway"):
        await done(staff, "PUT", "/admin/regions", {**region, "description": words})
    assert {**region, "description": "Oslo, Norway"} in (await done(staff, "GET", "/admin/regions"))["regions"]
    hidden = await done(staff, "PATCH", "/admin/templates/TINY-LINUX", {"hidden": True})
    assert (hidden["hidden"], hidden["hosts"]) == (True, ["px1"])
    assert (await idle_cloud.customer.get("/instances/templates")).json()["total"] == 0
    assert hidden in (await done(staff, "GET", "/admin/templates"))["templates"]
    assert (await done(staff, "PATCH", "/admin/templates/TINY-LINUX", {"hidden": False}))["hidden"] is False
    assert await refused(staff, "PATCH", "/admin/templates/X", {"hidden": True}) == (404, "template_not_found")
    await done(staff, "PUT", "/admin/prices/v1_cpu_small", {"cents": 4})
    planned = {"cents": 400, "since": "2099-01-01T00:00:00Z"}
    listed = await done(staff, "PUT", "/admin/prices/ip_address_month", planned)
    assert {"item": "ip_address_month", **planned, "until": None} in listed["prices"]
    assert await done(staff, "GET", "/admin/prices") == listed
    offers = (await idle_cloud.customer.get("/billing/prices")).json()["prices"]
    assert [each["cents"] for each in offers if each["instance_type"] == "v1_cpu_small"] == [4]
    past = {"cents": 1, "since": "2020-01-01T00:00:00Z"}
    assert await refused(staff, "PUT", "/admin/prices/v1_cpu_small", past) == (400, "invalid_request")
    assert await refused(staff, "PUT", "/admin/prices/nothing", {"cents": 1}) == (404, "price_not_found")
