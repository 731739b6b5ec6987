"""What becomes of a restored configuration: the source's system, and nothing else of the source's."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from bluelobster.backups.fit_out import Changes, changes, disk_of
from bluelobster.instances.blueprint import vm_options
from bluelobster.instances.machine import Machine
from bluelobster.network.addresses import Assigned, mac_for

TARGET, SOURCE = UUID(int=1), UUID(int=2)
VOLUMES = {"ide2": "local:100007/vm-100007-cloudinit.qcow2,media=cdrom", "scsi0": "local:100007/vm-100007-disk-0.qcow2"}


def address_of(instance_id: UUID, nic: int, tag: int | None = None) -> Assigned:
    number = instance_id.int * 10 + nic
    gateway = None if tag else "198.51.100.1"
    return Assigned(f"198.51.100.{number}", 24, gateway, ["198.51.100.2"], mac_for(instance_id, nic), nic, tag)


def machine(instance_id: UUID, **changed: Any) -> Machine:
    plain = Machine(
        id=instance_id,
        account_id=UUID(int=9),
        name=f"machine-{instance_id.int}",
        host_id="px1",
        vmid=100007,
        vcpus=2,
        memory_gb=8,
        disk_gb=250,
        username=f"user-{instance_id.int}",
        ssh_key=f"ssh-ed25519 KEY{instance_id.int}",
        password_hash=None,
        password_sealed=None,
        iso_volume=None,
        iso_url_sealed=None,
        user_data_sealed=None,
        seed_volume=None,
        has_cloud_init=True,
        status="rented",
        power_status="running",
        has_agent=True,
        os_type="linux",
        ostype="l26",
        uefi=False,
        tpm=False,
        image="local:import/debian.qcow2",
        storage="local",
        bridge="vmbr0",
        internal_bridge="vmbr1",
        gpus=[],
        replaced=[],
        addresses=(address_of(instance_id, 0),),
    )
    return replace(plain, **changed)


def restored(source: Machine, **further: Any) -> dict[str, Any]:
    """What a machine's backup is restored to, where the call says nothing: with volumes of its own, and the rest as it
    was backed up."""
    options = {name: value for name, value in vm_options(source).items() if name not in VOLUMES or "," in str(value)}
    drives = {name: value for name, value in VOLUMES.items() if name not in options or name == "scsi0"}
    return {**options, **drives, "digest": "abc", "meta": "creation-qemu=10.0.2", "vmgenid": "x", **further}


def after(config: dict[str, Any], wanted: Changes) -> dict[str, Any]:
    """As Proxmox would have it after both calls."""
    kept = {name: value for name, value in config.items() if name not in wanted.delete}
    return {**kept, **wanted.options}


def personal(config: dict[str, Any]) -> dict[str, Any]:
    system = {"scsi0", "sata0", "digest", "meta", "vmgenid", "boot", "scsihw", "bios", "efidisk0", "tpmstate0", "ide2"}
    return {name: value for name, value in config.items() if name not in system}


def test_nothing_of_another_machine_is_left() -> None:
    source = machine(
        SOURCE,
        gpus=["a4000-0", "a4000-1"],
        addresses=(address_of(SOURCE, 0), address_of(SOURCE, 1, 1000), address_of(SOURCE, 2)),
    )
    target = machine(TARGET, vcpus=8, memory_gb=32, gpus=["a4000-7"])
    config = restored(source, cipassword="**********", searchdomain="example.com")
    result = after(config, changes(config, target, keep_password=False))
    assert personal(result) == personal(restored(target))
    assert result["scsi0"] == VOLUMES["scsi0"]
    assert result["ide2"] == VOLUMES["ide2"]


def test_its_own_backup_changes_nothing_but_what_changed_since() -> None:
    config = restored(machine(TARGET), cipassword="**********")
    assert changes(config, machine(TARGET), keep_password=True) == Changes([], {})
    renamed = changes(config, machine(TARGET, name="other_name"), keep_password=True)
    assert renamed == Changes([], {"name": "other-name"})


def test_user_data_stays_with_its_machine() -> None:
    with_user_data = machine(SOURCE, seed_volume="local:iso/bl-2-data.iso")
    config = restored(with_user_data)
    assert config["ide2"] == "local:iso/bl-2-data.iso,media=cdrom"
    wanted = changes(config, machine(TARGET), keep_password=False)
    assert "ide2" in wanted.delete
    assert wanted.options["ide2"] == "local:cloudinit"
    assert wanted.options["ciuser"] == "user-1"

    config = restored(machine(SOURCE))
    target = machine(TARGET, seed_volume="local:iso/bl-1-data.iso")
    result = after(config, changes(config, target, keep_password=False))
    assert result["ide2"] == "local:iso/bl-1-data.iso,media=cdrom"
    assert not {"ciuser", "sshkeys", "nameserver", "ciupgrade"} & result.keys()


def test_an_installer_s_disc_stays_with_its_machine() -> None:
    source = machine(SOURCE, iso_volume="local:iso/bl-2.iso")
    target = machine(TARGET, iso_volume="local:iso/bl-1.iso")
    config = {
        **restored(source),
        "ide0": "local:100007/vm-100007-cloudinit.qcow2,media=cdrom",
        "ide2": "local:iso/bl-2.iso,media=cdrom",
        "sata0": "local:100007/vm-100007-disk-0.qcow2,size=40G",
    }
    config.pop("scsi0")
    result = after(config, changes(config, target, keep_password=False))
    assert result["ide2"] == "local:iso/bl-1.iso,media=cdrom"
    assert result["ide0"] == config["ide0"]
    assert result["net0"].startswith("e1000=")
    assert disk_of(result) == "sata0"


def test_windows_keeps_its_firmware() -> None:
    source = machine(SOURCE, os_type="windows", ostype="win11", uefi=True, tpm=True)
    config = restored(source)
    result = after(config, changes(config, machine(TARGET), keep_password=False))
    for name in ("bios", "efidisk0", "tpmstate0", "ostype", "machine"):
        assert result[name] == config[name]


def test_a_disc_is_no_disk() -> None:
    assert disk_of({"ide0": "local:7/vm-7-cloudinit.qcow2,media=cdrom", "net0": "virtio"}) is None
    assert disk_of({"ide0": "local:7/vm-7-cloudinit.qcow2,media=cdrom", "virtio0": "local:7/disk"}) == "virtio0"
