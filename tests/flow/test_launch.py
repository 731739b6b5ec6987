"""What a launch takes, refuses and answers."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from bluelobster.db.pool import transaction
from bluelobster.instances.place import reserve_gpus
from bluelobster.instances.wanted import Size
from cloud import CLEAN, LAUNCH, SSH_KEY, TestCloud
from pvelocal.faults import Fault


async def refused(cloud: TestCloud, status: int, **changes: Any) -> dict[str, Any]:
    body = {key: value for key, value in {**LAUNCH, **changes}.items() if value is not ...}
    answer = await cloud.customer.post("/instances/launch-instance", json=body)
    assert answer.status_code == status, answer.text
    assert await cloud.leftovers() == CLEAN
    said: dict[str, Any] = answer.json()
    return said


async def test_the_answer_has_both_shapes(idle_cloud: TestCloud) -> None:
    body = await idle_cloud.launch()
    assert body["data"]["instance_ids"] == body["instance_ids"] == [body["vm_uuid"]]
    for field in ("task_id", "assigned_ip", "status", "timestamp", "next_steps"):
        assert body["data"][field] == body[field]
    assert body["status"] == "PENDING"
    assert body["next_steps"]["task_status_endpoint"] == f"/api/v1/tasks/{body['task_id']}"
    assert "credentials" not in body


async def test_an_instance_is_listed_from_the_moment_it_is_accepted(idle_cloud: TestCloud) -> None:
    accepted = await idle_cloud.launch()
    [shown] = (await idle_cloud.customer.get("/instances")).json()
    assert shown["uuid"] == accepted["vm_uuid"]
    assert (shown["power_status"], shown["status"]) == ("unknown", "creating")


async def test_names_are_generated_when_left_out(idle_cloud: TestCloud) -> None:
    accepted = await idle_cloud.launch()
    shown = (await idle_cloud.customer.get(f"/instances/{accepted['vm_uuid']}")).json()
    adjective, noun, digits = shown["name"].split("-")
    assert adjective.isalpha()
    assert noun.isalpha()
    assert int(digits, 16) >= 0


async def test_a_taken_name_is_refused_and_another_account_may_have_it(idle_cloud: TestCloud) -> None:
    await idle_cloud.launch(name="web")
    again = await idle_cloud.customer.post("/instances/launch-instance", json={**LAUNCH, "name": "web"})
    assert (again.status_code, again.json()["error"]) == (400, "name_taken")
    other = await idle_cloud.stranger.post("/instances/launch-instance", json={**LAUNCH, "name": "web"})
    assert other.status_code == 200


async def test_unknown_regions_and_types_are_answered_with_the_valid_ones(idle_cloud: TestCloud) -> None:
    for changes in ({"region": "mars"}, {"instance_type": "huge"}):
        said = await refused(idle_cloud, 400, **changes)
        assert said["error"] == "invalid_request"
        assert "us-east-1" in said["details"]["valid_regions"]
        assert "v1_cpu_small" in said["details"]["valid_instance_types"]


async def test_a_template_without_an_image_is_refused(idle_cloud: TestCloud) -> None:
    said = await refused(idle_cloud, 400, template_name="UBUNTU-22-04")
    assert said["details"]["valid_templates"] == ["TINY-LINUX"]


async def test_linux_needs_a_key_or_a_password(idle_cloud: TestCloud) -> None:
    said = await refused(idle_cloud, 400, ssh_key=...)
    assert "ssh_key" in said["message"]


@pytest.mark.parametrize("username", ["Lobster", "root", "sshd"])
async def test_users_that_cannot_be_made_are_refused(idle_cloud: TestCloud, username: str) -> None:
    assert "username" in (await refused(idle_cloud, 400, username=username))["details"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ssh_key", "ssh-rsa AAAA...\n"),
        ("ssh_key", SSH_KEY.replace("ssh-ed25519", "ssh-rsa")),
        ("ssh_key", SSH_KEY[:40]),
        ("username", "1abc"),
        ("username", "a b"),
        ("password", "short"),
        ("password", "with space in it"),
        ("name", "-web"),
        ("name", "a_b"),
        ("name", "x" * 65),
        ("metadata", {"a": 1}),
        ("metadata", {"a\x00b": "c"}),
        ("metadata", {"a": "\x1b[31m"}),
        ("metadata", {"a": "x" * 1025}),
        ("region", None),
        ("region", ...),
        ("template_name", "lower"),
    ],
)
async def test_a_field_that_does_not_fit_is_named(idle_cloud: TestCloud, field: str, value: Any) -> None:
    said = await refused(idle_cloud, 422, **{field: value})
    assert said["error"] == "validation_error"
    assert any(field in each["field"] or field in each["message"] for each in said["errors"])
    assert all("input" not in each for each in said["detail"])


async def test_a_key_with_a_trailing_newline_is_taken(idle_cloud: TestCloud) -> None:
    accepted = await idle_cloud.launch(ssh_key=f"  {SSH_KEY}\n")
    assert await idle_cloud.one("select ssh_key from instances where id = %s", accepted["vm_uuid"]) == SSH_KEY


async def test_no_capacity_is_a_conflict(idle_cloud: TestCloud) -> None:
    said = await refused(idle_cloud, 409, instance_type="gpu_4x_a5000")
    assert said["error"] == "resource_conflict"
    assert (await refused(idle_cloud, 409, region="us-east-dev"))["error"] == "resource_conflict"


async def test_no_more_gpus_are_taken_than_were_asked_for_however_the_database_goes_about_it(
    idle_cloud: TestCloud,
) -> None:
    instance_id = UUID((await idle_cloud.launch())["vm_uuid"])
    async with transaction(idle_cloud.parts.pool) as tx:
        for way in ("hashjoin", "mergejoin", "hashagg", "sort", "material"):
            await tx.execute(f"set local enable_{way} = off")
        await reserve_gpus(tx, instance_id, "px1", Size(vcpus=1, memory_gb=1, disk_gb=1, gpus=1, gpu_model="A4000"))
    assert await idle_cloud.one("select count(*) from gpus where instance_id is not null") == 1


async def test_gpus_are_given_once_each_however_many_ask(idle_cloud: TestCloud) -> None:
    asked = [
        idle_cloud.customer.post("/instances/launch-instance", json={**LAUNCH, "instance_type": "gpu_1x_a4000"})
        for _ in range(6)
    ]
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 409, 409, 409, 409]
    assert await idle_cloud.one("select count(distinct instance_id) from gpus where instance_id is not null") == 2


async def test_the_password_rests_as_a_hash_only_and_not_for_long(cloud: TestCloud) -> None:
    instance_id = await cloud.launched(password="correct-horse-7", ssh_key=None)
    vmid = await cloud.one("select vmid from instances where id = %s", instance_id)
    kept = (cloud.node.node.settings.data).rglob("*")
    texts = [path.read_bytes() for path in kept if path.is_file() and "import" not in path.parts]
    assert not any(b"correct-horse-7" in text for text in texts)
    assert any(b"$6$" in text and str(vmid).encode() in text for text in texts)
    assert await cloud.one("select password_hash from instances where id = %s", instance_id) is None


async def test_a_region_full_of_addresses_gives_no_more(idle_cloud: TestCloud) -> None:
    async with idle_cloud.parts.pool.connection() as connection:
        await connection.execute("delete from addresses where address <> '127.64.0.10'")
    accepted = await idle_cloud.launch()
    assert accepted["assigned_ip"] == "127.64.0.10"
    full = await idle_cloud.customer.post("/instances/launch-instance", json=LAUNCH)
    assert full.status_code == 409


async def test_a_launch_that_the_hypervisor_refuses_leaves_nothing(cloud: TestCloud) -> None:
    cloud.node.faults.add(Fault("task-fails", "POST", r"/qemu$", times=None, message="no space left"))
    accepted = await cloud.launch(name="unlucky")
    task = await cloud.ended(accepted["task_id"])
    assert task["status"] == "FAILED"
    assert task["message"].startswith("Failed to create VM: creating the machine")
    assert (await cloud.customer.get(f"/instances/{accepted['vm_uuid']}")).status_code == 404
    assert await cloud.leftovers() == CLEAN
    cloud.node.faults.clear()
    await cloud.launched(name="unlucky")


async def test_a_launch_under_the_number_of_somebody_else_s_machine_ends(cloud: TestCloud) -> None:
    """As on a node whose machines are older than the database."""
    client = await cloud.parts.connections.to("px1")
    vmid = 1 + await cloud.one("select nextval('vmids')")
    theirs: dict[str, str | int] = {"name": "theirs", "memory": 512, "description": "theirs"}
    await client.wait(await client.create_vm(vmid, theirs), timeout=10)
    task = await cloud.ended((await cloud.launch())["task_id"])
    said = "Failed to create VM: the hypervisor has another machine under its number"
    assert (task["status"], task["message"]) == ("FAILED", said)
    assert (await client.vm_config(vmid)).description == "theirs"
    assert await cloud.leftovers() == {**CLEAN, "machines": 1}
    await cloud.launched()


async def test_what_does_not_exist_is_named(idle_cloud: TestCloud) -> None:
    said = await refused(idle_cloud, 400, region="mars")
    assert said["details"]["region"] == "There is no region mars"
    assert "instance_type" not in said["details"]
    said = await refused(idle_cloud, 400, template_name="NONE")
    assert said["details"]["template_name"] == "There is no template NONE"
    async with idle_cloud.parts.pool.connection() as connection:
        await connection.execute("update templates set hidden = true")
    said = await refused(idle_cloud, 400, template_name=...)
    assert said["message"] == "There is nothing to launch yet: the operator has not provided any template"


@pytest.mark.parametrize("comment", ["work: laptop", "laptop #2", "laptop:"])
async def test_a_key_s_comment_must_not_be_more_than_text_to_yaml(idle_cloud: TestCloud, comment: str) -> None:
    said = await refused(idle_cloud, 422, ssh_key=f"{SSH_KEY} {comment}")
    assert said["errors"][0]["field"] == "ssh_key"
    assert said["errors"][0]["message"].startswith("the comment must not")
