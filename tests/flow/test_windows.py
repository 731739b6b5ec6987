"""Windows: a password that we make up, seal, hand to the guest once, and forget."""

import string
from typing import Any

import pytest

from bluelobster.catalog.templates import KNOWN, place_image, save_template
from bluelobster.db.pool import transaction
from bluelobster.instances.launch import password_purpose
from cloud import CLEAN, IMAGE, LAUNCH, TestCloud, eventually
from flow.traces import traces
from pvelocal.faults import Fault
from pvelocal.vms import Vm

WINDOWS = {**LAUNCH, "template_name": "WIN10", "username": "Administrator", "ssh_key": None}
GIVEN = "Correct-Horse-7"


async def offer_windows(cloud: TestCloud) -> None:
    image = cloud.node.node.settings.data / "import" / "win10.qcow2"
    image.write_bytes(IMAGE)
    async with transaction(cloud.parts.pool) as tx:
        await save_template(tx, KNOWN["WIN10"])
        await place_image(tx, "WIN10", "px1", "local:import/win10.qcow2")


async def launch_windows(cloud: TestCloud, **changes: Any) -> dict[str, Any]:
    await offer_windows(cloud)
    return await cloud.launch(**WINDOWS, **changes)


async def vm_of(cloud: TestCloud, accepted: dict[str, Any]) -> Vm:
    """The node's own record, which masks nothing."""
    return cloud.node.node.vms.get(await cloud.one("select vmid from instances where id = %s", accepted["vm_uuid"]))


async def sealed(cloud: TestCloud, accepted: dict[str, Any]) -> bytes | None:
    found: bytes | None = await cloud.one("select password_sealed from instances where id = %s", accepted["vm_uuid"])
    return found


async def test_a_password_is_made_up_and_shown_once(cloud: TestCloud) -> None:
    accepted = await launch_windows(cloud)
    credentials = accepted["credentials"]
    assert accepted["data"]["credentials"] == credentials
    assert credentials["username"] == "Administrator"
    assert "only once" in credentials["note"]
    password = credentials["password"]
    assert len(password) == 16
    for kind in (string.ascii_lowercase, string.ascii_uppercase, string.digits, "#$@!%*-_+="):
        assert set(password) & set(kind)
    await cloud.completed(accepted["task_id"])
    for path in ("/instances", f"/instances/{accepted['vm_uuid']}", "/tasks", f"/tasks/{accepted['task_id']}"):
        assert password not in (await cloud.customer.get(path)).text


async def test_no_two_passwords_are_alike(idle_cloud: TestCloud) -> None:
    made = {(await launch_windows(idle_cloud))["credentials"]["password"] for _ in range(5)}
    assert len(made) == 5


async def test_until_it_is_used_it_rests_sealed(idle_cloud: TestCloud, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    accepted = await launch_windows(idle_cloud)
    password = accepted["credentials"]["password"]
    row = await sealed(idle_cloud, accepted)
    assert row is not None
    assert idle_cloud.parts.seal.unseal(row, password_purpose(accepted["vm_uuid"])) == password
    assert await idle_cloud.one("select password_hash from instances") is None
    assert await traces(idle_cloud, caplog.text, [password]) == []


async def test_the_guest_is_told_and_everybody_else_forgets(cloud: TestCloud, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    cloud.hypervisor.behaviour.agent_answers = False
    accepted = await launch_windows(cloud)
    password = accepted["credentials"]["password"]

    async def booting() -> bool:
        task = (await cloud.customer.get(f"/tasks/{accepted['task_id']}")).json()
        return str(task["message"]) == "Waiting for the guest to boot"

    await eventually(booting)
    vm = await vm_of(cloud, accepted)
    assert vm.config["cipassword"] == password
    assert (vm.config["ostype"], vm.config["ciuser"]) == ("win10", "Administrator")

    cloud.hypervisor.behaviour.agent_answers = True
    await cloud.completed(accepted["task_id"])
    assert "cipassword" not in vm.wanted()
    assert await sealed(cloud, accepted) is None
    # The drive that the guest was told by is the only one that knows; it is made anew at each start.
    assert await traces(cloud, caplog.text, [password]) == [f"file vms/{vm.vmid}.json"]
    cycled = await cloud.customer.post(f"/instances/{accepted['vm_uuid']}/power-cycle")
    await cloud.completed(cycled.json()["task_id"])
    assert await traces(cloud, caplog.text, [password]) == []


async def test_a_given_password_is_not_given_back(cloud: TestCloud, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    accepted = await launch_windows(cloud, password=GIVEN)
    assert "credentials" not in accepted
    assert "credentials" not in accepted["data"]
    await cloud.completed(accepted["task_id"])
    vm = await vm_of(cloud, accepted)
    assert "cipassword" not in vm.wanted()
    assert await traces(cloud, caplog.text, [GIVEN]) == [f"file vms/{vm.vmid}.json"]
    await cloud.customer.delete(f"/instances/{accepted['vm_uuid']}")
    assert await traces(cloud, caplog.text, [GIVEN]) == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault("task-fails", "POST", r"/status/start$", times=None, message="no such device"),
        Fault("error", "PUT", r"/qemu/\d+/config$", times=None, message="cannot write the drive"),
        Fault("error", "PUT", r"/qemu/\d+/config$", nth=2, times=None, message="cannot write the drive"),
    ],
    ids=["while starting", "while setting the password", "while wiping it"],
)
async def test_a_launch_that_fails_leaves_no_password(
    cloud: TestCloud, caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    caplog.set_level("DEBUG")
    cloud.node.faults.add(fault)
    accepted = await launch_windows(cloud, password=GIVEN)
    assert (await cloud.ended(accepted["task_id"]))["status"] == "FAILED"
    assert fault.fired
    assert await cloud.leftovers() == CLEAN
    assert await traces(cloud, caplog.text, [GIVEN]) == []


async def test_linux_is_still_strict_about_names(idle_cloud: TestCloud) -> None:
    await offer_windows(idle_cloud)
    body = {**WINDOWS, "template_name": "TINY-LINUX", "password": GIVEN}
    refused = await idle_cloud.customer.post("/instances/launch-instance", json=body)
    assert (refused.status_code, refused.json()["details"]) == (
        400,
        {"username": "Must be lowercase for a Linux template"},
    )
