"""Every request that the client can send is one that the real server's schema allows."""

import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bluelobster.pve import PveClient, Upid, encode_ssh_keys
from pve.recordings import recorded
from pve.server import UPID, JudgingServer, client_of

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILIilqD0mN+wPR065Z7W6wzy9q22EdOaSlXOYolQ4zeu me@x y"
MACHINE: dict[str, str | int] = {
    "name": "web-1",
    "cores": 4,
    "memory": 16384,
    "machine": "q35",
    "scsihw": "virtio-scsi-single",
    "scsi0": "local:0,import-from=local:import/tiny-linux.qcow2",
    "ide2": "local:cloudinit",
    "boot": "order=scsi0",
    "net0": "virtio=BC:24:11:6A:DF:2A,bridge=vmbr0,firewall=1",
    "serial0": "socket",
    "agent": "enabled=1",
    "ostype": "l26",
    "smbios1": "uuid=11111111-2222-4333-8444-555555555555",
    "description": "a machine",
    "tags": "bl;gpu",
    "ciuser": "ubuntu",
    "cipassword": "$6$salt$hash",
    "sshkeys": encode_ssh_keys(KEY + "\n"),
    "ciupgrade": 0,
    "ipconfig0": "ip=192.0.2.10/24,gw=192.0.2.1",
    "nameserver": "192.0.2.53",
    "hostpci0": "mapping=A4000,pcie=1",
    "hostpci1": "mapping=A4000,pcie=1",
}
BACKUP = "backup:backup/vm/101/2026-11-23T08:00:00Z"
RESTORED: dict[str, str | int] = {
    "name": "web-2",
    "cores": 8,
    "memory": 32768,
    "net0": "virtio=BC:24:11:6A:DF:2B,bridge=vmbr0,firewall=1",
    "smbios1": "uuid=11111111-2222-4333-8444-666666666666",
    "description": "another machine",
    "ipconfig0": "ip=192.0.2.11/24,gw=192.0.2.1",
}
FIREWALL = "/nodes/{node}/qemu/{vmid}/firewall"
RULE: dict[str, str | int] = {
    "type": "in",
    "action": "ACCEPT",
    "proto": "tcp",
    "dport": "80,443,8000:9000",
    "source": "198.51.100.0/24,192.0.2.7",
    "comment": "web",
    "enable": 1,
}
TASK = Upid.parse(UPID)
FILE = Path(__file__)

CALLS: dict[str, tuple[str, Callable[[PveClient], Awaitable[object]]]] = {
    "version": ("GET /version", lambda pve: pve.version()),
    "nodes": ("GET /nodes", lambda pve: pve.nodes()),
    "node_status": ("GET /nodes/{node}/status", lambda pve: pve.node_status()),
    "pci_mappings": ("GET /cluster/mapping/pci", lambda pve: pve.pci_mappings()),
    "permissions": ("GET /access/permissions", lambda pve: pve.permissions()),
    "storages": ("GET /nodes/{node}/storage", lambda pve: pve.storages()),
    "storage_content": (
        "GET /nodes/{node}/storage/{storage}/content",
        lambda pve: pve.storage_content("local", "import"),
    ),
    "storage_status": ("GET /nodes/{node}/storage/{storage}/status", lambda pve: pve.storage_status("local")),
    "upload": (
        "POST /nodes/{node}/storage/{storage}/upload",
        lambda pve: pve.upload("local", "import", "tiny-linux.qcow2", FILE),
    ),
    "delete_volume": (
        "DELETE /nodes/{node}/storage/{storage}/content/{volume}",
        lambda pve: pve.delete_volume("local", "local:import/tiny-linux.qcow2"),
    ),
    "start_backup": ("POST /nodes/{node}/vzdump", lambda pve: pve.start_backup(101, "backup", "web-1 of acme")),
    "backup_volumes": (
        "GET /nodes/{node}/storage/{storage}/content",
        lambda pve: pve.backup_volumes("backup", 101),
    ),
    "volume_attributes": (
        "GET /nodes/{node}/storage/{storage}/content/{volume}",
        lambda pve: pve.volume_attributes("backup", BACKUP),
    ),
    "set_volume_notes": (
        "PUT /nodes/{node}/storage/{storage}/content/{volume}",
        lambda pve: pve.set_volume_notes("backup", BACKUP, "before the upgrade\nof everything"),
    ),
    "restore_vm": (
        "POST /nodes/{node}/qemu",
        lambda pve: pve.restore_vm(102, BACKUP, "local", RESTORED),
    ),
    "vms": ("GET /cluster/resources", lambda pve: pve.vms()),
    "create_vm": ("POST /nodes/{node}/qemu", lambda pve: pve.create_vm(101, MACHINE)),
    "vm_config": ("GET /nodes/{node}/qemu/{vmid}/config", lambda pve: pve.vm_config(101)),
    "update_vm": (
        "PUT /nodes/{node}/qemu/{vmid}/config",
        lambda pve: pve.update_vm(101, {"name": "web-2"}, ["cipassword", "ide2"]),
    ),
    "resize_disk": ("PUT /nodes/{node}/qemu/{vmid}/resize", lambda pve: pve.resize_disk(101, "scsi0", 250)),
    "start": ("POST /nodes/{node}/qemu/{vmid}/status/start", lambda pve: pve.start(101)),
    "stop": ("POST /nodes/{node}/qemu/{vmid}/status/stop", lambda pve: pve.stop(101)),
    "shutdown": ("POST /nodes/{node}/qemu/{vmid}/status/shutdown", lambda pve: pve.shutdown(101, 90)),
    "reset": ("POST /nodes/{node}/qemu/{vmid}/status/reset", lambda pve: pve.reset(101)),
    "renew_cloud_init": ("PUT /nodes/{node}/qemu/{vmid}/cloudinit", lambda pve: pve.renew_cloud_init(101)),
    "agent_interfaces": (
        "GET /nodes/{node}/qemu/{vmid}/agent/network-get-interfaces",
        lambda pve: pve.agent_interfaces(101),
    ),
    "vm_status": ("GET /nodes/{node}/qemu/{vmid}/status/current", lambda pve: pve.vm_status(101)),
    "agent_ping": ("POST /nodes/{node}/qemu/{vmid}/agent/ping", lambda pve: pve.agent_ping(101)),
    "datacenter_firewall": ("GET /cluster/firewall/options", lambda pve: pve.datacenter_firewall()),
    "firewall_options": (f"GET {FIREWALL}/options", lambda pve: pve.firewall_options(101)),
    "set_firewall_options": (
        f"PUT {FIREWALL}/options",
        lambda pve: pve.set_firewall_options(101, {"enable": 1, "ipfilter": 1, "macfilter": 1, "policy_in": "DROP"}),
    ),
    "firewall_rules": (f"GET {FIREWALL}/rules", lambda pve: pve.firewall_rules(101)),
    "add_firewall_rule": (f"POST {FIREWALL}/rules", lambda pve: pve.add_firewall_rule(101, RULE)),
    "change_firewall_rule": (
        f"PUT {FIREWALL}/rules/{{pos}}",
        lambda pve: pve.change_firewall_rule(101, 0, {"moveto": 2, "digest": "a" * 40}),
    ),
    "delete_firewall_rule": (
        f"DELETE {FIREWALL}/rules/{{pos}}",
        lambda pve: pve.delete_firewall_rule(101, 0, "a" * 40),
    ),
    "make_ip_set": (f"POST {FIREWALL}/ipset", lambda pve: pve.make_ip_set(101, "ipfilter-net0")),
    "ip_sets": (f"GET {FIREWALL}/ipset", lambda pve: pve.ip_sets(101)),
    "ip_set": (f"GET {FIREWALL}/ipset/{{name}}", lambda pve: pve.ip_set(101, "ipfilter-net0")),
    "add_to_ip_set": (
        f"POST {FIREWALL}/ipset/{{name}}",
        lambda pve: pve.add_to_ip_set(101, "ipfilter-net0", "192.0.2.10"),
    ),
    "remove_from_ip_set": (
        f"DELETE {FIREWALL}/ipset/{{name}}/{{cidr}}",
        lambda pve: pve.remove_from_ip_set(101, "ipfilter-net0", "192.0.2.10"),
    ),
    "delete_ip_set": (f"DELETE {FIREWALL}/ipset/{{name}}", lambda pve: pve.delete_ip_set(101, "ipfilter-net0")),
    "vncproxy": ("POST /nodes/{node}/qemu/{vmid}/vncproxy", lambda pve: pve.vncproxy(101)),
    "destroy": ("DELETE /nodes/{node}/qemu/{vmid}", lambda pve: pve.destroy(101)),
    "task_status": ("GET /nodes/{node}/tasks/{upid}/status", lambda pve: pve.task_status(TASK)),
    "task_log": ("GET /nodes/{node}/tasks/{upid}/log", lambda pve: pve.task_log(TASK)),
    "stop_task": ("DELETE /nodes/{node}/tasks/{upid}", lambda pve: pve.stop_task(TASK)),
    "running_tasks": ("GET /nodes/{node}/tasks", lambda pve: pve.running_tasks(101)),
}
# `wait` sends nothing of its own, and neither does closing.
SEND_NOTHING = {"wait", "aclose"}
# Judged where there is a server that speaks it.
WEBSOCKETS = {"vncwebsocket"}


def test_every_method_is_judged() -> None:
    methods = {name for name, _ in inspect.getmembers(PveClient, inspect.iscoroutinefunction) if name[0] != "_"}
    assert methods == set(CALLS) | SEND_NOTHING | WEBSOCKETS


@pytest.mark.parametrize("method", CALLS)
async def test_the_server_allows(method: str) -> None:
    server = JudgingServer()
    operation, call = CALLS[method]
    async with client_of(server) as pve:
        await call(pve)
    assert server.problems == []
    assert server.seen == [operation]


async def sent(call: Callable[[PveClient], Awaitable[object]]) -> dict[str, str]:
    """The parameters of the one request that `call` makes."""
    server = JudgingServer()
    async with client_of(server) as pve:
        await call(pve)
    (parameters,) = server.parameters
    return parameters


async def test_a_machine_is_created_as_asked() -> None:
    parameters = await sent(lambda pve: pve.create_vm(101, MACHINE))
    assert parameters == {"vmid": "101", **{name: str(value) for name, value in MACHINE.items()}}


async def test_ssh_keys_are_encoded_as_recorded() -> None:
    expected = recorded("lifecycle", "create").parameters["sshkeys"]
    assert encode_ssh_keys(f"  {KEY} \r\n\n") == expected
    assert encode_ssh_keys(f"{KEY}\n{KEY}\n") == f"{expected}%0A{expected}"


async def test_removing_a_machine_removes_what_mentions_it() -> None:
    assert await sent(lambda pve: pve.destroy(101)) == {"purge": "1", "destroy-unreferenced-disks": "1"}


async def test_options_are_set_and_taken_away_in_one_call() -> None:
    parameters = await sent(lambda pve: pve.update_vm(101, {"cores": 2, "onboot": True}, ["cipassword", "tags"]))
    assert parameters == {"cores": "2", "onboot": "1", "delete": "cipassword,tags"}


async def test_a_disk_grows_to_whole_gibibytes() -> None:
    assert await sent(lambda pve: pve.resize_disk(101, "scsi0", 250)) == {"disk": "scsi0", "size": "250G"}


async def test_a_log_is_read_in_parts() -> None:
    assert await sent(lambda pve: pve.task_log(TASK, start=500, limit=100)) == {"start": "500", "limit": "100"}


async def test_running_tasks_of_all_machines() -> None:
    assert await sent(lambda pve: pve.running_tasks()) == {"source": "active"}


async def test_a_backup_leaves_older_ones_and_says_what_it_is_of() -> None:
    assert await sent(lambda pve: pve.start_backup(101, "backup", "web-1 {{vmid}} \\n")) == {
        "vmid": "101",
        "storage": "backup",
        "mode": "snapshot",
        "compress": "zstd",
        "remove": "0",
        "notes-template": "web-1 ((vmid)) /n",
    }


@pytest.mark.parametrize("archive", ["", " ", "-"])
async def test_a_machine_is_never_restored_from_nothing(archive: str) -> None:
    server = JudgingServer()
    async with client_of(server) as pve:
        with pytest.raises(ValueError, match="from a volume"):
            await pve.restore_vm(101, archive, "local", {})
    assert server.seen == []


async def test_a_restore_replaces_no_machine() -> None:
    parameters = await sent(lambda pve: pve.restore_vm(102, BACKUP, "local", RESTORED))
    assert parameters == {
        "vmid": "102",
        "archive": BACKUP,
        "storage": "local",
        **{name: str(value) for name, value in RESTORED.items()},
    }
