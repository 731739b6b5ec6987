"""Backups of a local node's guests, for tests: made, listed, restored and removed through its API."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

NODE = "/nodes/px1"
CONTENT = f"{NODE}/storage/backup/content"
MIB = 1 << 20


def disk_of(client: Any, vmid: int) -> Path:
    """The first disk of a machine."""
    return Path(client.running.node.settings.data / f"images/{vmid}/vm-{vmid}-disk-0.qcow2")


def chunks(client: Any) -> set[str]:
    """The digests of all chunks that are kept."""
    return {path.name for path in client.running.node.settings.data.glob("backups/chunks/*/*")}


async def dump(client: Any, vmid: int | str = 101, **options: Any) -> tuple[str, list[str]]:
    """How a backup ends, and its log."""
    parameters = {"vmid": vmid, "storage": "backup", **options}
    upid = (await client.call("POST", f"{NODE}/vzdump", **parameters)).json()["data"]
    return await client.end_of(upid), list(client.running.node.tasks.get(upid).lines)


async def back_up(client: Any, vmid: int = 101, **options: Any) -> list[str]:
    """The log of a backup that succeeds."""
    status, lines = await dump(client, vmid, **options)
    assert status == "OK", lines
    return lines


async def listed(client: Any, **filters: Any) -> list[dict[str, Any]]:
    """All backups, or some, the oldest first."""
    entries: list[dict[str, Any]] = await client.get(CONTENT, content="backup", **filters)
    return sorted(entries, key=lambda entry: int(entry["ctime"]))


def volume(volid: str) -> str:
    """The path of a backup."""
    return f"{CONTENT}/{quote(volid, safe='')}"


async def restore(client: Any, vmid: int, volid: str, **options: Any) -> str:
    """How a restore ends."""
    return str(await client.act("POST", f"{NODE}/qemu", vmid=vmid, archive=volid, **options))


async def remove(client: Any, volid: str) -> str:
    """How the removal of a backup ends."""
    return str(await client.act("DELETE", volume(volid)))
