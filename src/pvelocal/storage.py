"""Directory storages: the volumes in them, and where each kind lies on disk."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pvelocal.errors import ApiError, bad_parameters, failed

CONTENT_DIRECTORIES = {"iso": "template/iso", "import": "import"}
"""Where a directory storage keeps uploaded files, by content."""

_EXTENSIONS = {
    "iso": re.compile(r"[^/]+\.(?:iso|img)", re.IGNORECASE),
    "import": re.compile(r"[a-zA-Z0-9_.\-+=]+\.(?:ova|ovf|qcow2|raw|vmdk)"),
}
_IMAGE = re.compile(r"(?P<owner>\d+)/[^/.][^/]*\.(?:raw|qcow2|vmdk)")
_DISK_NUMBER = re.compile(r"vm-\d+-disk-(\d+)\.")


@dataclass(frozen=True)
class Volume:
    """A volume by its id. `owner` is the VM that an image belongs to."""

    storage: "Storage"
    content: str
    name: str
    owner: int | None = None

    @property
    def volid(self) -> str:
        """`storage:name`."""
        return f"{self.storage.name}:{self.name}"

    @property
    def format(self) -> str:
        """The format, which is the file's extension."""
        return "iso" if self.content == "iso" else self.path.suffix.removeprefix(".")

    @property
    def path(self) -> Path:
        """The file."""
        if self.content == "images":
            return self.storage.path / "images" / self.name
        return self.storage.path / CONTENT_DIRECTORIES[self.content] / self.name.partition("/")[2]


@dataclass(frozen=True)
class Storage:
    """A storage of type `dir`."""

    type: ClassVar[str] = "dir"
    name: str
    path: Path
    content: tuple[str, ...] = ("images", "import", "iso")
    prune_backups: str | None = None

    def prepare(self) -> None:
        """Make its directories, and remove disks that a node that died left half-made."""
        for directory in ("images", *CONTENT_DIRECTORIES.values()):
            (self.path / directory).mkdir(parents=True, exist_ok=True)
        for partial in self.path.glob("images/*/.*.partial"):
            partial.unlink()

    def volume(self, name: str) -> Volume:
        """The volume called `name` (`101/vm-101-disk-0.qcow2`, `iso/boot.iso`); ApiError when that is no name."""
        kind, _, file = name.partition("/")
        if kind in CONTENT_DIRECTORIES and _EXTENSIONS[kind].fullmatch(file):
            return Volume(self, kind, name)
        match = _IMAGE.fullmatch(name)
        if match is None:
            raise failed(f"unable to parse directory volume name '{name}'")
        return Volume(self, "images", name, owner=int(match["owner"]))

    def upload_target(self, content: str, filename: str) -> Volume:
        """The volume that a file uploaded as `filename` becomes; ApiError 400 for a wrong extension."""
        name = filename.replace("\\", "/").rpartition("/")[2]
        name = re.sub(r"[^a-zA-Z0-9_.\-+=]", "_", name)
        if name.startswith(".") or content not in _EXTENSIONS or _EXTENSIONS[content].fullmatch(name) is None:
            raise bad_parameters({"filename": "wrong file extension"})
        return Volume(self, content, f"{content}/{name}")

    def new_image(self, vmid: int, suffix: str) -> Volume:
        """A free name for another disk of a VM."""
        directory = self.path / "images" / str(vmid)
        files = {path.name for path in directory.iterdir()} if directory.exists() else set()
        matches = (_DISK_NUMBER.match(name) for name in files)
        numbers = {int(match[1]) for match in matches if match}
        number = next(index for index in range(len(numbers) + 1) if index not in numbers)
        return Volume(self, "images", f"{vmid}/vm-{vmid}-disk-{number}.{suffix}", owner=vmid)

    def volumes(self) -> Iterator[Volume]:
        """Every volume in it."""
        for content, directory in CONTENT_DIRECTORIES.items():
            for path in sorted((self.path / directory).iterdir()):
                if _EXTENSIONS[content].fullmatch(path.name) and not path.name.startswith("."):
                    yield Volume(self, content, f"{content}/{path.name}")
        for directory_path in sorted((self.path / "images").iterdir()):
            if directory_path.name.isdigit():
                yield from self.images(int(directory_path.name))

    def images(self, vmid: int) -> Iterator[Volume]:
        """The disks that belong to a VM, referenced or not."""
        directory = self.path / "images" / str(vmid)
        if not directory.exists():
            return
        for path in sorted(directory.iterdir()):
            if _IMAGE.fullmatch(f"{vmid}/{path.name}"):
                yield Volume(self, "images", f"{vmid}/{path.name}", owner=vmid)


class Storages:
    """The storages of the node by name."""

    def __init__(self, storages: tuple[Storage, ...]) -> None:
        self._storages = {storage.name: storage for storage in storages}
        for storage in storages:
            storage.prepare()

    def __iter__(self) -> Iterator[Storage]:
        return iter(self._storages.values())

    def get(self, name: str) -> Storage:
        """A storage by name; ApiError when there is none."""
        storage = self._storages.get(name)
        if storage is None:
            raise failed(f"storage '{name}' does not exist")
        return storage

    def volume(self, volid: str) -> Volume:
        """A volume by its id; ApiError when the id makes no sense."""
        storage, _, name = volid.partition(":")
        return self.get(storage).volume(name)

    def existing(self, volid: str) -> Volume:
        """A volume by its id; ApiError when it does not exist."""
        volume = self.volume(volid)
        if not volume.path.exists():
            raise ApiError(f"volume '{volid}' does not exist\n")
        return volume
