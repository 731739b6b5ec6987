"""Hosts that staff adds, changes and removes through the API."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from admin.place import FEW_RIGHTS, secret_of
from bluelobster.catalog.host_check import Checked, Wish, check
from cloud import CLEAN, IMAGE, TestCloud
from pvelocal.machine import Capacity
from pvelocal.node import NodeSettings
from pvelocal.running import RunningNode, running_node
from pvelocal.simulated import SimulatedHypervisor
from waiting import holding, so_many_wait

IMAGE_NAME = "local:import/tiny-linux.qcow2"


@pytest.fixture
async def second(tmp_path: Path) -> AsyncIterator[RunningNode]:
    """Another node, in a cluster of its own, with an image that somebody brought there."""
    data = tmp_path / "second"
    settings = NodeSettings(data=data, name="px2", capacity=Capacity(8, 64, 1000), durable=False)
    hypervisor = SimulatedHypervisor(tmp_path / "run2")
    async with running_node(settings, hypervisor, tokens=(FEW_RIGHTS,)) as node:
        (data / "import").mkdir(exist_ok=True)
        (data / "import" / "tiny-linux.qcow2").write_bytes(IMAGE)
        yield node


def body(node: RunningNode, /, **changes: Any) -> dict[str, Any]:
    return {
        "id": "px2",
        "region": "us-east-1",
        "api_url": node.url,
        "token": secret_of(node.token),
        "fingerprint": node.fingerprint,
        "storage": "local",
        **changes,
    }


async def done(cloud: TestCloud, method: str, path: str, json: Any = None, status: int = 200) -> Any:
    answer = await cloud.staff.request(method, f"/admin{path}", json=json)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


async def refused(cloud: TestCloud, method: str, path: str, json: Any = None) -> tuple[int, str, str]:
    answer = await cloud.staff.request(method, f"/admin{path}", json=json)
    said = answer.json()
    return answer.status_code, said["error"], said["message"]


async def test_a_machine_is_launched_on_a_host_that_was_added(cloud: TestCloud, second: RunningNode) -> None:
    added = await done(cloud, "POST", "/hosts", body(second, backup_storage="backup"), 201)
    assert (added["status"], added["vcpus"], added["memory_gb"], added["disk_gb"]) == ("active", 32, 64, 1000)
    assert (added["boots_isos"], added["why_not"]) == (True, None)
    assert (await done(cloud, "GET", "/hosts/px2")).items() <= added.items()
    await done(cloud, "PATCH", "/hosts/px1", {"status": "draining"})
    placed = await done(cloud, "PUT", "/templates/TINY-LINUX/hosts/px2", {"volume": IMAGE_NAME})
    assert placed["hosts"] == ["px1", "px2"]
    instance_id = await cloud.launched()
    assert (await cloud.customer.get(f"/instances/{instance_id}")).json()["host_id"] == "px2"
    assert len(list(second.node.vms)) == 1
    said = "on host px2 there are instances (1): it cannot be removed"
    assert await refused(cloud, "DELETE", "/hosts/px2") == (409, "host_in_use", said)
    await done(
        cloud, "PUT", "/regions", {**dict.fromkeys(("description", "city", "state", "country"), "x"), "name": "eu-1"}
    )
    said = "on host px2 there are instances (1): its region, node and storage cannot change"
    assert await refused(cloud, "PATCH", "/hosts/px2", {"region": "eu-1"}) == (409, "host_in_use", said)
    assert (await cloud.customer.delete(f"/instances/{instance_id}")).status_code == 200
    await done(cloud, "DELETE", "/templates/TINY-LINUX/hosts/px2", status=204)
    await done(cloud, "DELETE", "/hosts/px2", status=204)
    assert [each["id"] for each in (await done(cloud, "GET", "/hosts"))["hosts"]] == ["px1"]
    assert await refused(cloud, "DELETE", "/hosts/px2") == (404, "host_not_found", "There is no host px2")
    assert await cloud.one("select host_id from instances where id = %s", instance_id) == "px2"
    assert await cloud.leftovers() == CLEAN


async def test_hosts_that_are_not_believed(idle_cloud: TestCloud, second: RunningNode) -> None:
    secret = "0" * len(second.token.secret)
    token_id = second.token.id
    other = "".join("1" if digit == "0" else "0" for digit in second.fingerprint.replace(":", ""))
    for changes, status, code, words in (
        ({"token": f"{token_id}={secret}"}, 400, "host_unfit", f"the host refuses the token {token_id}: "),
        ({"token": secret_of(FEW_RIGHTS)}, 400, "host_unfit", "the token lacks privileges on /: Datastore."),
        ({"fingerprint": other}, 400, "host_unfit", "the host is not the one that was meant"),
        ({"fingerprint": None}, 400, "host_unfit", "no authority that this machine knows vouches"),
        ({"storage": "nope"}, 400, "host_unfit", "the node has no storage nope; it has local, "),
        ({"backup_storage": "local"}, 400, "host_unfit", "storage local must allow the content backup"),
        ({"iso_storage": "backup"}, 400, "host_unfit", "storage backup must allow the content iso"),
        ({"node": "px7"}, 400, "host_unfit", "the cluster has no node px7; it has px2"),
        ({"api_url": "https://127.0.0.1:1"}, 409, "host_unreachable", "the host does not answer: no connection: "),
        ({"region": "mars"}, 400, "invalid_request", "region: there is no region mars"),
        ({"id": "px1"}, 400, "name_taken", "There is a host px1 already"),
        ({"token": "root"}, 422, "validation_error", "token: the token must read user@realm!name=secret"),
        ({"api_url": "http://127.0.0.1"}, 422, "validation_error", "api_url: the address must read https://host:port"),
        ({"fingerprint": "12:34"}, 422, "validation_error", "fingerprint: the fingerprint must be the SHA-256"),
        ({"vcpu_overcommit": 0.5}, 422, "validation_error", "vcpu_overcommit: "),
    ):
        answer = await idle_cloud.staff.post("/admin/hosts", json=body(second, **changes))
        assert (answer.status_code, answer.json()["error"]) == (status, code), answer.text
        assert answer.json()["message"].startswith(words), answer.text
        assert not {second.token.secret, FEW_RIGHTS.secret, secret} & set(answer.text.replace('"', "=").split("="))
    assert await idle_cloud.one("select count(*) from hosts") == 1
    await done(idle_cloud, "POST", "/hosts", body(second), 201)
    again = await refused(idle_cloud, "POST", "/hosts", body(second, id="px3", node="px2"))
    assert again == (400, "node_on_record", "this node is on record already, as host px2")


async def test_a_host_that_does_not_answer_in_time(
    idle_cloud: TestCloud, second: RunningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bluelobster.catalog.asking.PATIENCE_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        status, code, _ = await refused(idle_cloud, "POST", "/hosts", body(second, api_url=url))
    assert (status, code) == (409, "host_unreachable")


async def test_what_is_not_said_stays(idle_cloud: TestCloud, second: RunningNode) -> None:
    before = await done(idle_cloud, "POST", "/hosts", body(second, vcpu_overcommit=2), 201)
    before = {name: before[name] for name in await done(idle_cloud, "GET", "/hosts/px2")}
    changed = await done(idle_cloud, "PATCH", "/hosts/px2", {"memory_overcommit": 2})
    assert changed == {**before, "memory_gb": 128}
    changed = await done(idle_cloud, "PATCH", "/hosts/px2", {"iso_storage": None, "backup_storage": "backup"})
    assert (changed["iso_storage"], changed["backup_storage"], changed["vcpus"]) == (None, "backup", 16)
    changed = await done(idle_cloud, "PATCH", "/hosts/px2", {"internal_bridge": "vmbr1", "status": "draining"})
    assert (changed["internal_bridge"], changed["status"], changed["fingerprint"]) == (
        "vmbr1",
        "draining",
        second.fingerprint.replace(":", ""),
    )
    wrong = {"token": f"{second.token.id}={'0' * 36}"}
    assert (await refused(idle_cloud, "PATCH", "/hosts/px2", wrong))[:2] == (400, "host_unfit")
    checked = await done(idle_cloud, "POST", "/hosts/px2/check")
    assert checked["found"] == {"vcpus": 8, "memory_gb": 64, "disk_gb": 1000}
    assert (await refused(idle_cloud, "POST", "/hosts/px9/check"))[:2] == (404, "host_not_found")
    await done(idle_cloud, "PATCH", "/hosts/px2", {"token": secret_of(second.token)})


async def test_a_token_is_told_nobody(
    idle_cloud: TestCloud, second: RunningNode, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"Idempotency-Key": "add-px2"}
    for replayed in (None, "true"):
        answer = await idle_cloud.staff.post("/admin/hosts", json=body(second), headers=headers)
        assert (answer.status_code, answer.headers.get("Idempotency-Replayed")) == (201, replayed)
        assert second.token.secret not in answer.text
    await done(idle_cloud, "PATCH", "/hosts/px2", {"token": secret_of(second.token)})
    log = (await idle_cloud.staff.get("/audit-log")).json()["entries"]
    assert [(each["operation"], each["target"], each["error"]) for each in log] == [
        ("admin_change_host", "/admin/hosts/px2", None),
        ("admin_add_host", "/admin/hosts", None),
    ]
    assert log[0]["details"] == {"token": "**********"}
    assert (log[1]["details"]["id"], log[1]["details"]["api_url"]) == ("px2", second.url)
    for table in ("hosts", "audit_log", "request_answers", "events", "tasks"):
        rows = await idle_cloud.one(f"select string_agg(t::text, ' ') from {table} t")
        assert second.token.secret not in (rows or "")
        assert second.token.secret.encode().hex() not in (rows or "")
    assert second.token.secret not in caplog.text


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Awaitable[Any]]) -> None:
    """The first host that is asked takes as long as it takes to do something else."""
    asked = 0

    async def slowly(wish: Wish) -> Checked:
        nonlocal asked
        asked += 1
        if asked == 1:
            await act()
        return await check(wish)

    monkeypatch.setattr("bluelobster.staff.change_host.check", slowly)


async def test_a_host_that_is_removed_while_its_change_asks_it(
    idle_cloud: TestCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, lambda: done(idle_cloud, "DELETE", "/hosts/px1", status=204))
    assert (await refused(idle_cloud, "PATCH", "/hosts/px1", {"vcpu_overcommit": 2}))[:2] == (404, "host_not_found")
    assert await idle_cloud.one("select count(*) from hosts") == 0


async def test_two_changes_of_a_host(idle_cloud: TestCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile(monkeypatch, lambda: done(idle_cloud, "PATCH", "/hosts/px1", {"iso_storage": None}))
    assert (await refused(idle_cloud, "PATCH", "/hosts/px1", {"vcpu_overcommit": 2}))[:2] == (409, "host_changed")
    assert await idle_cloud.one("select iso_storage is null from hosts")
    await done(idle_cloud, "PATCH", "/hosts/px1", {"vcpu_overcommit": 2})


@pytest.mark.parametrize(("name", "error"), [("px2", "name_taken"), ("px3", "node_on_record")])
async def test_a_host_that_is_added_twice_at_once(
    idle_cloud: TestCloud, second: RunningNode, monkeypatch: pytest.MonkeyPatch, name: str, error: str
) -> None:
    meanwhile(monkeypatch, lambda: done(idle_cloud, "POST", "/hosts", body(second), 201))
    assert (await refused(idle_cloud, "POST", "/hosts", body(second, id=name, node="px2")))[:2] == (400, error)


async def test_two_hosts_that_are_written_down_at_once(idle_cloud: TestCloud, second: RunningNode) -> None:
    async with holding(idle_cloud, "select pg_advisory_xact_lock(hashtextextended('hosts', 0))"):
        both = [
            asyncio.create_task(idle_cloud.staff.post("/admin/hosts", json=body(second, id=name, node="px2")))
            for name in ("px2", "px3")
        ]
        await so_many_wait(idle_cloud, 2)
    assert sorted([(await each).status_code for each in both]) == [201, 400]
