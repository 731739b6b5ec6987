"""Archives of the early user space, in the kernel's `newc` format."""

import stat
from dataclasses import dataclass, field

_TRAILER = "TRAILER!!!"


@dataclass
class Initramfs:
    """Files, directories and device nodes, all root's, with no time of their own."""

    _parts: list[bytes] = field(default_factory=list)

    def directory(self, path: str) -> None:
        """An empty directory, mode 0755."""
        self._add(path, stat.S_IFDIR | 0o755)

    def file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """A regular file."""
        self._add(path, stat.S_IFREG | mode, content)

    def character_device(self, path: str, major: int, minor: int) -> None:
        """A node such as the console, which the kernel opens before anything is mounted."""
        self._add(path, stat.S_IFCHR | 0o600, device=(major, minor))

    def archive(self) -> bytes:
        """The finished archive, uncompressed."""
        end = _entry(len(self._parts) + 1, _TRAILER, 0, b"", (0, 0))
        return b"".join((*self._parts, end))

    def _add(self, path: str, mode: int, content: bytes = b"", device: tuple[int, int] = (0, 0)) -> None:
        self._parts.append(_entry(len(self._parts) + 1, path, mode, content, device))


def _entry(inode: int, path: str, mode: int, content: bytes, device: tuple[int, int]) -> bytes:
    name = path.encode() + b"\0"
    # inode, mode, uid, gid, links, mtime, size, device of the file (2), device it is (2), name's length, checksum
    fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % value for value in fields)
    return _padded(header + name) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
