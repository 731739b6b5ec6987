"""A machine as its operations see it: our row, with what surrounds it."""

from dataclasses import dataclass
from uuid import UUID

from psycopg.rows import dict_row

from bluelobster.db.pool import Tx
from bluelobster.network.addresses import ASSIGNED, IN_USE, Assigned
from bluelobster.pve import PveClient, VmConfig, errors
from bluelobster.tasks.operation import GiveUp
from bluelobster.tasks.task import Task


def mark_of(instance_id: UUID) -> str:
    return f"bluelobster instance {instance_id}"


def is_marked(config: VmConfig, instance_id: UUID) -> bool:
    """Whether a virtual machine is an instance of ours, by SMBIOS UUID or description."""
    return config.uuid == str(instance_id) or (config.description or "").strip() == mark_of(instance_id)


def is_blank(config: VmConfig) -> bool:
    """Whether nothing is in it: what Proxmox shows of a machine that it makes, or that it could not make."""
    return not config.options.keys() - {"digest", "lock"}


class NotOurs(GiveUp):
    """Somebody else's machine is under our number."""

    def __init__(self) -> None:
        super().__init__("the hypervisor has another machine under its number")


@dataclass(frozen=True)
class Machine:
    """An instance with its host's names for things, its addresses and the mappings of its GPUs. `replaced` are the
    numbers of machines that it was before, and that are not removed yet."""

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
    iso_volume: str | None
    iso_url_sealed: bytes | None
    user_data_sealed: bytes | None
    seed_volume: str | None
    has_cloud_init: bool
    status: str
    power_status: str
    has_agent: bool
    os_type: str
    ostype: str
    uefi: bool
    tpm: bool
    image: str | None
    storage: str
    bridge: str
    internal_bridge: str | None
    gpus: list[str]
    replaced: list[int]
    addresses: tuple[Assigned, ...]

    @property
    def address(self) -> Assigned | None:
        """The primary one."""
        return next((each for each in self.addresses if each.is_primary), None)

    @property
    def mark(self) -> str:
        """What the virtual machine's description says when it is ours; it survives a clone."""
        return mark_of(self.id)

    def owns(self, config: VmConfig) -> bool:
        """Whether a virtual machine with our VMID is really this one, by SMBIOS UUID or description. While Proxmox
        creates a machine it shows a configuration with nothing in it but a lock."""
        unfinished = config.lock == "create" and config.uuid is None and config.description is None
        return unfinished or is_marked(config, self.id)

    async def config(self, pve: PveClient) -> VmConfig | None:
        """The machine's configuration, or None where it does not exist. A machine of somebody else under our
        VMID must not be touched: NotOurs."""
        try:
            config = await pve.vm_config(self.vmid)
        except errors.VmNotFound:
            return None
        if not self.owns(config):
            raise NotOurs
        return config


def host_of(machine: Machine) -> str:
    return machine.host_id


async def load_machine(tx: Tx, task: Task) -> Machine:
    """The machine that a task is about."""
    async with tx.cursor(row_factory=dict_row) as cursor:
        # One statement: it is asked before every step of every operation.
        await cursor.execute(
            f"""select i.id, i.account_id, i.name, i.host_id, i.vmid, i.vcpus, i.memory_gb, i.disk_gb, i.username,
                      i.ssh_key, i.password_hash, i.password_sealed, i.iso_volume, i.iso_url_sealed,
                      i.user_data_sealed, i.seed_volume, coalesce(t.has_cloud_init, false) as has_cloud_init, i.status,
                      i.power_status,
                      coalesce(t.has_agent, false) as has_agent, coalesce(t.os_type, 'other') as os_type,
                      coalesce(t.ostype, case t.os_type when 'linux' then 'l26' when 'windows' then 'win10'
                               else 'other' end) as ostype,
                      coalesce(t.uefi, false) as uefi, coalesce(t.tpm, false) as tpm,
                      ht.volume as image, h.storage, h.bridge, h.internal_bridge,
                      array(select mapping from gpus where instance_id = i.id order by mapping) as gpus,
                      array(select r.vmid from replaced_machines r where r.instance_id = i.id) as replaced,
                      coalesce((select jsonb_agg(to_jsonb(n) order by n.nic)
                                from ({ASSIGNED} {IN_USE} where a.instance_id = i.id) n), '[]') as addresses
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
    return Machine(**{**row, "addresses": tuple(Assigned(**each) for each in row["addresses"])})
