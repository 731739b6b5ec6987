"""Calls about storages and the files in them."""

from pathlib import Path
from typing import Literal

from bluelobster.pve.calls import Calls, optional_upid_of
from bluelobster.pve.fields import mapping, mappings
from bluelobster.pve.types import Storage, Volume
from bluelobster.pve.upid import Upid
from bluelobster.pve.upload import upload_body


class StorageCalls(Calls):
    """A storage is named without its node: the client's own node is asked."""

    async def storages(self) -> list[Storage]:
        """The storages that the node uses."""
        return [Storage.parse(fields) for fields in mappings(await self._transport.get(self._path("storage")))]

    async def storage_status(self, storage: str) -> Storage:
        """Whether a storage answers, and how much room it has. Raises StorageNotFound."""
        answer = mapping(await self._transport.get(self._path("storage", storage, "status")))
        return Storage.parse({**answer, "storage": storage})

    async def storage_content(self, storage: str, content: str) -> list[Volume]:
        """The volumes of one kind, such as `import`, `iso`, `images` or `backup`. Raises StorageNotFound."""
        answer = await self._transport.get(self._path("storage", storage, "content"), {"content": content})
        return [Volume.parse(fields) for fields in mappings(answer)]

    async def upload(self, storage: str, content: Literal["import", "iso"], filename: str, path: Path) -> Upid | None:
        """Send a file, which becomes `STORAGE:CONTENT/FILENAME`; one of that name is replaced.

        The task moves it into place. Raises OSError when the file cannot be read.
        """
        answer = await self._transport.upload(
            self._path("storage", storage, "upload"), upload_body(content, filename, path)
        )
        return optional_upid_of(answer)

    async def delete_volume(self, storage: str, volid: str) -> Upid | None:
        """Remove a volume; one that is gone already is no error."""
        return optional_upid_of(await self._transport.delete(self._path("storage", storage, "content", volid)))
