"""Teams: names, members, keys that see one team only, and machines that move between them."""

from typing import Any

import httpx
import pytest

from cloud import LAUNCH, TestCloud, api_client

NOWHERE = "6b1c2f5e-0000-4000-8000-000000000000"


async def team_of(client: httpx.AsyncClient, name: str) -> str:
    answer = await client.post("/teams", json={"name": name})
    assert answer.status_code == 201, answer.text
    team_id: str = answer.json()["id"]
    return team_id


async def key_of(cloud: TestCloud, team_id: str, role: str = "member") -> httpx.AsyncClient:
    answer = await cloud.customer.post(f"/teams/{team_id}/keys", json={"name": "ci", "role": role})
    assert answer.status_code == 201, answer.text
    return api_client(cloud.app, answer.json()["api_key"])


async def names(client: httpx.AsyncClient, path: str = "/instances") -> list[str]:
    body: Any = (await client.get(path)).json()
    return [each["name"] for each in (body if isinstance(body, list) else body["instances"])]


async def test_a_team_s_life(idle_cloud: TestCloud) -> None:
    customer = idle_cloud.customer
    research = await team_of(customer, "Research")
    shown = (await customer.get(f"/teams/{research}")).json()
    assert (shown["name"], shown["instances"], shown["members"]) == ("Research", 0, 0)
    taken = await customer.post("/teams", json={"name": "RESEARCH"})
    assert (taken.status_code, taken.json()["error"]) == (400, "name_taken")
    other = await team_of(customer, "Other")
    assert (await customer.patch(f"/teams/{other}", json={"name": "research"})).json()["error"] == "name_taken"
    assert (await customer.patch(f"/teams/{research}", json={"name": "Søk & Æra"})).json()["name"] == "Søk & Æra"
    listed = (await customer.get("/teams")).json()
    assert ([each["name"] for each in listed["teams"]], listed["total"]) == (["Other", "Søk & Æra"], 2)
    assert (await customer.delete(f"/teams/{other}")).status_code == 204
    assert (await customer.get(f"/teams/{other}")).json() == {"error": "team_not_found", "message": "Team not found"}
    assert (await idle_cloud.stranger.get("/teams")).json() == {"teams": [], "total": 0}


@pytest.mark.parametrize("name", ["", " ", " x", "x\n", "x" * 65, "a\0b", None, 7])
async def test_a_name_that_does_not_fit(idle_cloud: TestCloud, name: object) -> None:
    answer = await idle_cloud.customer.post("/teams", json={"name": name})
    assert (answer.status_code, answer.json()["error"]) == (422, "validation_error")


async def test_machines_move_between_teams(idle_cloud: TestCloud) -> None:
    customer = idle_cloud.customer
    research, sales = await team_of(customer, "Research"), await team_of(customer, "Sales")
    inside, outside = await key_of(idle_cloud, research), await key_of(idle_cloud, sales)
    machine = (await idle_cloud.launch(name="mine"))["vm_uuid"]
    assert await names(inside) == []
    assigned = await customer.put(f"/instances/{machine}/team", json={"team_id": research})
    assert assigned.json()["message"] == "VM assigned to team successfully"
    assert (await names(inside), await names(outside)) == (["mine"], [])
    assert await names(customer, f"/teams/{research}/instances") == ["mine"]
    seen = (await inside.get(f"/instances/{machine}")).json()
    assert (seen["team_name"], seen["access_type"]) == ("Research", "team")
    assert (await customer.get(f"/instances/{machine}")).json()["access_type"] == "owner"
    await customer.put(f"/instances/{machine}/team", json={"team_id": sales})
    assert (await names(inside), await names(outside)) == ([], ["mine"])
    removed = await customer.delete(f"/instances/{machine}/team")
    assert removed.json()["message"] == "VM removed from team successfully"
    assert (await names(inside), await names(outside), await names(customer)) == ([], [], ["mine"])
    assert (await customer.delete(f"/instances/{machine}/team")).status_code == 200


@pytest.mark.parametrize("body", [{}, {"team_id": 7}, {"team_id": None}, [], "x", {"team": NOWHERE}])
async def test_an_assignment_without_a_team(idle_cloud: TestCloud, body: object) -> None:
    machine = (await idle_cloud.launch())["vm_uuid"]
    answer = await idle_cloud.customer.put(f"/instances/{machine}/team", json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert "team_id" in answer.json()["message"]


async def test_teams_of_others_do_not_exist(idle_cloud: TestCloud) -> None:
    theirs = await team_of(idle_cloud.stranger, "Theirs")
    machine = (await idle_cloud.launch())["vm_uuid"]
    for team in (theirs, NOWHERE, "x"):
        answer = await idle_cloud.customer.put(f"/instances/{machine}/team", json={"team_id": team})
        assert (answer.status_code, answer.json()["error"]) == (404, "team_not_found")
        assert (await idle_cloud.customer.get(f"/teams/{team}/instances")).status_code == 404
    answer = await idle_cloud.stranger.put(f"/instances/{machine}/team", json={"team_id": theirs})
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


async def test_what_a_team_launches_is_the_team_s(idle_cloud: TestCloud) -> None:
    research, sales = [await team_of(idle_cloud.customer, name) for name in ("Research", "Sales")]
    admin, other = await key_of(idle_cloud, research, "admin"), await key_of(idle_cloud, sales, "owner")
    accepted = (await admin.post("/instances/launch-instance", json={**LAUNCH, "name": "theirs"})).json()
    assert (await names(admin), await names(other), await names(idle_cloud.customer)) == (["theirs"], [], ["theirs"])
    for path in (f"/instances/{accepted['vm_uuid']}", f"/tasks/{accepted['task_id']}"):
        assert (await admin.get(path)).status_code == 200
        assert (await other.get(path)).status_code == 404
    assert len((await admin.get("/tasks")).json()["tasks"]) == 1
    assert (await other.get("/tasks")).json()["tasks"] == []


async def test_a_deleted_team_keeps_its_machines_and_ends_its_keys(idle_cloud: TestCloud) -> None:
    team = await team_of(idle_cloud.customer, "Research")
    key = await key_of(idle_cloud, team, "admin")
    await key.post("/instances/launch-instance", json={**LAUNCH, "name": "theirs"})
    assert (await idle_cloud.customer.delete(f"/teams/{team}")).status_code == 204
    assert (await key.get("/instances")).status_code == 401
    assert await names(idle_cloud.customer) == ["theirs"]


async def test_members_are_invited_promoted_and_removed(idle_cloud: TestCloud) -> None:
    team = await team_of(idle_cloud.customer, "Research")
    members = f"/teams/{team}/members"
    ada = (await idle_cloud.customer.post(members, json={"email": "Ada@example.com", "role": "viewer"})).json()
    assert (ada["email"], ada["role"]) == ("Ada@example.com", "viewer")
    assert ada["invited_by"] == idle_cloud.key.split("_")[1]
    again = await idle_cloud.customer.post(members, json={"email": "ada@EXAMPLE.com"})
    assert (again.status_code, again.json()["error"]) == (400, "already_member")
    promoted = await idle_cloud.customer.patch(f"{members}/{ada['id']}", json={"role": "admin"})
    assert promoted.json()["role"] == "admin"
    assert [each["role"] for each in (await idle_cloud.customer.get(members)).json()["members"]] == ["admin"]
    assert (await idle_cloud.customer.delete(f"{members}/{ada['id']}")).status_code == 204
    assert (await idle_cloud.customer.delete(f"{members}/{ada['id']}")).json()["error"] == "member_not_found"
    assert (await idle_cloud.stranger.get(members)).status_code == 404


@pytest.mark.parametrize(
    "email", ["", "ada", "a@b", "a b@example.com", "ada@example.com\n", "x" * 250 + "@a.de", "<a@b.c>"]
)
async def test_an_address_that_is_none(idle_cloud: TestCloud, email: str) -> None:
    team = await team_of(idle_cloud.customer, "Research")
    answer = await idle_cloud.customer.post(f"/teams/{team}/members", json={"email": email})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "email")


async def test_nobody_gives_more_than_they_have(idle_cloud: TestCloud) -> None:
    team = await team_of(idle_cloud.customer, "Research")
    admin = await key_of(idle_cloud, team, "admin")
    owner = (
        await idle_cloud.customer.post(f"/teams/{team}/members", json={"email": "o@example.com", "role": "owner"})
    ).json()
    for answer in (
        await admin.post(f"/teams/{team}/keys", json={"role": "owner"}),
        await admin.post(f"/teams/{team}/members", json={"email": "a@example.com", "role": "owner"}),
        await admin.patch(f"/teams/{team}/members/{owner['id']}", json={"role": "viewer"}),
        await admin.delete(f"/teams/{team}/members/{owner['id']}"),
    ):
        assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
        assert "'owner'" in answer.json()["message"]
    assert (await admin.post(f"/teams/{team}/keys", json={"role": "admin"})).status_code == 201


async def test_keys_are_listed_without_their_secret_and_revoked(idle_cloud: TestCloud) -> None:
    team, other = await team_of(idle_cloud.customer, "Research"), await team_of(idle_cloud.customer, "Other")
    made = (await idle_cloud.customer.post(f"/teams/{team}/keys", json={"expires_in_days": 1})).json()
    listed = (await idle_cloud.customer.get(f"/teams/{team}/keys")).json()
    assert [each["prefix"] for each in listed["keys"]] == [made["prefix"]]
    assert made["expires_at"] is not None
    assert "api_key" not in listed["keys"][0]
    assert (await idle_cloud.customer.delete(f"/teams/{other}/keys/{made['prefix']}")).status_code == 404
    client = api_client(idle_cloud.app, made["api_key"])
    assert (await client.get("/instances")).status_code == 200
    assert (await idle_cloud.customer.delete(f"/teams/{team}/keys/{made['prefix']}")).status_code == 204
    assert (await client.get("/instances")).status_code == 401
