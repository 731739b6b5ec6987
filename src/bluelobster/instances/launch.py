"""Launch: from the request to a machine that can be logged in to, or to nothing at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID, uuid4

from psycopg.errors import ForeignKeyViolation, UniqueViolation
from psycopg.types.json import Jsonb

from bluelobster.access.audit import concerning
from bluelobster.access.sealing import Seal
from bluelobster.billing.require import require_credit
from bluelobster.billing.usage import begin_usage
from bluelobster.catalog.templates import Template
from bluelobster.clock import Clock
from bluelobster.db.pool import Tx
from bluelobster.events.record import record_instance
from bluelobster.http.errors import InvalidRequest, Unauthorized
from bluelobster.instances.blueprint import vm_options
from bluelobster.instances.credentials import crypt_hash, generated_password
from bluelobster.instances.find import order
from bluelobster.instances.guest import start, take_back, wait_for_first_boot
from bluelobster.instances.iso import fetch_iso, forget_address, keep_address, remove_iso
from bluelobster.instances.machine import Machine, host_of, load_machine
from bluelobster.instances.names import generated_name
from bluelobster.instances.place import (
    HostFilledUp,
    Place,
    choose_host,
    release_everything,
    reserve_gpus,
    take_room,
)
from bluelobster.instances.protection import protect
from bluelobster.instances.seed import bring_seed, keep_user_data
from bluelobster.instances.wanted import Size, Wanted
from bluelobster.network.addresses import assign_internal, assign_primary
from bluelobster.quotas.quota import Item
from bluelobster.quotas.require import require_quotas
from bluelobster.tasks.node import Node
from bluelobster.tasks.operation import Ended, GiveUp, Operation, Step
from bluelobster.tasks.spawn import Origin, spawn

INSERT: LiteralString = """
    insert into instances
      (id, account_id, team_id, name, metadata, region, host_id, instance_type, template, vcpus, memory_gb,
       disk_gb, gpu_count, gpu_model, price_cents_per_hour, username, ssh_key, password_hash, password_sealed,
       status, power_status, created_at, updated_at)
    values
      (%(id)s, %(account_id)s, %(team_id)s, %(name)s, %(metadata)s, %(region)s, %(host_id)s,
       %(instance_type)s, %(template)s, %(vcpus)s, %(memory_gb)s, %(disk_gb)s, %(gpu_count)s,
       %(gpu_model)s, %(price)s, %(username)s, %(ssh_key)s, %(password_hash)s, %(password_sealed)s,
       'creating', 'unknown', %(now)s, %(now)s)"""


@dataclass(frozen=True)
class Accepted:
    """A launch that was accepted; the password is here once, if we made it, and nowhere else."""

    instance_id: UUID
    task_id: UUID
    address: str
    username: str
    generated_password: str | None


class NameTaken(Exception):
    """Another live instance of the account has the name."""


async def launch(tx: Tx, wanted: Wanted, origin: Origin, seal: Seal, now: datetime) -> Accepted:
    """Reserve everything that the machine needs and queue its creation. Raises NoRoom, NoAddress, QuotaExceeded,
    PaymentRequired, and InvalidRequest for a name that is taken. A Windows machine that is asked for without a password
    gets one."""
    instance_id = uuid4()
    generated = generated_password() if is_windows(wanted.template) and not wanted.password else None
    secrets = sealed_or_hashed(wanted.template, wanted.password or generated, instance_id, seal)
    await tx.execute("savepoint unplaced")
    full: list[str] = []
    while True:
        place = await choose_host(tx, wanted, full)
        try:
            task_id, address = await _launch_at(tx, place, instance_id, wanted, secrets, origin, seal, now)
            break
        except HostFilledUp:
            full.append(place.host_id)
        except NameTaken as error:
            if wanted.name is not None:
                raise InvalidRequest(
                    "name_taken", f"An instance named {wanted.name} exists already; choose another name"
                ) from error
        await tx.execute("rollback to savepoint unplaced")
    concerning(instance_id)
    return Accepted(instance_id, task_id, address, wanted.username, generated)


async def _launch_at(
    tx: Tx,
    place: Place,
    instance_id: UUID,
    wanted: Wanted,
    secrets: Mapping[str, Any],
    origin: Origin,
    seal: Seal,
    now: datetime,
) -> tuple[UUID, str]:
    """What others wait for comes last: first the account's quotas, then the host's room. Raises HostFilledUp and
    NameTaken."""
    await _insert(tx, instance_id, place.host_id, wanted, secrets, origin, now)
    if wanted.iso_url is not None:
        await keep_address(tx, instance_id, wanted.iso_url, seal)
    if wanted.user_data is not None:
        await keep_user_data(tx, instance_id, wanted.user_data, seal)
    await reserve_gpus(tx, instance_id, place.host_id, wanted.size)
    address = await assign_primary(tx, instance_id, wanted.region, now)
    if place.has_network:
        await assign_internal(tx, instance_id, origin.account_id, wanted.region, now)
    operation = CREATE if wanted.template else CREATE_FROM_ISO
    task_id = await spawn(tx, order(operation, instance_id, place.host_id, origin, now, "Queued"))
    await record_instance(tx, "instance.created", instance_id, now)
    await require_quotas(tx, origin.account_id, needs(wanted.size), wanted.size.gpu_model)
    await require_credit(tx, instance_id, wanted.price_cents_per_hour, now)
    await take_room(tx, place.host_id, wanted)
    return task_id, address


def needs(size: Size) -> dict[Item, int]:
    """What a machine takes from its account's quotas."""
    return {"instances": 1, "vcpus": size.vcpus, "memory_gb": size.memory_gb, "gpus": size.gpus}


def is_windows(template: Template | None) -> bool:
    return template is not None and template.os_type == "windows"


def sealed_or_hashed(template: Template | None, password: str | None, instance_id: UUID, seal: Seal) -> dict[str, Any]:
    """How a password rests: as a crypt hash, sealed only for a Windows template, which needs it in clear once."""
    linux = not is_windows(template)
    return {
        "password_hash": crypt_hash(password) if password and linux else None,
        "password_sealed": seal.seal(password, password_purpose(instance_id)) if password and not linux else None,
    }


async def _insert(
    tx: Tx,
    instance_id: UUID,
    host_id: str,
    wanted: Wanted,
    secrets: Mapping[str, Any],
    origin: Origin,
    now: datetime,
) -> None:
    row = {
        "id": instance_id,
        "account_id": origin.account_id,
        "team_id": origin.team_id,
        "name": wanted.name or generated_name(),
        "metadata": None if wanted.metadata is None else Jsonb(wanted.metadata),
        "region": wanted.region,
        "host_id": host_id,
        "instance_type": wanted.instance_type,
        "template": wanted.template_name,
        "vcpus": wanted.size.vcpus,
        "memory_gb": wanted.size.memory_gb,
        "disk_gb": wanted.size.disk_gb,
        "gpu_count": wanted.size.gpus,
        "gpu_model": wanted.size.gpu_model,
        "price": wanted.price_cents_per_hour,
        "username": wanted.username,
        "ssh_key": wanted.ssh_key,
        "now": now,
        **secrets,
    }
    try:
        await tx.execute(INSERT, row)
    except ForeignKeyViolation as error:
        if error.diag.constraint_name != "instances_account_id_team_id_fkey":
            raise
        raise Unauthorized from error
    except UniqueViolation as error:
        if error.diag.constraint_name != "instances_live_name":
            raise
        raise NameTaken from error


def password_purpose(instance_id: UUID) -> str:
    return f"password of instance {instance_id}"


# The operation


async def create_vm(machine: Machine, node: Node) -> None:
    """One call makes the machine: disk, network, first user. If it exists already, an earlier try made it; the first
    one is told so by the hypervisor where it does, and comes back to look."""
    config = None if node.is_first_try else await machine.config(node.pve)
    if config is None:
        await bring_seed(machine, node)
        await node.finish("create", lambda: node.pve.create_vm(machine.vmid, vm_options(machine)))
    elif config.lock:
        await node.until(lambda: unlocked(machine, node))


async def unlocked(machine: Machine, node: Node) -> bool:
    config = await machine.config(node.pve)
    if config is None:
        raise GiveUp("the hypervisor could not create the machine")
    return not config.lock


async def grow_disk(machine: Machine, node: Node) -> None:
    """From the image's size to the one that is paid for."""
    await node.finish("grow", lambda: node.pve.resize_disk(machine.vmid, "scsi0", machine.disk_gb))


def has_sealed_password(machine: Machine) -> bool:
    """Whether the machine needs its password in clear once."""
    return machine.password_sealed is not None


async def hand_over_password(machine: Machine, node: Node) -> None:
    """Windows needs the password itself; for Linux the hash went with the creation."""
    sealed = machine.password_sealed or b""
    password = node.seal.unseal(sealed, password_purpose(machine.id))
    await node.pve.update_vm(machine.vmid, {"cipassword": password})


async def wipe_password(machine: Machine, node: Node) -> None:
    """The guest has its password now: the hypervisor need not remember it."""
    await node.pve.update_vm(machine.vmid, delete=["cipassword"])


async def go_live(machine: Machine, tx: Tx, clock: Clock) -> Ended:
    """From here on the machine is the customer's, and costs."""
    now = clock.now()
    await tx.execute(
        """update instances set status = 'rented', power_status = 'running', ready_at = %s, updated_at = %s,
                                password_hash = null, password_sealed = null where id = %s""",
        (now, now, machine.id),
    )
    await begin_usage(tx, machine.id, now)
    await record_instance(tx, "instance.ready", machine.id, now)
    return Ended("VM created successfully")


async def release(machine: Machine, tx: Tx, clock: Clock) -> None:
    await release_everything(tx, machine.id, "failed", clock.now())
    await record_instance(tx, "instance.failed", machine.id, clock.now())


CREATE = Operation[Machine](
    name="create_instance",
    load=load_machine,
    host_of=host_of,
    steps=(
        Step("Creating the machine", create_vm, undo=take_back),
        Step("Setting up the firewall", protect),
        Step("Growing the disk", grow_disk),
        Step("Setting the password", hand_over_password, concerns=has_sealed_password),
        Step("Starting the machine", start),
        Step("Waiting for the guest to boot", wait_for_first_boot),
        Step("Wiping the password", wipe_password, concerns=has_sealed_password),
    ),
    done=go_live,
    failed=release,
    complaint="Failed to create VM",
    deadline_seconds=15 * 60,
)

CREATE_FROM_ISO = Operation[Machine](
    name="create_instance_from_iso",
    load=load_machine,
    host_of=host_of,
    steps=(
        Step("Fetching the ISO image", fetch_iso, undo=remove_iso),
        Step("Forgetting where it came from", forget_address),
        Step("Creating the machine", create_vm, undo=take_back),
        Step("Setting up the firewall", protect),
        Step("Starting the machine", start),
        Step("Looking whether it runs", wait_for_first_boot),
    ),
    done=go_live,
    failed=release,
    complaint="Failed to create VM",
    deadline_seconds=60 * 60,
    takes_long=True,
)
