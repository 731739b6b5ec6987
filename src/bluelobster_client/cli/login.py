"""The ssh command that logs in to an instance."""

import ipaddress
import re
import shlex
from pathlib import Path

from bluelobster_client.cli.stop import Stop
from bluelobster_client.models import Instance

SSH_PORT = 22
# Names come from the API: none may be taken for an option or a command by ssh.
USERNAME = re.compile(r"[A-Za-z_][A-Za-z0-9._-]*")


def ssh_command(instance: Instance, identity: Path | None = None) -> list[str]:
    """The words of the command, with the private key `identity`.

    A machine on a loopback address is known to ssh by its id: such an address soon belongs to another machine, whose
    host key ssh would take for an attack. Nobody can stand between us and a loopback address, so ssh need not ask.
    Raises `Stop` where the instance has no usable address or user.
    """
    address = usable_address(instance)
    command = ["ssh"]
    if identity:
        command += ["-i", str(identity)]
    if instance.ssh_port != SSH_PORT:
        command += ["-p", str(instance.ssh_port)]
    if address.is_loopback:
        command += ["-o", f"HostKeyAlias={host_alias(instance)}", "-o", "StrictHostKeyChecking=accept-new"]
    user = instance.vm_username
    if user is not None and not USERNAME.fullmatch(user):
        raise Stop(f"The user name {user!r} of {instance.name} cannot be used with ssh.")
    return [*command, f"{user}@{address}" if user else str(address)]


def command_to_copy(instance: Instance, identity: Path | None = None) -> str | None:
    """The same as one line for a shell; None where nobody can log in yet."""
    try:
        return shlex.join(ssh_command(instance, identity))
    except Stop:
        return None


def usable_address(instance: Instance) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    if not instance.ip_address:
        raise Stop(f"{instance.name} has no address yet.")
    try:
        return ipaddress.ip_address(instance.ip_address)
    except ValueError:
        raise Stop(f"{instance.ip_address!r}, the address of {instance.name}, is no IP address.") from None


def host_alias(instance: Instance) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "", instance.uuid)
