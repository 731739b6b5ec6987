"""Network cards that come and go while their guest runs."""

import asyncio
import contextlib
from typing import cast

from pvelocal.hypervisor import HypervisorError, Nic
from pvelocal.qemu.command import Machine, card_name, card_options
from pvelocal.qemu.guest_files import GuestFiles
from pvelocal.qemu.monitor import Monitor
from pvelocal.qemu.network import taken_addresses

_DEVICES = "/machine/peripheral"
_UNPLUG_SECONDS = 5.0
_LOOK_SECONDS = 0.1


async def plug_card(monitor: Monitor, nic: Nic, files: GuestFiles, machine: Machine) -> None:
    """Put a card in, unless it is there; HypervisorError when QEMU refuses it or its address is taken."""
    if await _is_in(monitor, nic.index):
        return
    await _drop_network(monitor, nic.index)
    if taken_addresses([nic], machine.ssh_port):
        raise HypervisorError(f"port {machine.ssh_port} of address {nic.address} cannot be had")
    network, device = card_options(nic, files, machine)
    await _say(monitor, f"netdev_add {network}")
    try:
        await _say(monitor, f"device_add {device}")
    except HypervisorError:
        await _drop_network(monitor, nic.index)
        raise


async def unplug_card(monitor: Monitor, index: int) -> None:
    """Take a card out; HypervisorError when the guest has not let go of it after some seconds."""
    if await _is_in(monitor, index):
        # Asked once more while it is under way already, QEMU refuses.
        with contextlib.suppress(HypervisorError):
            await monitor.execute("device_del", id=card_name(index))
        try:
            async with asyncio.timeout(_UNPLUG_SECONDS):
                while await _is_in(monitor, index):
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError as error:
            raise HypervisorError(f"error on hot-unplugging device 'net{index}'") from error
    await _drop_network(monitor, index)


async def _is_in(monitor: Monitor, index: int) -> bool:
    devices = cast("list[dict[str, str]]", await monitor.execute("qom-list", path=_DEVICES))
    return any(device["name"] == card_name(index) for device in devices)


async def _drop_network(monitor: Monitor, index: int) -> None:
    """What is behind a card goes when the card is gone; without a card there may be nothing."""
    with contextlib.suppress(HypervisorError):
        await monitor.execute("netdev_del", id=f"net{index}")


async def _say(monitor: Monitor, line: str) -> None:
    """A command as the command line has it. Its complaints are text."""
    answer = str(await monitor.execute("human-monitor-command", command_line=line)).strip()
    if answer:
        raise HypervisorError(f"QEMU refused '{line.split(maxsplit=1)[0]}': {answer}")
