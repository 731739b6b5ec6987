"""A machine as its operations see it: our row, with what surrounds it."""

from dataclasses import dataclass
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.db.pool import Tx
from bluelobster.network.addresses import Assigned, primary_of
from bluelobster.pve import PveClient, VmConfig, errors
from bluelobster.tasks.operation import GiveUp
from bluelobster.tasks.task import Task


@dataclass(frozen=True)
class Row:
    id: UUID
    account_id: UUID
    name: str
    host_id: str
    vmid: int
    vcpus: int
    memory_gb: int
    disk_gb: int
    username: str
    ssh_key: str | None
    password_hash: str | None
    password_sealed: bytes | None
    status: str
    power_status: str
    has_agent: bool
    os_type: str
    image: str | None
    storage: str
    bridge: str
    gpus: list[str]


@dataclass(frozen=True)
class Machine(Row):
    """An instance with its host's names for things, its address and the mappings of its GPUs."""

    address: Assigned | None

    @property
    def mark(self) -> str:
        """What the virtual machine's description says when it is ours; it survives a clone."""
        return f"bluelobster instance {self.id}"

    def owns(self, config: VmConfig) -> bool:
        """Whether a virtual machine with our VMID is really this one, by SMBIOS UUID or description. While Proxmox
        creates a machine it shows a configuration with nothing in it but a lock."""
        unfinished = config.lock == "create" and config.uuid is None and config.description is None
        return unfinished or config.uuid == str(self.id) or (config.description or "").strip() == self.mark

    async def config(self, pve: PveClient) -> VmConfig | None:
        """The machine's configuration, or None where it does not exist. A machine of somebody else under our
        VMID must not be touched: GiveUp."""
        try:
            config = await pve.vm_config(self.vmid)
        except errors.VmNotFound:
            return None
        if not self.owns(config):
            raise GiveUp("the hypervisor has another machine under its number")
        return config


def host_of(machine: Machine) -> str:
    return machine.host_id


async def load_machine(tx: Tx, task: Task) -> Machine:
    """The machine that a task is about."""
    async with tx.cursor(row_factory=class_row(Row)) as cursor:
        await cursor.execute(
            """select i.id, i.account_id, i.name, i.host_id, i.vmid, i.vcpus, i.memory_gb, i.disk_gb, i.username,
                      i.ssh_key, i.password_hash, i.password_sealed, i.status, i.power_status,
                      coalesce(t.has_agent, false) as has_agent, coalesce(t.os_type, 'other') as os_type,
                      ht.volume as image, h.storage, h.bridge,
                      array(select mapping from gpus where instance_id = i.id order by mapping) as gpus
               from instances i
               join hosts h on h.id = i.host_id
               left join templates t on t.name = i.template
               left join host_templates ht on ht.host_id = i.host_id and ht.template = i.template
               where i.id = %s""",
            (task.instance_id,),
        )
        row = await cursor.fetchone()
    if row is None:
        raise LookupError(f"instance {task.instance_id} has no row")
    return Machine(**vars(row), address=await primary_of(tx, row.id))
