"""`python -m pvelocal`: a single-machine Proxmox VE in the foreground."""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from pathlib import Path

import uvloop

from pvelocal.files import DamagedFile, write_atomically
from pvelocal.gpus import GpuMapping
from pvelocal.hypervisor import Hypervisor, HypervisorError
from pvelocal.machine import Capacity
from pvelocal.node import NodeSettings
from pvelocal.qemu.hypervisor import QemuHypervisor
from pvelocal.running import AlreadyRunning, describe, running_node
from pvelocal.simulated import SimulatedHypervisor

_FAILED_LOGIN_DELAY = 3.0
_SSH_PORT = 22
_INTERNAL_BRIDGE = "vmbr1"
_NICENESS = 10


def _parse_gpus(values: list[str]) -> tuple[GpuMapping, ...]:
    """Mappings from `NAME=MODEL` or `NAME=MODEL:COUNT`, repeated or not."""
    mappings: dict[str, GpuMapping] = {}
    for value in values:
        name, _, rest = value.partition("=")
        model, _, count = rest.partition(":")
        earlier = mappings[name].count if name in mappings else 0
        mappings[name] = GpuMapping(name, model or name, earlier + int(count or 1))
    return tuple(mappings.values())


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="pvelocal", description="A single-machine Proxmox VE")
    parser.add_argument("--data", type=Path, required=True, help="directory for everything the node keeps")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 picks a free one")
    parser.add_argument("--guests", choices=("qemu", "simulated"), required=True, help="what runs the guests")
    parser.add_argument(
        "--network", choices=("auto", "slirp", "namespace"), default="auto", help="what connects the guests"
    )
    parser.add_argument("--node", default="px1", help="name of the node")
    parser.add_argument(
        "--gpu", action="append", default=[], metavar="NAME=MODEL[:COUNT]", help="a resource mapping of GPUs"
    )
    parser.add_argument("--cores", type=int, help="processors to report instead of the machine's")
    parser.add_argument("--memory-gb", type=int, help="memory to report")
    parser.add_argument("--disk-gb", type=int, help="disk space to report")
    parser.add_argument("--keep-guests", action="store_true", help="leave the guests running at the end")
    parser.add_argument("--faults", action="store_true", help="let clients provoke faults through /local/faults")
    return parser.parse_args()


def _hypervisor(arguments: argparse.Namespace) -> Hypervisor:
    if arguments.guests == "simulated":
        return SimulatedHypervisor(arguments.data / "run")
    return QemuHypervisor(arguments.data / "run", arguments.network)


async def _serve(arguments: argparse.Namespace) -> None:
    hypervisor = _hypervisor(arguments)
    settings = NodeSettings(
        data=arguments.data,
        name=arguments.node,
        gpus=_parse_gpus(arguments.gpu),
        capacity=Capacity(arguments.cores, arguments.memory_gb, arguments.disk_gb),
        failed_login_delay=_FAILED_LOGIN_DELAY,
        durable=arguments.guests == "qemu",
    )
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with running_node(
        settings,
        hypervisor,
        host=arguments.host,
        port=arguments.port,
        control=arguments.faults,
        keep_guests=arguments.keep_guests,
    ) as running:
        real = hypervisor if isinstance(hypervisor, QemuHypervisor) else None
        document = describe(
            running,
            guests=arguments.guests,
            ssh_port=real.ssh_port if real else _SSH_PORT,
            internal_bridge=_INTERNAL_BRIDGE if real is None or real.has_lans else None,
        )
        write_atomically(arguments.data / "node.json", json.dumps(document, indent=2) + "\n")
        print(f"pvelocal: node {arguments.node} listens on {running.url}", flush=True)
        await stopped.wait()


def main() -> None:
    """Run the node until it is told to end."""
    logging.basicConfig(level=logging.WARNING, format="pvelocal: %(levelname)s: %(message)s")
    arguments = _parse_arguments()
    # The control plane on the same machine goes first, as it does where the node is another machine.
    os.nice(_NICENESS)
    # uvloop hands a child copies of its output pipes: a QEMU that becomes a daemon would hold them open for ever.
    run = asyncio.run if arguments.guests == "qemu" else uvloop.run
    try:
        with contextlib.suppress(KeyboardInterrupt):
            run(_serve(arguments))
    except (AlreadyRunning, DamagedFile, HypervisorError, OSError) as error:
        sys.exit(f"pvelocal: {error}")


if __name__ == "__main__":
    main()
