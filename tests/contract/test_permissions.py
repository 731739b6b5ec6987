"""Every operation of the served OpenAPI, with every kind of caller."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from bluelobster.access.accounts import find_account
from bluelobster.access.keys import create_key
from bluelobster.access.permissions import OPERATIONS, PUBLIC, ROLES, Role
from bluelobster.access.table import as_markdown
from bluelobster.billing.close import close_months
from bluelobster.billing.ledger import credit
from bluelobster.db.pool import transaction
from cloud import SSH_KEY, TestCloud, api_client
from set_clock import SetClock

PAGE = Path(__file__).parents[2] / "docs" / "permissions.md"
# Everything that a path may name; each is filled with something real, and with something that is not there.
BODIES: dict[str, Any] = {
    "rename_instance": {"name": "another-name"},
    "create_backup_schedule": {"frequency": "daily", "hour_utc": 3},
    "assign_vm_to_team": {"team_id": str(uuid4())},
}


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    name: str
    method: str
    path: str

    @property
    def names_a_thing(self) -> bool:
        return "{" in self.path

    async def ask(self, client: httpx.AsyncClient, values: dict[str, str]) -> httpx.Response:
        """An answer, without opening a stream that never ends."""
        path = self.path.removeprefix("/api/v1").format(**values)
        json = BODIES.get(self.name, {}) if self.method in {"post", "put", "patch"} else None
        return await client.request(self.method, path, json=json, headers={"Accept": "application/json"})


def operations(cloud: TestCloud) -> list[Operation]:
    return [
        Operation(facts["operationId"].partition("_api_v1_")[0], method, path)
        for path, item in cloud.app.openapi()["paths"].items()
        for method, facts in item.items()
        if facts["operationId"].partition("_api_v1_")[0] not in PUBLIC
    ]


def nothing(path: str) -> dict[str, str]:
    """Values for a path's parameters that name nothing."""
    names = [part.partition("}")[0] for part in path.split("{")[1:]]
    return {name: "7" if name == "pos" else str(uuid4()) for name in names}


@pytest.fixture
async def account_id(idle_cloud: TestCloud) -> UUID:
    found: UUID = await idle_cloud.account_id()
    return found


async def key(cloud: TestCloud, account_id: UUID, role: Role, team_id: str | None = None, days: int = 1) -> str:
    now = cloud.parts.clock.now()
    async with transaction(cloud.parts.pool) as tx:
        team = UUID(team_id) if team_id else None
        return await create_key(tx, account_id, "test", role, now, now + timedelta(days=days), team)


@pytest.fixture
async def team_id(idle_cloud: TestCloud) -> str:
    made: str = (await idle_cloud.customer.post("/teams", json={"name": "Research"})).json()["id"]
    return made


@pytest.fixture
async def things(idle_cloud: TestCloud, team_id: str) -> dict[str, str]:
    """Something real for every name that a path may have."""
    accepted = await idle_cloud.launch()
    machine = accepted["vm_uuid"]
    await idle_cloud.customer.put(f"/instances/{machine}/team", json={"team_id": team_id})
    member = await idle_cloud.customer.post(f"/teams/{team_id}/members", json={"email": "ada@example.com"})
    made = await idle_cloud.customer.post(f"/teams/{team_id}/keys", json={})
    registered = await idle_cloud.customer.post("/ssh-keys", json={"name": "laptop", "public_key": SSH_KEY})
    user = await idle_cloud.staff.post("/admin/users", json={"email": "joan@example.com", "account": "customer"})
    return {
        "instance_id": machine,
        "vm_uuid": machine,
        "task_id": accepted["task_id"],
        "team_id": team_id,
        "member_id": member.json()["id"],
        "session_id": str(uuid4()),
        "user_id": user.json()["user"]["id"],
        "prefix": made.json()["prefix"],
        "ip_address": accepted["assigned_ip"],
        "pos": "0",
        "name_or_id": registered.json()["id"],
        "invoice_id": str(await invoice_of_customer(idle_cloud)),
        "top_up_id": str(await top_up_of_customer(idle_cloud)),
        "account_id": str(await idle_cloud.account_id()),
        "host_id": "px1",
        "template": "TINY-LINUX",
        "quota": "vcpus",
        "item": "v1_cpu_small",
        "region": "us-east-1",
        "model": "A4000",
        "mapping": "a4000-0",
        "instance_type": "v1_cpu_small",
        "pool_id": str(await idle_cloud.one("select id from address_pools limit 1")),
    }


async def invoice_of_customer(cloud: TestCloud) -> UUID:
    """Of a month in which something came in."""
    then = SetClock(datetime(2026, 1, 1, tzinfo=UTC))
    async with transaction(cloud.parts.pool) as tx:
        account_id = await find_account(tx, "customer")
        assert account_id is not None
        await credit(tx, account_id, 100, "test", then.at)
    await close_months(cloud.parts.pool, SetClock(then.at + timedelta(days=32)))
    found: UUID = await cloud.one("select id from invoices where account_id = %s", account_id)
    return found


async def top_up_of_customer(cloud: TestCloud) -> UUID:
    found: UUID = await cloud.one(
        """insert into top_ups (id, account_id, key_prefix, amount_cents, provider, created_at, expires_at)
           select gen_random_uuid(), id, 'x', 500, 'stripe', now(), now() from accounts where name = 'customer'
           returning id"""
    )
    return found


async def test_every_operation_has_a_requirement(idle_cloud: TestCloud) -> None:
    assert {each.name for each in operations(idle_cloud)} == set(OPERATIONS)


async def test_a_stranger_is_turned_away_before_the_body_is_read(idle_cloud: TestCloud, account_id: UUID) -> None:
    """Each is asked with no key, and one after the other with every key that is wrong."""
    expired = await key(idle_cloud, account_id, "owner", days=-1)
    wrong = cycle(("", "nonsense", "bl_aaaaaaaa_bbbb", f"{idle_cloud.key}x", idle_cloud.key[:-1], expired))
    for each in operations(idle_cloud):
        for given in (None, next(wrong)):
            path = each.path.removeprefix("/api/v1").format(**nothing(each.path))
            answer = await api_client(idle_cloud.app, given).request(each.method, path, content=b"{not json")
            assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized"), each


@pytest.mark.parametrize(
    ("role", "in_team"), [(role, False) for role in ROLES] + [(role, True) for role in ROLES if role != "staff"]
)
async def test_every_operation_with_every_role(
    idle_cloud: TestCloud, account_id: UUID, team_id: str, role: Role, in_team: bool
) -> None:
    client = api_client(idle_cloud.app, await key(idle_cloud, account_id, role, team_id if in_team else None))
    for each in operations(idle_cloud):
        refusal = OPERATIONS[each.name].refuses(role, in_team)
        answer = await each.ask(client, nothing(each.path))
        if refusal:
            assert (answer.status_code, answer.json()) == (403, {"error": "forbidden", "message": refusal}), each
        else:
            assert answer.status_code not in {401, 403, 500, 503}, (each, answer.text)


async def test_what_an_outsider_names_does_not_exist(idle_cloud: TestCloud, things: dict[str, str]) -> None:
    """Of another account, or of the same account and another team: both answer as for what is not there."""
    other_team = (await idle_cloud.customer.post("/teams", json={"name": "Sales"})).json()["id"]
    made = await idle_cloud.customer.post(f"/teams/{other_team}/keys", json={"role": "owner"})
    for outsider in (idle_cloud.stranger, api_client(idle_cloud.app, made.json()["api_key"])):
        for each in operations(idle_cloud):
            if not each.names_a_thing:
                continue
            absent = nothing(each.path)
            real = {name: things[name] for name in absent}
            of_real, of_absent = await each.ask(outsider, real), await each.ask(outsider, absent)
            assert of_real.status_code >= 400, each
            assert of_real.status_code == of_absent.status_code, (each, of_real.text)
            assert unnamed(of_real.text, real) == unnamed(of_absent.text, absent), each
    assert len((await idle_cloud.customer.get("/instances")).json()) == 1


def unnamed(text: str, values: dict[str, str]) -> str:
    for value in values.values():
        text = text.replace(value, "…")
    return text


def test_the_page_says_what_the_table_says() -> None:
    assert PAGE.read_text() == as_markdown(), "write it anew: python -m bluelobster.access.table > docs/permissions.md"
