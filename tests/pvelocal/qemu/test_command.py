"""QEMU's command line."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local_guests import UUID, disk, guest, nic
from pvelocal.hypervisor import CloudInit, Disk, GuestSpec, HypervisorError
from pvelocal.qemu.command import Machine, command_line
from pvelocal.qemu.guest_files import GuestFiles
from pvelocal.qemu.slirp import Slirp

FILES = GuestFiles(Path("/data/101"), Path("/run/guests"))
TCG = Machine("/usr/bin/qemu", "tcg", Slirp(22), Path("/firmware/code.fd"))
KVM = Machine("/usr/bin/qemu", "kvm", Slirp(2222))


def words(spec: GuestSpec, machine: Machine = TCG) -> list[str]:
    return command_line(spec, FILES, machine)


def values(spec: GuestSpec, option: str, machine: Machine = TCG) -> list[str]:
    line = words(spec, machine)
    return [line[index + 1] for index, word in enumerate(line) if word == option]


def nodes(spec: GuestSpec) -> list[dict[str, Any]]:
    return [json.loads(value) for value in values(spec, "-blockdev")]


def devices(spec: GuestSpec, start: str) -> list[str]:
    return [value for value in values(spec, "-device") if value.startswith(start)]


def test_runs_on_its_own_and_is_found_by_its_pid_file() -> None:
    line = words(guest())
    assert line[0] == "/usr/bin/qemu"
    assert "-daemonize" in line
    assert values(guest(), "-pidfile") == ["/data/101/pid"]


def test_says_what_was_ordered() -> None:
    spec = guest(cores=4, memory_mb=8192)
    assert values(spec, "-smp") == ["cpus=4,sockets=1,cores=4,threads=1"]
    assert values(spec, "-m") == ["8192M"]
    assert values(spec, "-uuid") == [UUID]


def test_memory_is_not_reserved() -> None:
    assert values(guest(memory_mb=262144), "-object") == ["memory-backend-ram,id=ram,size=262144M,reserve=off"]


def test_uses_the_processor_where_it_can() -> None:
    assert values(guest(), "-accel", KVM) == ["kvm"]
    assert values(guest(), "-cpu", KVM) == ["host"]
    assert values(guest(), "-accel")[0].startswith("tcg,thread=multi")
    assert values(guest(), "-cpu") == ["Nehalem,+rdrand"]


def test_two_monitors_an_agent_and_a_screen_on_sockets() -> None:
    paths = [f"unix:/run/guests/101.{name},server=on,wait=off" for name in ("qmp", "qmp2")]
    assert values(guest(), "-qmp") == paths
    assert any("path=/run/guests/101.qga" in value for value in values(guest(), "-chardev"))
    assert values(guest(), "-vnc") == ["unix:/run/guests/101.vnc,password=on"]


def test_no_agent_without_its_option() -> None:
    assert devices(guest(agent=False), "virtserialport") == []


def test_disks_keep_their_slot_and_order() -> None:
    spec = guest(disks=(disk(), disk("/images/data.raw", "scsi1", None)))
    assert [(node["driver"], node["node-name"]) for node in nodes(spec)] == [
        ("qcow2", "drive-scsi0"),
        ("raw", "drive-scsi1"),
    ]
    assert devices(spec, "virtio-blk-pci") == [
        "virtio-blk-pci,id=scsi0,drive=drive-scsi0,serial=scsi0,bootindex=0",
        "virtio-blk-pci,id=scsi1,drive=drive-scsi1,serial=scsi1",
    ]


def test_cds_are_read_only_and_on_their_own_buses() -> None:
    iso = Disk("ide2", Path("/iso/install.iso"), media="cdrom", boot_index=1)
    other = Disk("ide0", Path("/iso/drivers.iso"), media="cdrom")
    spec = guest(disks=(iso, other))
    assert [node["read-only"] for node in nodes(spec)] == [True, True]
    assert devices(spec, "ide-cd") == [
        "ide-cd,bus=ide.0,id=ide2,drive=drive-ide2,bootindex=1",
        "ide-cd,bus=ide.1,id=ide0,drive=drive-ide0",
    ]


def test_sata_disks_share_the_ports_with_cds() -> None:
    iso = Disk("ide2", Path("/iso/install.iso"), media="cdrom", boot_index=0)
    spec = guest(disks=(iso, disk("/images/data.raw", "sata0", 1)))
    assert devices(spec, "ide-cd") == ["ide-cd,bus=ide.0,id=ide2,drive=drive-ide2,bootindex=0"]
    assert devices(spec, "ide-hd") == ["ide-hd,bus=ide.1,id=sata0,drive=drive-sata0,bootindex=1"]
    assert devices(spec, "virtio-blk-pci") == []


def test_too_many_cds() -> None:
    cds = tuple(Disk(f"sata{index}", Path("/iso/a.iso"), media="cdrom") for index in range(7))
    with pytest.raises(HypervisorError, match="at most 6"):
        words(guest(disks=cds))


def test_unknown_disk_format() -> None:
    with pytest.raises(HypervisorError, match="vmdk"):
        words(guest(disks=(disk("/images/vm-101-disk-0.vmdk"),)))


def test_cloud_init_is_a_read_only_disk() -> None:
    (node,) = nodes(guest(cloud_init=CloudInit("", "")))
    assert node["read-only"] is True
    assert node["file"]["filename"] == "/data/101/cidata.iso"


def test_each_card_is_a_network_of_its_own() -> None:
    spec = guest(nics=(nic(), nic("127.64.0.11/24", 1), nic(None, 2)))
    first, second, third = values(spec, "-netdev", KVM)
    assert "net=10.0.2.0/24" in first
    assert "hostfwd=tcp:127.64.0.10:2222-10.0.2.15:22" in first
    assert "net=10.0.3.0/24" in second
    assert "hostfwd=tcp:127.64.0.11:2222-10.0.3.15:22" in second
    assert "hostfwd" not in third
    assert [device.split("mac=")[1].split(",")[0] for device in devices(spec, "virtio-net-pci")] == [
        "BC:24:11:00:00:00",
        "BC:24:11:00:00:01",
        "BC:24:11:00:00:02",
    ]


def test_a_card_of_another_model() -> None:
    (card,) = devices(guest(nics=(replace(nic(), model="e1000"),)), "e1000")
    assert card.startswith("e1000,netdev=net0,")
    with pytest.raises(HypervisorError, match="'rtl8139' is not supported"):
        words(guest(nics=(replace(nic(), model="rtl8139"),)))


def test_every_gpu_has_a_port() -> None:
    spec = guest(gpus=2)
    assert len(devices(spec, "pcie-root-port")) == 2
    assert [device.split("bus=")[1].split(",")[0] for device in devices(spec, "bochs-display")] == [
        "gpu-port0",
        "gpu-port1",
    ]


def test_uefi_keeps_its_variables() -> None:
    code, variables = values(guest(bios="ovmf"), "-drive")
    assert "readonly=on" in code
    assert "/firmware/code.fd" in code
    assert variables.endswith("file=/data/101/ovmf-vars.fd")
    disk = Path("/images/vm-101-disk-1.raw")
    assert values(guest(bios="ovmf", firmware_state=disk), "-drive")[1].endswith(
        f"node-name=drive-efidisk0,file={disk}"
    )
    other = guest(bios="ovmf", firmware_state=disk.with_suffix(".qcow2"))
    assert values(other, "-drive")[1].endswith("file=/data/101/ovmf-vars.fd")


def test_windows_keeps_local_time_and_gets_a_pointer() -> None:
    assert values(guest(os_type="win11"), "-rtc") == ["base=localtime"]
    assert values(guest(os_type="win11"), "-cpu", KVM)[0].startswith("host,hv_")
    assert len(devices(guest(os_type="win11"), "usb-tablet")) == 1
    assert values(guest(), "-rtc") == ["base=utc"]
    assert devices(guest(), "usb-tablet") == []


def test_a_comma_cannot_end_a_value() -> None:
    files = GuestFiles(Path("/a,b/101"), Path("/a,b/run"))
    line = command_line(guest(name="a,b"), files, TCG)
    assert "guest=a,,b,debug-threads=on" in line
    assert "unix:/a,,b/run/101.qmp,server=on,wait=off" in line
