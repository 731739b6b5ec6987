"""What a guest asks for and this machine cannot give is said before anything is started."""

import pytest

from local_guests import guest
from pvelocal.hypervisor import HypervisorError
from pvelocal.qemu.hypervisor import QemuHypervisor

pytestmark = pytest.mark.e2e


async def test_there_is_no_tpm(hypervisor: QemuHypervisor) -> None:
    with pytest.raises(HypervisorError, match="no TPM to give"):
        await hypervisor.start(guest(tpm=True, nics=()))
    assert await hypervisor.state(101) == "stopped"
