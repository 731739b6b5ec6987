"""What a customer gives cloud-init to do: checked, sealed, and brought to the guest on a drive of its own."""

import io
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from pycdlib import PyCdlib

from bluelobster.catalog.templates import KNOWN, place_image, save_template
from bluelobster.db.pool import transaction
from bluelobster.user_data.basic import script_of
from bluelobster.user_data.rules import LARGEST, checked_user_data
from cloud import CLEAN, IMAGE, LAUNCH, SSH_KEY, TestCloud
from flow.test_custom import CUSTOM
from flow.test_windows import WINDOWS, offer_windows
from flow.traces import traces
from pvelocal.faults import Fault

SECRET = "tok-5f2c1e9ab4"
SCRIPT = f"#!/bin/sh\ncurl -H 'Authorization: {SECRET}' https://192.0.2.1/\n"
CONFIG = f"#cloud-config\npackages: [htop]\nssh_authorized_keys:\n- {SSH_KEY} again\nruncmd:\n- echo {SECRET}\n"


BASIC = "no cloud-init: it understands runcmd and write_files of #cloud-config"


async def offer_debian(cloud: TestCloud) -> None:
    image = cloud.node.node.settings.data / "import" / "debian-12.qcow2"
    image.write_bytes(IMAGE)
    async with transaction(cloud.parts.pool) as tx:
        await save_template(tx, KNOWN["DEBIAN-12"])
        await place_image(tx, "DEBIAN-12", "px1", "local:import/debian-12.qcow2")


async def launch(cloud: TestCloud, user_data: Any, **changes: Any) -> httpx.Response:
    body = {**LAUNCH, **changes, "user_data": user_data}
    return await cloud.customer.post("/instances/launch-instance", json=body)


async def launched(cloud: TestCloud, user_data: str, **changes: Any) -> str:
    accepted = await launch(cloud, user_data, **changes)
    assert accepted.status_code == 200, accepted.text
    await cloud.completed(accepted.json()["task_id"])
    instance_id: str = accepted.json()["vm_uuid"]
    return instance_id


def images(cloud: TestCloud) -> list[Path]:
    return list((cloud.node.node.settings.data / "template" / "iso").iterdir())


def drive(cloud: TestCloud) -> dict[str, str]:
    """The files of the only drive there is."""
    [path] = images(cloud)
    iso = PyCdlib()
    iso.open(str(path))
    assert iso.pvd.volume_identifier.strip() == b"cidata"
    files = {}
    for child in iso.list_children(joliet_path="/"):
        if child.is_file():
            name = child.file_identifier().decode("utf-16-be")
            content = io.BytesIO()
            iso.get_file_from_iso_fp(content, joliet_path=f"/{name}")
            files[name] = content.getvalue().decode()
    iso.close()
    return files


async def test_the_guest_gets_ours_and_theirs(cloud: TestCloud) -> None:
    await offer_debian(cloud)
    instance_id = await launched(
        cloud, CONFIG.replace("\n", "\r\n"), template_name="DEBIAN-12", name="web-1", password="Correct-Horse-7"
    )
    files = drive(cloud)
    assert files["user-data"] == CONFIG
    assert "user-script" not in files
    assert yaml.safe_load(files["meta-data"]) == {
        "instance-id": instance_id,
        "local-hostname": "web-1",
        "public-keys": [SSH_KEY],
    }
    assert files["vendor-data"].startswith("#cloud-config\n")
    ours = yaml.safe_load(files["vendor-data"])
    assert ours.pop("password").startswith("$6$")
    assert ours == {
        "hostname": "web-1",
        "fqdn": "web-1",
        "manage_etc_hosts": True,
        "user": "lobster",
        "ssh_authorized_keys": [SSH_KEY],
        "chpasswd": {"expire": False},
        "users": ["default"],
    }
    shown = (await cloud.customer.get(f"/instances/{instance_id}")).json()
    [card, names] = [*yaml.safe_load(files["network-config"])["config"], None][:2]
    assert card["subnets"][0]["address"] == shown["ip_address"]
    assert names is None or names["type"] == "nameserver"
    vm = cloud.node.node.vms.get(await cloud.one("select vmid from instances"))
    assert str(vm.config["ide2"]).startswith(f"local:iso/bl-{instance_id}-data.iso,media=cdrom")
    assert not {"cipassword", "sshkeys", "ciuser"} & vm.config.keys()


async def test_a_guest_without_cloud_init_gets_a_script(cloud: TestCloud) -> None:
    await launched(cloud, "#cloud-config\nruncmd: [echo one]\n")
    files = drive(cloud)
    assert files["user-script"] == "#!/bin/sh\necho one\n"
    assert files["user-data"] == "#cloud-config\nruncmd: [echo one]\n"


async def test_a_new_name_reaches_the_drive_and_runs_nothing_again(cloud: TestCloud) -> None:
    instance_id = await launched(cloud, SCRIPT, name="before")
    before = drive(cloud)
    await cloud.customer.put(f"/instances/{instance_id}/rename", json={"name": "after_that"})
    assert drive(cloud) == before
    cycled = await cloud.customer.post(f"/instances/{instance_id}/power-cycle")
    await cloud.completed(cycled.json()["task_id"])
    after = drive(cloud)
    assert yaml.safe_load(after["vendor-data"])["hostname"] == "after-that"
    facts = [yaml.safe_load(files["meta-data"]) for files in (before, after)]
    assert facts[0]["instance-id"] == facts[1]["instance-id"]
    assert after["user-data"] == before["user-data"] == SCRIPT


async def test_it_goes_with_the_machine(cloud: TestCloud) -> None:
    instance_id = await launched(cloud, SCRIPT)
    assert len(images(cloud)) == 1
    assert (await cloud.customer.delete(f"/instances/{instance_id}")).status_code == 200
    assert images(cloud) == []
    assert await cloud.leftovers() == CLEAN


@pytest.mark.parametrize(
    "fault",
    [
        Fault("task-fails", "POST", r"/status/start$", times=None, message="no such device"),
        Fault("error", "POST", r"/upload$", times=None, message="no space left"),
        Fault("error", "POST", r"/qemu$", times=None, message="no such storage"),
    ],
    ids=["starting", "uploading", "creating"],
)
async def test_a_launch_that_fails_leaves_nothing(cloud: TestCloud, fault: Fault) -> None:
    cloud.node.faults.add(fault)
    accepted = await launch(cloud, SCRIPT)
    assert (await cloud.ended(accepted.json()["task_id"]))["status"] == "FAILED"
    assert fault.fired
    assert images(cloud) == []
    assert await cloud.leftovers() == CLEAN


async def test_it_is_said_nowhere(cloud: TestCloud, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    body = {**LAUNCH, "user_data": SCRIPT}
    named = {"Idempotency-Key": "once"}
    accepted = await cloud.customer.post("/instances/launch-instance", json=body, headers=named)
    await cloud.completed(accepted.json()["task_id"])
    instance_id = accepted.json()["vm_uuid"]
    for path in ("/instances", f"/instances/{instance_id}", "/tasks", f"/tasks/{accepted.json()['task_id']}"):
        assert SECRET not in (await cloud.customer.get(path)).text
    assert await traces(cloud, caplog.text, [SECRET]) == [f"file template/iso/bl-{instance_id}-data.iso"]
    await cloud.customer.delete(f"/instances/{instance_id}")
    assert await traces(cloud, caplog.text, [SECRET]) == []


async def test_who_takes_none_says_so(idle_cloud: TestCloud) -> None:
    await offer_windows(idle_cloud)
    refused = [
        await launch(idle_cloud, SCRIPT, **WINDOWS),
        await launch(idle_cloud, CONFIG),
        await launch(idle_cloud, SCRIPT, template_name=None, iso_url="https://192.0.2.1/boot.iso"),
    ]
    assert [(each.status_code, each.json()["details"]["user_data"]) for each in refused[:2]] == [
        (400, "WIN10 takes no user data"),
        (
            400,
            f"TINY-LINUX has {BASIC}, not packages, ssh_authorized_keys",
        ),
    ]
    assert refused[2].status_code == 400
    async with idle_cloud.parts.pool.connection() as connection:
        await connection.execute("update hosts set iso_storage = null")
    nowhere = await launch(idle_cloud, SCRIPT)
    assert nowhere.json()["details"] == {"user_data": "No host in region us-east-1 has a place for it"}


async def test_a_custom_launch_takes_it_too(idle_cloud: TestCloud) -> None:
    body = {**CUSTOM, "user_data": SCRIPT}
    accepted = await idle_cloud.staff.post("/instances/launch-custom", json=body)
    assert accepted.status_code == 200, accepted.text
    refused = await idle_cloud.staff.post("/instances/launch-custom", json={**body, "user_data": CONFIG})
    assert "no cloud-init" in refused.json()["details"]["user_data"]
    async with idle_cloud.parts.pool.connection() as connection:
        await connection.execute("update hosts set iso_storage = null")
    nowhere = await idle_cloud.staff.post("/instances/launch-custom", json=body)
    assert nowhere.json()["details"] == {"user_data": "Host px1 has no place for it"}


async def test_a_further_address_is_on_the_drive_at_the_next_start(cloud: TestCloud) -> None:
    instance_id = await launched(cloud, SCRIPT)
    assigned = (await cloud.customer.post(f"/instances/{instance_id}/ips")).json()
    await cloud.completed(assigned["task_id"])
    cycled = await cloud.customer.post(f"/instances/{instance_id}/power-cycle")
    await cloud.completed(cycled.json()["task_id"])
    cards = yaml.safe_load(drive(cloud)["network-config"])["config"][:2]
    assert cards[1]["mac_address"] == assigned["mac_address"].lower()
    assert cards[1]["subnets"][0]["address"] == assigned["ip_address"]
    assert "gateway" not in cards[1]["subnets"][0]


ALIASES = "#cloud-config\na: &a {x: 1}\nb: {<<: *a}\nc: [*a, *a]\n"
MULTIPART = """Content-Type: multipart/mixed; boundary="b"
MIME-Version: 1.0

--b
Content-Type: text/cloud-config

runcmd: [true]
--b
Content-Type: text/x-shellscript

#!/bin/sh
true
--b--
"""


@pytest.mark.parametrize(
    "text", [None, "", " \n", "#cloud-config", "#cloud-config\n", SCRIPT, CONFIG, ALIASES, MULTIPART]
)
def test_what_cloud_init_takes(text: str | None) -> None:
    assert checked_user_data(text) == (text if text and text.strip() else None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("echo hello", "must begin with"),
        ("IyEvYmluL3No", "neither base64 nor compressed"),
        ("#! relative", "must begin with"),
        ("#cloud-config\nruncmd:\n- a\n b: hunter2: c\n", r"^line 4, column \d+: "),
        ("#cloud-config\na: *hunter2\n", "^line 2, column 4: "),
        ("#cloud-config\na: !!python/object/apply:os.system [hunter2]\n", "^line 2, column 4: "),
        ("#cloud-config\n- hunter2\n", "must hold settings"),
        ("#cloud-config\n1: hunter2\n", "must hold settings"),
        # What a reader in C may end the process with.
        ("#cloud-config\n" + "[" * 60_000, "at most 50 levels"),
        ("#cloud-config\na: " + "[" * 50 + "]" * 50, "at most 50 levels"),
        # What a few lines would stand for.
        ("#cloud-config\na: &a {k: v}\nb: &b {<<: [*a, *a]}\n", "what has an anchor"),
        ("#cloud-config\na: &a [x]\nruncmd: [" + "*a, " * 51 + "]\n", "at most 50 times"),
        (f'Content-Type: multipart/mixed; boundary="{";" * 1000}', "at most 1000 characters"),
        ("Content-Type: multipart/mixed;\n" + " ;;;;;;;;\n" * 200, "at most 1000 characters"),
        # What Python would make of a type that the text does not have.
        ("#cloud-config\npassword: !!bool hunter2\n", "not YAML that cloud-init can read"),
        ('#cloud-config\na: !!int ""\n', "not YAML that cloud-init can read"),
        ("#cloud-config\na: !!timestamp hunter2\n", "not YAML that cloud-init can read"),
        ("#cloud-config\na: 1" + ":1" * 31_000 + ".5\n", "not YAML that cloud-init can read"),
        (MULTIPART.replace("--b--", ""), "complete multipart"),
        (MULTIPART.replace("[true]", "[hunter2"), "^part 1: line 2"),
        ("MIME-Version: 1.0\n\nhunter2", "complete multipart"),
        ("MIME-Version: 1.0\n" + "Content-Type: multipart/mixed; boundary=b\n\n--b\n" * 1000, "at most 50 parts"),
        ("#!/bin/sh\n" + "#" * LARGEST, "at most 64 KiB"),
    ],
)
async def test_what_it_would_pass_over_is_refused(idle_cloud: TestCloud, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        checked_user_data(text)
    refused = await launch(idle_cloud, text)
    assert refused.status_code == 422
    assert [each["field"] for each in refused.json()["errors"]] == ["user_data"]
    assert "hunter2" not in refused.text


def test_files_and_commands_become_a_script(tmp_path: Path) -> None:
    config = f"""#cloud-config
write_files:
- path: {tmp_path}/it's here/one
  content: |
    $HOME `id` 'quoted'
  permissions: 0600
- {{path: "{tmp_path}/two", content: aGVsbG8=, encoding: b64, permissions: '0755'}}
- {{path: "{tmp_path}/two", content: " again", append: true}}
runcmd:
- echo "$((6 * 7))" > '{tmp_path}/three'
- [touch, "{tmp_path}/a b"]
"""
    subprocess.run(["sh"], input=script_of(config), text=True, check=True)
    one = tmp_path / "it's here" / "one"
    assert one.read_text() == "$HOME `id` 'quoted'\n"
    assert one.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "two").read_text() == "hello again"
    assert (tmp_path / "three").read_text() == "42\n"
    assert (tmp_path / "a b").exists()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("runcmd: echo", "runcmd must be a list"),
        ("runcmd: [{a: b}]", "each entry of runcmd"),
        ("write_files: [{content: x}]", "needs a path"),
        ("write_files: [{path: x}]", "needs a path"),
        ("write_files: [{path: /x, encoding: gz}]", "encodings"),
        ("write_files: [{path: /x, encoding: b64, content: '*'}]", "not valid base64"),
    ],
)
def test_what_does_not_become_a_script_is_refused(config: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        script_of(f"#cloud-config\n{config}\n")
