"""Machines that boot from an ISO image: fetched by the worker, attached, and removed with the machine."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bluelobster.isos import fetch
from cloud import CLEAN, LAUNCH, TestCloud, eventually
from flow.test_custom import CUSTOM
from flow.traces import traces
from iso_source import IMAGE, Source, announced, redirect, running_source, whole
from pvelocal.faults import Fault
from pvelocal.vms import Vm

TOKEN = "hush-2f9c1b77"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PAUSE_SECONDS", 0.01)


@pytest.fixture
async def source() -> AsyncIterator[Source]:
    async with running_source() as running:
        running.giving["/images/small.iso"] = whole()
        yield running


def body(url: str, **changes: Any) -> dict[str, Any]:
    """A launch from an image; an account on it is nobody's business but the installer's."""
    return {**LAUNCH, "template_name": None, "ssh_key": None, "iso_url": url, **changes}


def url_of(source: Source) -> str:
    return source.url(f"/images/small.iso?token={TOKEN}")


async def launch(cloud: TestCloud, url: str, **changes: Any) -> dict[str, Any]:
    answer = await cloud.customer.post("/instances/launch-instance", json=body(url, **changes))
    assert answer.status_code == 200, answer.text
    accepted: dict[str, Any] = answer.json()
    return accepted


async def vm_of(cloud: TestCloud, instance_id: str) -> Vm:
    return cloud.node.node.vms.get(await cloud.one("select vmid from instances where id = %s", instance_id))


def images(cloud: TestCloud) -> dict[str, bytes]:
    """The ISO images that the node has."""
    folder = cloud.node.node.settings.data / "template" / "iso"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def spooled(cloud: TestCloud) -> list[str]:
    """What the worker keeps of images that it fetched."""
    return [path.name for path in cloud.settings.isos.folder.iterdir() if path.is_file()]


async def test_a_machine_boots_from_an_image(
    cloud: TestCloud, source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "bluelobster")
    accepted = await launch(cloud, url_of(source), password="correct-horse")
    assert "credentials" not in accepted
    task = await cloud.completed(accepted["task_id"])
    assert task["message"] == "VM created successfully"
    instance_id = accepted["vm_uuid"]
    assert images(cloud) == {f"bl-{instance_id}.iso": IMAGE}
    vm = await vm_of(cloud, instance_id)
    assert vm.config["ide2"] == f"local:iso/bl-{instance_id}.iso,media=cdrom,size=50K"
    assert vm.config["boot"] == "order=ide2;sata0"
    assert "size=250G" in str(vm.config["sata0"])
    assert (vm.config["ostype"], str(vm.config["net0"])[:6]) == ("other", "e1000=")
    assert "scsi0" not in vm.config
    shown = (await cloud.customer.get(f"/instances/{instance_id}")).json()
    assert (shown["template_name"], shown["template_display_name"], shown["os_type"]) == (None, None, None)
    assert shown["iso_name"] == "127.0.0.1/small.iso"
    assert (shown["status"], shown["power_status"]) == ("rented", "running")
    assert await traces(cloud, caplog.text, [TOKEN]) == []

    deleted = await cloud.customer.delete(f"/instances/{instance_id}")
    assert deleted.json()["status"] == "success"
    assert images(cloud) == {}
    assert spooled(cloud) == []
    assert await cloud.leftovers() == CLEAN


async def test_the_address_rests_sealed(idle_cloud: TestCloud, source: Source) -> None:
    await launch(idle_cloud, url_of(source))
    assert await traces(idle_cloud, "", [TOKEN, "/images/"]) == []
    assert await idle_cloud.one("select iso_url_sealed is not null from instances")


async def test_staff_boots_from_an_image(cloud: TestCloud, source: Source) -> None:
    ask = {**CUSTOM, "template_name": None, "ssh_key": None, "iso_url": url_of(source)}
    answer = (await cloud.staff.post("/instances/launch-custom", json=ask)).json()

    async def ready() -> bool:
        task = (await cloud.staff.get(f"/tasks/{answer['task_id']}")).json()
        assert task["status"] != "FAILED", task
        return bool(task["status"] == "COMPLETED")

    await eventually(ready)
    vm = await vm_of(cloud, answer["vm_uuid"])
    assert "size=200G" in str(vm.config["sata0"])
    assert [name for name in vm.config if name.startswith("hostpci")] == ["hostpci0", "hostpci1"]


async def test_power_goes_on_and_off_without_an_agent(cloud: TestCloud, source: Source) -> None:
    accepted = await launch(cloud, url_of(source))
    await cloud.completed(accepted["task_id"])
    for action in ("reboot", "power-cycle"):
        answer = await cloud.customer.post(f"/instances/{accepted['vm_uuid']}/{action}")
        await cloud.completed(answer.json()["task_id"])
    assert (await cloud.customer.get(f"/instances/{accepted['vm_uuid']}")).json()["power_status"] == "running"


# Every notation is a test of its own beside the rules.
REFUSED = (
    "",
    "ftp://example.com/a.iso",
    f"https://me:{TOKEN}@example.com/a.iso",
    "http://127.0.0.2/a.iso",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::ffff:10.0.0.1]/a.iso",
)


async def test_what_cannot_be_an_image_is_refused_at_once(idle_cloud: TestCloud) -> None:
    for url in REFUSED:
        refused = await idle_cloud.customer.post("/instances/launch-instance", json=body(url))
        said = refused.json()
        assert (refused.status_code, said["error"], list(said["details"])) == (400, "invalid_request", ["iso_url"]), url
        assert "iso_url" in said["message"]
        assert TOKEN not in refused.text
        custom = {**CUSTOM, "template_name": None, "cores": 3, "iso_url": url}
        told = (await idle_cloud.staff.post("/instances/launch-custom", json=custom)).json()
        assert set(told["details"]) == {"cores", "iso_url"}
    assert await idle_cloud.leftovers() == CLEAN


async def test_a_template_or_an_image(idle_cloud: TestCloud) -> None:
    both = body("https://example.com/a.iso", template_name="TINY-LINUX")
    refused = await idle_cloud.customer.post("/instances/launch-instance", json=both)
    assert refused.json()["details"] == {"iso_url": "Give template_name or iso_url, not both"}


async def test_a_host_without_a_place_for_images(idle_cloud: TestCloud) -> None:
    async with idle_cloud.parts.pool.connection() as connection:
        await connection.execute("update hosts set iso_storage = null")
    url = "https://example.com/a.iso"
    refused = await idle_cloud.customer.post("/instances/launch-instance", json=body(url))
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    assert refused.json()["details"] == {"iso_url": "No host in region us-east-1 boots ISO images"}
    custom = {**CUSTOM, "template_name": None, "iso_url": url}
    refused = await idle_cloud.staff.post("/instances/launch-custom", json=custom)
    assert refused.json()["details"] == {"iso_url": "Host px1 boots no ISO images"}


async def failed(cloud: TestCloud, url: str) -> str:
    """Why a launch from there fails; nothing of it is left."""
    accepted = await launch(cloud, url)
    task = await cloud.ended(accepted["task_id"])
    assert task["status"] == "FAILED"
    assert (await cloud.customer.get(f"/instances/{accepted['vm_uuid']}")).status_code == 404
    assert await cloud.one("select iso_url_sealed from instances") is None
    assert images(cloud) == {}
    assert spooled(cloud) == []
    assert await cloud.leftovers() == CLEAN
    message = str(task["message"])
    assert message.startswith("Failed to create VM: the ISO image cannot be fetched: ")
    return message.removeprefix("Failed to create VM: the ISO image cannot be fetched: ")


async def test_an_image_that_cannot_be_had(cloud: TestCloud, source: Source) -> None:
    source.giving |= {
        "/away": redirect("http://127.0.0.2/secret.iso"),
        "/big": announced((4 << 30) + 1),
        "/page": whole(b"<html>Log in first</html>"),
        "/half": announced(2 * len(IMAGE)),
        "/gone": whole(status="404 Not Found"),
    }
    for path, why in (
        ("/away", "127.0.0.1 redirects to an address that is not allowed"),
        ("/big", "it is bigger than 4 GB"),
        ("/page", "what the address gives is not an ISO image"),
        ("/half", "the connection to 127.0.0.1 fails"),
        (f"/gone?token={TOKEN}", "127.0.0.1 answers with status 404"),
    ):
        assert await failed(cloud, source.url(path)) == why


# The calls that only a launch from an image makes, and the deletion after it.
CALLS = (
    ("POST", r"/upload$", "drop-after"),
    ("POST", r"/upload$", "task-fails"),
    ("GET", r"/storage/local/content$", "drop-before"),
    ("DELETE", r"/storage/local/content/", "drop-after"),
    ("DELETE", r"/storage/local/content/", "task-fails-after"),
)


@pytest.mark.parametrize(("method", "path", "kind"), CALLS)
async def test_one_fault_is_got_over(cloud: TestCloud, source: Source, method: str, path: str, kind: Any) -> None:
    fault = cloud.node.faults.add(Fault(kind, method, path, message="the disk is on fire"))
    accepted = await launch(cloud, url_of(source))
    await cloud.completed(accepted["task_id"])
    deleted = await cloud.customer.delete(f"/instances/{accepted['vm_uuid']}")
    assert deleted.json()["status"] == "success"
    assert fault.fired == 1
    assert images(cloud) == {}
    assert await cloud.leftovers() == CLEAN


async def test_a_launch_that_fails_later_takes_the_image_away(cloud: TestCloud, source: Source) -> None:
    cloud.node.faults.add(Fault("task-fails", "POST", r"/status/start$", times=None, message="no such device"))
    accepted = await launch(cloud, url_of(source))
    assert (await cloud.ended(accepted["task_id"]))["status"] == "FAILED"
    assert images(cloud) == {}
    assert await cloud.leftovers() == CLEAN
