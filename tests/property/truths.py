"""What always holds, and what holds once everything has calmed down. Each answers with what is wrong."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from bluelobster.network.addresses import mac_for
from cloud import TestCloud
from property.world import World
from pvelocal.vms import Vm

NOT_FOUND = 404
# A truth, and a query for what breaks it.
ALWAYS = {
    "a host's counters are the sum of its live instances, and of disks that are being replaced": """
        select h.id, vcpus_used, memory_gb_used, disk_gb_used from hosts h
        where (vcpus_used, memory_gb_used, disk_gb_used) <>
          (select coalesce(sum(i.vcpus), 0), coalesce(sum(i.memory_gb), 0),
                  coalesce(sum(i.disk_gb * (1 + num_nonnulls(i.restoring_vmid, i.replaced_vmid))), 0)
                  + (select coalesce(sum(r.disk_gb), 0) from replaced_machines r where r.host_id = h.id)
           from instances i where i.host_id = h.id and i.ended_at is null)""",
    "no host is over its capacity": """
        select id from hosts
        where vcpus_used > vcpus or memory_gb_used > memory_gb or disk_gb_used > disk_gb""",
    "no live name twice in an account": """
        select account_id, name from instances where ended_at is null group by 1, 2 having count(*) > 1""",
    "no VMID twice": """
        select vmid from (
          select unnest(array_remove(array[vmid, restoring_vmid, replaced_vmid], null)) as vmid from instances
          where ended_at is null union all select vmid from replaced_machines) numbers
        group by 1 having count(*) > 1""",
    "an instance is being restored only while a task does it": """
        select i.id from instances i
        where (i.restoring_vmid is not null or i.replaced_vmid is not null or i.firewall_held)
          and not exists (select from tasks t where t.instance_id = i.id and t.ended_at is null
                          and t.operation = 'restore_instance')""",
    "a live instance has its GPUs": """
        select i.id, i.gpu_count from instances i
        where i.ended_at is null and i.gpu_count <> (select count(*) from gpus g
          where g.instance_id = i.id and g.host_id = i.host_id and g.model = i.gpu_model)""",
    "a live instance has one primary address": """
        select i.id from instances i
        where i.ended_at is null
          and 1 <> (select count(*) from addresses a where a.instance_id = i.id and a.is_primary)""",
    "what ended holds nothing": """
        select i.id, i.status from instances i
        where i.ended_at is not null and (
          exists (select from gpus where instance_id = i.id)
          or exists (select from addresses where instance_id = i.id)
          or exists (select from instance_samples where instance_id = i.id)
          or i.password_hash is not null or i.password_sealed is not null or i.iso_url_sealed is not null)""",
    "one live task an instance": """
        select instance_id from tasks where ended_at is null group by 1 having count(*) > 1""",
    "what is being made or deleted has a task that does it": """
        select i.id, i.status from instances i
        where i.status in ('creating', 'terminating') and not exists (select from tasks t
          where t.instance_id = i.id and t.ended_at is null
            and t.operation = case i.status when 'creating' then 'create_instance' else 'delete_instance' end)""",
    "what is ready keeps no password": """
        select id from instances
        where status = 'rented' and (password_hash is not null or password_sealed is not null)""",
    "a launch is as its instance is": """
        select t.status, i.status from tasks t join instances i on i.id = t.instance_id
        where t.operation = 'create_instance' and (
          t.status = 'FAILED' and i.status <> 'failed' or t.status = 'COMPLETED' and i.ready_at is null
          or t.ended_at is null and i.status <> 'creating')""",
}
# What a machine on the node must say, by our record.
MACHINES = """
    select i.vmid, i.id::text, i.vcpus, i.memory_gb * 1024, host(a.address),
           array(select mapping from gpus where instance_id = i.id order by mapping), i.power_status, i.account_id,
           exists (select from tasks where instance_id = i.id and operation = 'delete_instance')
    from instances i join addresses a on a.instance_id = i.id and a.is_primary where i.status = 'rented'"""


async def broken(cloud: TestCloud) -> dict[str, Any]:
    """The truths that do not hold at this moment, with what breaks them."""
    found: dict[str, Any] = {}
    async with cloud.parts.pool.connection() as connection:
        for truth, query in ALWAYS.items():
            cursor = await connection.execute(query)
            if rows := await cursor.fetchall():
                found[truth] = rows
    if twice := given_twice(cloud):
        found["nothing is in two machines of the node"] = twice
    return found


def given_twice(cloud: TestCloud) -> list[str]:
    """Devices and addresses that two machines of the node were told to use."""
    given = Counter(thing for vm in cloud.node.node.vms for thing in taken_by(vm))
    return [thing for thing, times in given.items() if times > 1]


def taken_by(vm: Vm) -> list[str]:
    options = vm.wanted()
    return [str(value) for name, value in options.items() if name.startswith(("hostpci", "ipconfig", "net", "smbios"))]


async def unlike_the_node(cloud: TestCloud) -> list[str]:
    """How the node's machines differ from our record, once nothing is under way."""
    node = cloud.node.node
    async with cloud.parts.pool.connection() as connection:
        cursor = await connection.execute(MACHINES)
        rows = {row[0]: row[1:] for row in await cursor.fetchall()}
    # Somebody asked for its end: where the node lost an answer, it may be gone before we know.
    lost = {vmid for vmid, row in rows.items() if vmid not in node.vms and not row[-1]}
    found = [f"machine {vmid} is not on the node" for vmid in lost]
    found += [f"machine {vm.vmid} belongs to nobody" for vm in node.vms if vm.vmid not in rows]
    for vm in node.vms:
        if vm.vmid in rows:
            found += differences(vm, rows[vm.vmid], await node.state(vm))
    folders = {int(path.parent.name) for path in (node.settings.data / "images").glob("*/*")}
    found += [f"a disk of {vmid} was left" for vmid in folders - {vm.vmid for vm in node.vms}]
    return found


def differences(vm: Vm, row: tuple[Any, ...], state: str) -> Iterable[str]:
    instance_id, cores, memory, address, gpus, power, *_ = row
    config = {name: str(value) for name, value in vm.wanted().items()}
    mappings = sorted(value.split(",")[0] for name, value in config.items() if name.startswith("hostpci"))
    expected = {
        "uuid": (config["smbios1"], f"uuid={instance_id}"),
        "cores": (config["cores"], str(cores)),
        "memory": (config["memory"], str(memory)),
        "address": (config["ipconfig0"].split("/")[0], f"ip={address}"),
        "network card": (mac_for(instance_id, 0) in config["net0"], True),
        "GPUs": (mappings, [f"mapping={mapping}" for mapping in gpus]),
        "disk": ("size=250G" in config["scsi0"] or "size=500G" in config["scsi0"], True),
        "power": (state, power),
        "lock": (config.get("lock"), None),
    }
    return [f"machine {vm.vmid}: {name} {got}, not {want}" for name, (got, want) in expected.items() if got != want]


async def seen_by_others(world: World) -> list[str]:
    """What an account sees of another's, and what it does not see of its own."""
    paths = [(owner, f"/instances/{machine}") for owner, machine in world.machines]
    paths += [(owner, f"/tasks/{task}") for owner, task in await tasks_by_account(world.cloud)]
    found = []
    for account, client in world.accounts.items():
        listed = {f"/instances/{each['uuid']}" for each in (await client.get("/instances")).json()}
        tasks = (await client.get("/tasks?limit=100")).json()["tasks"]
        listed |= {f"/tasks/{each['task_id']}" for each in tasks}
        own = {path for owner, path in paths if owner == account}
        found += [f"{account} sees {path}" for path in listed - own]
        for owner, path in paths:
            if owner != account and (await client.get(path)).status_code != NOT_FOUND:
                found.append(f"{account} can read {path}")
    return found


async def tasks_by_account(cloud: TestCloud) -> list[tuple[str, str]]:
    async with cloud.parts.pool.connection() as connection:
        cursor = await connection.execute("select a.name, t.id::text from tasks t join accounts a on a.id = account_id")
        return [(name, task) for name, task in await cursor.fetchall()]
