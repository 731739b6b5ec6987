"""Disk images."""

import json
import subprocess
from pathlib import Path

import pytest

from pvelocal.hypervisor import HypervisorError
from pvelocal.qemu import disks

MIB = 1 << 20

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("qemu")]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image of 4 MiB that begins with a word."""
    raw = tmp_path / "image.raw"
    raw.write_bytes(b"hello".ljust(4 * MIB, b"\0"))
    path = tmp_path / "image.qcow2"
    qemu_img("convert", "-O", "qcow2", raw, path)
    return path


def qemu_img(*words: str | Path) -> str:
    return subprocess.check_output(["qemu-img", *words], text=True)


def content(disk: Path, count: int = 5) -> bytes:
    raw = disk.with_suffix(".content")
    qemu_img("convert", "-O", "raw", disk, raw)
    return raw.read_bytes()[:count]


@pytest.mark.parametrize("name", ["disk.qcow2", "disk.raw"])
async def test_a_disk_has_the_image_and_the_size(tmp_path: Path, image: Path, name: str) -> None:
    disk = tmp_path / "vm" / name
    await disks.create(disk, 64 * MIB, image)
    assert disks.size(disk) == 64 * MIB
    assert content(disk) == b"hello"
    assert disk.stat().st_blocks * 512 < 8 * MIB


async def test_a_disk_is_at_least_as_big_as_its_image(tmp_path: Path, image: Path) -> None:
    await disks.create(tmp_path / "disk.qcow2", MIB, image)
    assert disks.size(tmp_path / "disk.qcow2") == 4 * MIB


async def test_the_image_may_go_and_the_disk_may_move(tmp_path: Path, image: Path) -> None:
    await disks.create(tmp_path / "vm" / "disk.qcow2", 0, image)
    image.unlink()
    moved = (tmp_path / "vm").rename(tmp_path / "moved")
    assert content(moved / "disk.qcow2") == b"hello"


async def test_replacing_the_image_changes_no_disk(tmp_path: Path, image: Path) -> None:
    await disks.create(tmp_path / "disk.qcow2", 0, image)
    other = tmp_path / "other"
    other.write_bytes(b"rubbish")
    other.replace(image)
    assert content(tmp_path / "disk.qcow2") == b"hello"


async def test_deleting_leaves_nothing(tmp_path: Path, image: Path) -> None:
    disk = tmp_path / "vm" / "disk.qcow2"
    await disks.create(disk, 0, image)
    disks.delete(disk)
    disks.delete(disk)
    assert list((tmp_path / "vm").iterdir()) == []
    assert image.exists()


async def test_making_it_again_starts_over(tmp_path: Path, image: Path) -> None:
    disk = tmp_path / "disk.qcow2"
    await disks.create(disk, 8 * MIB, image)
    await disks.create(disk, 16 * MIB, None)
    assert disks.size(disk) == 16 * MIB
    assert content(disk) == b"\0" * 5


async def test_growing_never_shrinks(tmp_path: Path) -> None:
    disk = tmp_path / "disk.qcow2"
    await disks.create(disk, 8 * MIB, None)
    await disks.grow(disk, 12 * MIB)
    await disks.grow(disk, 12 * MIB)
    assert disks.size(disk) == 12 * MIB
    with pytest.raises(HypervisorError, match="shrinking"):
        await disks.grow(disk, 4 * MIB)


async def test_an_image_that_points_to_another_file_is_refused(tmp_path: Path, image: Path) -> None:
    trojan = tmp_path / "trojan.qcow2"
    backing = ["-F", "raw", "-b", "/etc/hostname"]
    qemu_img("create", "-q", "-f", "qcow2", *backing, trojan, "1M")
    with pytest.raises(HypervisorError, match="depends on another file"):
        await disks.create(tmp_path / "disk.qcow2", 0, trojan)
    external = tmp_path / "external.qcow2"
    option = f"data_file={tmp_path / 'data'}"
    qemu_img("create", "-q", "-f", "qcow2", "-o", option, external, "1M")
    with pytest.raises(HypervisorError, match="depends on another file"):
        await disks.create(tmp_path / "disk.qcow2", 0, external)
    assert not (tmp_path / "disk.qcow2").exists()


async def test_an_image_that_is_none_is_refused(tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.qcow2"
    rubbish.write_bytes(b"rubbish")
    with pytest.raises(HypervisorError, match="qemu-img failed"):
        await disks.create(tmp_path / "disk.qcow2", 0, rubbish)
    with pytest.raises(HypervisorError, match="ova"):
        await disks.create(tmp_path / "disk.qcow2", 0, tmp_path / "appliance.ova")


def test_a_disk_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(HypervisorError, match="does not exist"):
        disks.size(tmp_path / "disk.qcow2")


async def test_a_disk_is_thin(tmp_path: Path) -> None:
    disk = tmp_path / "disk.qcow2"
    await disks.create(disk, 4096 * 1024 * MIB, None)
    found = json.loads(qemu_img("info", "--output=json", disk))
    assert found["actual-size"] < 4 * MIB
