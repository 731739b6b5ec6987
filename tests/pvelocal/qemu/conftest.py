"""TINY-LINUX, built once, and a hypervisor whose guests end with the test."""

import fcntl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local_guests import Person
from pvelocal.images.__main__ import default_cache
from pvelocal.images.catalogue import IMAGES
from pvelocal.qemu.hypervisor import PROGRAMS, QemuHypervisor
from pvelocal.qemu.programs import ProgramMissing, require
from run_folder import run_folder


@pytest.fixture(scope="session")
def qemu() -> None:
    """QEMU is installed; fails with the command that installs it."""
    try:
        require(*PROGRAMS)
    except ProgramMissing as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def tiny_linux(qemu: None) -> Path:
    """The image, which the first of the run's processes that needs it builds."""
    folder = run_folder()
    image = folder / "tiny-linux.qcow2"
    with (folder / "image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not image.exists():
            IMAGES["TINY-LINUX"].build(image, default_cache(), lambda line: None)
    return image


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Person:
    """Somebody who wants to log in."""
    directory = tmp_path_factory.mktemp("person")
    key = directory / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "somebody", "-f", key], check=True)
    return Person(key, directory / "known_hosts")


@pytest.fixture
async def hypervisor(qemu: None, tmp_path: Path) -> AsyncIterator[QemuHypervisor]:
    """A hypervisor of this test's own."""
    hypervisor = QemuHypervisor(tmp_path / "guests")
    await hypervisor.open()
    yield hypervisor
    for vmid in hypervisor.guests():
        await hypervisor.stop(vmid)
    await hypervisor.close(keep_guests=False)
