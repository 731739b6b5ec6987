"""Launch: from the request to a machine that can be logged in to, or to nothing at all."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from bluelobster.access.sealing import Seal
from bluelobster.billing.usage import begin_usage
from bluelobster.catalog.templates import Template
from bluelobster.catalog.types import InstanceType
from bluelobster.clock import Clock
from bluelobster.db.pool import Tx
from bluelobster.http.errors import Conflict, InvalidRequest
from bluelobster.instances.blueprint import vm_options
from bluelobster.instances.choices import choose
from bluelobster.instances.credentials import check_linux_username, crypt_hash, generated_password
from bluelobster.instances.find import order
from bluelobster.instances.guest import destroy, start, wait_for_first_boot
from bluelobster.instances.launch_request import LaunchInstanceRequest
from bluelobster.instances.machine import Machine, host_of, load_machine
from bluelobster.instances.names import generated_name
from bluelobster.instances.place import NoRoom, Size, release_everything, reserve_gpus, reserve_host
from bluelobster.network.addresses import NoAddress, assign_primary
from bluelobster.settings import Defaults
from bluelobster.tasks.node import Node
from bluelobster.tasks.operation import Ended, GiveUp, Operation, Step
from bluelobster.tasks.spawn import Origin, spawn


@dataclass(frozen=True)
class Accepted:
    """A launch that was accepted; the password is here once, if we made it, and nowhere else."""

    instance_id: UUID
    task_id: UUID
    address: str
    username: str
    generated_password: str | None


async def launch(
    tx: Tx, request: LaunchInstanceRequest, origin: Origin, defaults: Defaults, seal: Seal, now: datetime
) -> Accepted:
    """Reserve everything that the machine needs and queue its creation. Raises InvalidRequest and Conflict."""
    kind, template = await choose(tx, request, defaults)
    password, generated = password_for(request, template)
    size = Size(kind.vcpus, kind.memory_gb, kind.disk_gb, kind.gpus, kind.gpu_model)
    instance_id = uuid4()
    try:
        host_id = await reserve_host(tx, request.region, size, template.name)
        await _insert(tx, instance_id, host_id, request, kind, template, password, origin, seal, now)
        await reserve_gpus(tx, instance_id, host_id, size)
        address = await assign_primary(tx, instance_id, request.region, now)
    except (NoRoom, NoAddress) as error:
        raise Conflict("resource_conflict", "Requested resources not available in specified region") from error
    task_id = await spawn(tx, order(CREATE, instance_id, host_id, origin, now, "Queued"))
    return Accepted(instance_id, task_id, address, request.username, generated)


def password_for(request: LaunchInstanceRequest, template: Template) -> tuple[str | None, str | None]:
    """The password to set, and the same once more if we made it up. Raises InvalidRequest."""
    if template.os_type == "windows":
        generated = None if request.password else generated_password()
        return request.password or generated, generated
    check_linux_username(request.username)
    if not request.ssh_key and not request.password:
        raise InvalidRequest(
            "invalid_request",
            f"ssh_key or password is required for {template.name}",
            details={"ssh_key": "Required unless a password is given"},
        )
    return request.password, None


async def _insert(
    tx: Tx,
    instance_id: UUID,
    host_id: str,
    request: LaunchInstanceRequest,
    kind: InstanceType,
    template: Template,
    password: str | None,
    origin: Origin,
    seal: Seal,
    now: datetime,
) -> None:
    linux = template.os_type == "linux"
    row = {
        "id": instance_id,
        "account_id": origin.account_id,
        "name": request.name or generated_name(),
        "metadata": None if request.metadata is None else Jsonb(request.metadata),
        "region": request.region,
        "host_id": host_id,
        "instance_type": kind.name,
        "template": template.name,
        "vcpus": kind.vcpus,
        "memory_gb": kind.memory_gb,
        "disk_gb": kind.disk_gb,
        "gpu_count": kind.gpus,
        "gpu_model": kind.gpu_model,
        "price": kind.price_cents_per_hour,
        "username": request.username,
        "ssh_key": request.ssh_key,
        "password_hash": crypt_hash(password) if password and linux else None,
        "password_sealed": seal.seal(password, password_purpose(instance_id)) if password and not linux else None,
        "now": now,
    }
    try:
        async with tx.transaction():
            await tx.execute(
                """insert into instances
                     (id, account_id, name, metadata, region, host_id, instance_type, template, vcpus, memory_gb,
                      disk_gb, gpu_count, gpu_model, price_cents_per_hour, username, ssh_key, password_hash,
                      password_sealed, status, power_status, created_at, updated_at)
                   values
                     (%(id)s, %(account_id)s, %(name)s, %(metadata)s, %(region)s, %(host_id)s, %(instance_type)s,
                      %(template)s, %(vcpus)s, %(memory_gb)s, %(disk_gb)s, %(gpu_count)s, %(gpu_model)s, %(price)s,
                      %(username)s, %(ssh_key)s, %(password_hash)s, %(password_sealed)s, 'creating', 'unknown',
                      %(now)s, %(now)s)""",
                row,
            )
    except UniqueViolation as error:
        if error.diag.constraint_name != "instances_live_name":
            raise
        raise InvalidRequest(
            "name_taken", f"An instance named {row['name']} exists already; choose another name"
        ) from error


def password_purpose(instance_id: UUID) -> str:
    return f"password of instance {instance_id}"


# The operation


async def create_vm(machine: Machine, node: Node) -> None:
    """One call makes the machine: disk, network, first user. If it exists already, an earlier try made it."""
    config = await machine.config(node.pve)
    if config is None:
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


async def hand_over_password(machine: Machine, node: Node) -> None:
    """Windows needs the password itself; for Linux the hash went with the creation."""
    if machine.password_sealed is not None:
        password = node.seal.unseal(machine.password_sealed, password_purpose(machine.id))
        await node.pve.update_vm(machine.vmid, {"cipassword": password})


async def wipe_password(machine: Machine, node: Node) -> None:
    """The guest has its password now: the hypervisor need not remember it."""
    if machine.password_sealed is not None:
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
    return Ended("VM created successfully")


async def release(machine: Machine, tx: Tx, clock: Clock) -> None:
    await release_everything(tx, machine.id, "failed", clock.now())


CREATE = Operation[Machine](
    name="create_instance",
    load=load_machine,
    host_of=host_of,
    steps=(
        Step("Creating the machine", create_vm, undo=destroy),
        Step("Growing the disk", grow_disk),
        Step("Setting the password", hand_over_password),
        Step("Starting the machine", start),
        Step("Waiting for the guest to boot", wait_for_first_boot),
        Step("Wiping the password", wipe_password),
    ),
    done=go_live,
    failed=release,
    complaint="Failed to create VM",
    deadline_seconds=15 * 60,
)
