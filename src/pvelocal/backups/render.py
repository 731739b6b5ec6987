"""A VM's configuration as the file that is kept in a backup."""

from collections.abc import Iterator

from pvelocal.backups.index import Backup


def render_config(backup: Backup) -> str:
    """Its lines; the last ones say what each disk was an image of."""
    return "".join(f"{line}\n" for line in _lines(backup))


def _lines(backup: Backup) -> Iterator[str]:
    for name, value in sorted(backup.config.items()):
        if name == "description":
            yield from (f"#{line}" for line in str(value).splitlines())
        else:
            yield f"{name}: {value}"
    for disk in backup.disks:
        yield f"#qmdump#map:{disk.slot}:drive-{disk.slot}:{disk.storage}:{disk.format}:"
