"""Chooses what connects the guests."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pvelocal.hypervisor import HypervisorError, Nic
from pvelocal.qemu.netns.space import missing_programs
from pvelocal.qemu.netns.wiring import Namespace
from pvelocal.qemu.network import ssh_port
from pvelocal.qemu.programs import ProgramMissing, require
from pvelocal.qemu.slirp import Slirp
from pvelocal.qemu.wiring import Wiring

Wish = Literal["auto", "slirp", "namespace"]
_logger = logging.getLogger(__name__)


async def open_wiring(wish: Wish, directory: Path, running: Mapping[int, Sequence[Nic]]) -> Wiring:
    """What was wished for, opened; guests that run already keep what they were started with. HypervisorError when a
    namespace was insisted on and cannot be had."""
    port = ssh_port()
    namespace = Namespace(directory, port)
    if not _is_wanted(wish, namespace, bool(running)):
        return Slirp(port)
    try:
        require(*missing_programs())
        await namespace.open(running)
    except (HypervisorError, ProgramMissing, OSError) as error:
        await namespace.close(keep=bool(running))
        if wish == "namespace" or running:
            raise HypervisorError(f"guests cannot have a network namespace here: {error}") from error
        _logger.warning("guests get QEMU's own network, which filters little: %s", error)
        return Slirp(port)
    return namespace


def _is_wanted(wish: Wish, namespace: Namespace, guests_run: bool) -> bool:
    if guests_run:
        return namespace.exists
    return wish == "namespace" or (wish == "auto" and os.geteuid() == 0)
