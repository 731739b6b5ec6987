"""Calls about backups: making them, the volumes they become, and machines made from them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bluelobster.pve import diagnosis
from bluelobster.pve.calls import Calls, optional_upid_of, upid_of
from bluelobster.pve.errors import PveError, TaskFailed
from bluelobster.pve.fields import Fields, flag, integer, mapping, mappings, optional_text, text
from bluelobster.pve.upid import Upid

_FAILURE = re.compile(r"ERROR: Backup of VM \d+ failed - (?P<reason>.*)")
# `{{` begins a variable of the template, and `\` escapes.
_UNFIT = str.maketrans({"{": "(", "}": ")", "\\": "/"})


@dataclass(frozen=True)
class BackupVolume:
    """A backup in a storage. `created_at` is Unix time, `size_bytes` what the storage says it would take without
    de-duplication. A directory storage lists only the first line of the notes."""

    volid: str
    vmid: int | None
    created_at: int
    size_bytes: int
    format: str
    notes: str
    protected: bool

    @classmethod
    def parse(cls, fields: Fields) -> "BackupVolume":
        return cls(
            volid=text(fields, "volid"),
            vmid=None if fields.get("vmid") is None else integer(fields, "vmid"),
            created_at=integer(fields, "ctime"),
            size_bytes=integer(fields, "size", 0),
            format=text(fields, "format"),
            notes=optional_text(fields, "notes") or "",
            protected=flag(fields, "protected"),
        )


@dataclass(frozen=True)
class VolumeAttributes:
    """What a storage says of one volume: all of its notes."""

    size_bytes: int
    format: str
    notes: str
    protected: bool

    @classmethod
    def parse(cls, fields: Fields) -> "VolumeAttributes":
        return cls(
            size_bytes=integer(fields, "size", 0),
            format=text(fields, "format"),
            notes=optional_text(fields, "notes") or "",
            protected=flag(fields, "protected"),
        )


class BackupCalls(Calls):
    """A storage is named without its node: the client's own node is asked."""

    async def start_backup(self, vmid: int, storage: str, notes: str) -> Upid | None:
        """Back a machine up to a storage, while it runs if it runs; older backups stay. None where there was nothing to
        do, as for a machine that lives on another node.

        The task fails with `job errors` whatever went wrong: `backup_failure` reads the reason from its log.
        """
        options: dict[str, str | int] = {
            "vmid": vmid,
            "storage": storage,
            "mode": "snapshot",
            "compress": "zstd",
            "remove": 0,
            "notes-template": notes.translate(_UNFIT),
        }
        answer = await self._transport.post(self._path("vzdump"), options)
        return None if answer == "OK" else optional_upid_of(answer)

    async def backup_volumes(self, storage: str, vmid: int | None = None) -> list[BackupVolume]:
        """The backups in a storage, of one machine or of all; those that are still being made are not among them.
        Raises StorageNotFound, StorageUnavailable."""
        only: dict[str, str | int] = {} if vmid is None else {"vmid": vmid}
        answer = await self._transport.get(self._path("storage", storage, "content"), {"content": "backup", **only})
        return [BackupVolume.parse(fields) for fields in mappings(answer)]

    async def volume_attributes(self, storage: str, volid: str) -> VolumeAttributes:
        """Size, notes and protection of one volume. Raises VolumeNotFound, StorageNotFound, StorageUnavailable."""
        answer = await self._transport.get(self._path("storage", storage, "content", volid))
        return VolumeAttributes.parse(mapping(answer))

    async def set_volume_notes(self, storage: str, volid: str, notes: str) -> None:
        """Replace the notes of a backup. Raises VolumeNotFound, StorageUnavailable."""
        await self._transport.put(self._path("storage", storage, "content", volid), {"notes": notes}, repeatable=True)

    async def restore_vm(self, vmid: int, archive: str, storage: str, options: Mapping[str, str | int]) -> Upid:
        """Make a machine from a backup, its disks in `storage`; an existing one is never replaced. `options` override
        what the backup says, except for drives. Raises ValueError for an empty archive, VmExists, VolumeNotFound,
        InvalidParameter. A task that fails may leave a machine without any configuration behind.
        """
        # To the server an empty archive means: make a blank machine.
        if not archive.strip() or ":" not in archive:
            raise ValueError("a machine is restored from a volume of a storage")
        parameters = {**options, "vmid": vmid, "archive": archive, "storage": storage}
        return upid_of(await self._transport.post(self._path("qemu"), parameters))


def backup_failure(error: PveError, log: Sequence[str]) -> PveError:
    """Why a backup's task failed, which its log tells; the exit status says only that it did."""
    if type(error) is not TaskFailed:
        return error
    reasons = [found["reason"] for line in log if (found := _FAILURE.search(line))]
    return diagnosis.exit_error(reasons[-1]) if reasons else error
