"""SSH keys that an account registers once and names at each launch."""

import asyncio
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from bluelobster.access.keys import create_key
from bluelobster.db.pool import transaction
from cloud import LAUNCH, SSH_KEY, TestCloud, api_client
from flow.test_custom import CUSTOM

OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBpFgFh8FaeUvyEpnd8CX7Pww1Nej5WJ7m4xjMHXEJcn you@example"


async def register(client: httpx.AsyncClient, name: str, key: str = SSH_KEY) -> httpx.Response:
    return await client.post("/ssh-keys", json={"name": name, "public_key": key})


async def launch(cloud: TestCloud, **changes: Any) -> httpx.Response:
    return await cloud.customer.post("/instances/launch-instance", json={**LAUNCH, "ssh_key": None, **changes})


async def test_registered_listed_removed(idle_cloud: TestCloud) -> None:
    made = await register(idle_cloud.customer, "laptop", f" {SSH_KEY}\n")
    assert made.status_code == 201
    assert {**made.json(), "id": None, "created_at": None} == {
        "id": None,
        "name": "laptop",
        "fingerprint": "SHA256:4WflO2GdDIjwjNnxg9re3G1qHy5qx/yBofNVhCeKNz4",
        "public_key": SSH_KEY,
        "created_at": None,
    }
    other = (await register(idle_cloud.customer, "a-desktop", OTHER_KEY)).json()
    listed = (await idle_cloud.customer.get("/ssh-keys")).json()
    assert listed == {"ssh_keys": [other, made.json()], "total": 2}
    for name_or_id in ("laptop", other["id"]):
        gone = await idle_cloud.customer.delete(f"/ssh-keys/{name_or_id}")
        assert (gone.status_code, gone.content) == (204, b"")
        again = await idle_cloud.customer.delete(f"/ssh-keys/{name_or_id}")
        assert (again.status_code, again.json()["error"]) == (404, "ssh_key_not_found")
    assert (await idle_cloud.customer.get("/ssh-keys")).json() == {"ssh_keys": [], "total": 0}


async def test_the_fingerprint_is_the_one_that_ssh_shows(idle_cloud: TestCloud, tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(f"{SSH_KEY}\n")
    program = await asyncio.create_subprocess_exec("ssh-keygen", "-l", "-f", tmp_path / "key.pub", stdout=PIPE)
    shown, _ = await program.communicate()
    made = (await register(idle_cloud.customer, "laptop")).json()
    assert made["fingerprint"] == shown.decode().split()[1]


@pytest.mark.parametrize(
    ("name", "key", "field"),
    [
        ("", SSH_KEY, "name"),
        ("two words", SSH_KEY, "name"),
        ("x" * 65, SSH_KEY, "name"),
        ("8f14e45f-ceea-4672-a8a4-3d5e5e9d1c11", SSH_KEY, "name"),
        ("laptop", SSH_KEY[:40], "public_key"),
        ("laptop", f"{SSH_KEY}\n{OTHER_KEY}", "public_key"),
        ("laptop", "", "public_key"),
    ],
)
async def test_what_is_no_name_or_no_key_is_refused(idle_cloud: TestCloud, name: str, key: str, field: str) -> None:
    refused = await register(idle_cloud.customer, name, key)
    assert refused.status_code == 422
    assert [each["field"] for each in refused.json()["errors"]] == [field]


async def test_names_and_keys_are_unique_in_an_account(idle_cloud: TestCloud) -> None:
    assert (await register(idle_cloud.customer, "laptop")).status_code == 201
    taken = await register(idle_cloud.customer, "laptop", OTHER_KEY)
    assert (taken.status_code, taken.json()["error"]) == (409, "name_taken")
    known = await register(idle_cloud.customer, "other", SSH_KEY.replace("me@example", "another comment"))
    assert (known.status_code, known.json()["error"]) == (409, "key_exists")
    assert "laptop" in known.json()["message"]
    assert (await register(idle_cloud.stranger, "laptop")).status_code == 201


async def test_another_account_s_keys_do_not_exist(idle_cloud: TestCloud) -> None:
    key_id = (await register(idle_cloud.customer, "laptop")).json()["id"]
    assert (await idle_cloud.stranger.get("/ssh-keys")).json()["total"] == 0
    for name_or_id in ("laptop", key_id):
        assert (await idle_cloud.stranger.delete(f"/ssh-keys/{name_or_id}")).status_code == 404
    body = {**LAUNCH, "ssh_key": None, "ssh_key_names": ["laptop"]}
    refused = await idle_cloud.stranger.post("/instances/launch-instance", json=body)
    assert refused.json()["details"] == {"ssh_key_names": "There is no SSH key named laptop"}


async def test_who_may_not_launch_may_not_change_keys(idle_cloud: TestCloud) -> None:
    account = await idle_cloud.account_id()
    async with transaction(idle_cloud.parts.pool) as tx:
        key = await create_key(tx, account, "reader", "member", idle_cloud.parts.clock.now())
    member = api_client(idle_cloud.app, key)
    assert (await register(member, "laptop")).status_code == 403
    assert (await member.delete("/ssh-keys/laptop")).status_code == 403
    assert (await member.get("/ssh-keys")).status_code == 200


async def test_a_launch_takes_keys_by_name(cloud: TestCloud) -> None:
    await register(cloud.customer, "laptop")
    await register(cloud.customer, "desktop", OTHER_KEY)
    accepted = await launch(cloud, ssh_key_names=["desktop", "laptop"])
    assert accepted.status_code == 200, accepted.text
    await cloud.completed(accepted.json()["task_id"])
    vm = cloud.node.node.vms.get(await cloud.one("select vmid from instances"))
    assert unquote(str(vm.config["sshkeys"])).split("\n") == [OTHER_KEY, SSH_KEY]


async def test_given_and_named_keys_go_together(idle_cloud: TestCloud) -> None:
    await register(idle_cloud.customer, "laptop")
    await register(idle_cloud.customer, "desktop", OTHER_KEY)
    await launch(idle_cloud, ssh_key=SSH_KEY, ssh_key_names=["laptop", "desktop", "desktop"])
    assert await idle_cloud.one("select ssh_key from instances") == f"{SSH_KEY}\n{OTHER_KEY}"


async def test_a_removed_key_stays_where_it_is(idle_cloud: TestCloud) -> None:
    await register(idle_cloud.customer, "laptop")
    await launch(idle_cloud, ssh_key_names=["laptop"])
    await idle_cloud.customer.delete("/ssh-keys/laptop")
    assert await idle_cloud.one("select ssh_key from instances") == SSH_KEY
    refused = await launch(idle_cloud, ssh_key_names=["laptop", "tablet"])
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    assert "laptop, tablet" in refused.json()["message"]


async def test_no_names_are_no_key(idle_cloud: TestCloud) -> None:
    refused = await launch(idle_cloud, ssh_key_names=[])
    assert (refused.status_code, list(refused.json()["details"])) == (400, ["ssh_key"])


async def test_a_custom_launch_takes_them_too(idle_cloud: TestCloud) -> None:
    await register(idle_cloud.staff, "laptop")
    body = {**CUSTOM, "ssh_key": None, "ssh_key_names": ["laptop"]}
    assert (await idle_cloud.staff.post("/instances/launch-custom", json=body)).status_code == 200
    refused = await idle_cloud.staff.post("/instances/launch-custom", json={**body, "ssh_key_names": ["tablet"]})
    assert refused.json()["details"]["ssh_key_names"] == "There is no SSH key named tablet"
