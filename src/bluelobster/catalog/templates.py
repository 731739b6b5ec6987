"""Templates: operating systems that a machine can be made from, and the hosts that have their image."""

from dataclasses import dataclass
from typing import Any, Literal

from psycopg.rows import class_row

from bluelobster.db.pool import Tx

OsType = Literal["linux", "windows"]


@dataclass(frozen=True)
class Template:
    """What a template promises; what it says, the guest must be. `ostype` is Proxmox's word for the system, where it
    is not its family's usual one."""

    name: str
    display_name: str
    os_type: OsType
    has_docker: bool
    has_nvidia_driver: bool
    has_agent: bool
    min_disk_gb: int
    default_username: str
    ostype: str | None = None
    uefi: bool = False
    tpm: bool = False
    has_cloud_init: bool = True


# The templates that the contract and we ourselves know by name; an operator provides their images.
KNOWN: dict[str, Template] = {
    template.name: template
    for template in (
        Template(
            "TINY-LINUX",
            "Tiny Linux (Debian kernel, BusyBox)",
            "linux",
            False,
            False,
            True,
            1,
            "lobster",
            has_cloud_init=False,
        ),
        Template("DEBIAN-12", "Debian 12", "linux", False, False, True, 4, "debian"),
        Template("UBUNTU-22-04", "Ubuntu 22.04", "linux", False, False, True, 10, "ubuntu"),
        Template("UBUNTU-22-04-NV", "Ubuntu 22.04 with NVIDIA drivers", "linux", True, True, True, 40, "ubuntu"),
        Template("WIN10", "Windows 10", "windows", False, False, True, 40, "bluelobster"),
    )
}

COLUMNS = """name, display_name, os_type, has_docker, has_nvidia_driver, has_agent, min_disk_gb, default_username,
             ostype, uefi, tpm, has_cloud_init"""


async def save_template(tx: Tx, template: Template) -> None:
    """Add a template or change what it promises."""
    await tx.execute(
        f"""insert into templates ({COLUMNS})
            values (%(name)s, %(display_name)s, %(os_type)s, %(has_docker)s, %(has_nvidia_driver)s, %(has_agent)s,
                    %(min_disk_gb)s, %(default_username)s, %(ostype)s, %(uefi)s, %(tpm)s,
                    %(has_cloud_init)s)
            on conflict (name) do update set
              display_name = excluded.display_name, os_type = excluded.os_type, has_docker = excluded.has_docker,
              has_nvidia_driver = excluded.has_nvidia_driver, has_agent = excluded.has_agent,
              min_disk_gb = excluded.min_disk_gb, default_username = excluded.default_username,
              ostype = excluded.ostype, uefi = excluded.uefi, tpm = excluded.tpm,
              has_cloud_init = excluded.has_cloud_init, hidden = false""",
        vars(template),
    )


async def place_image(tx: Tx, template: str, host_id: str, volume: str) -> None:
    """Note that a host holds a template's image, under the storage's name of it."""
    await tx.execute(
        """insert into host_templates (host_id, template, volume) values (%s, %s, %s)
           on conflict (host_id, template) do update set volume = excluded.volume""",
        (host_id, template, volume),
    )


async def hide_template(tx: Tx, name: str, hidden: bool) -> bool:
    """Offer a template no longer, or again; instances made from it keep their name for it. False where it is so
    already, and for an unknown one."""
    done = await tx.execute("update templates set hidden = %s where name = %s and hidden <> %s", (hidden, name, hidden))
    return done.rowcount == 1


@dataclass(frozen=True)
class Kept:
    """A template that was ever offered, and the hosts that have its image."""

    name: str
    display_name: str
    os_type: OsType
    min_disk_gb: int
    hidden: bool
    hosts: list[str]


async def every_template(tx: Tx) -> list[Kept]:
    """Those that are offered, and those that are not."""
    async with tx.cursor(row_factory=class_row(Kept)) as cursor:
        await cursor.execute(
            """select name, display_name, os_type, min_disk_gb, hidden,
                      array(select host_id from host_templates h where h.template = t.name order by 1) as hosts
               from templates t order by name"""
        )
        return await cursor.fetchall()


async def find_template(tx: Tx, name: str) -> Template | None:
    """An offered template that at least one host has the image of."""
    async with tx.cursor(row_factory=class_row(Template)) as cursor:
        await cursor.execute(
            f"""select {COLUMNS} from templates t where name = %s and not hidden
                  and exists (select from host_templates h where h.template = t.name)""",
            (name,),
        )
        return await cursor.fetchone()


async def list_templates(tx: Tx) -> list[Template]:
    """What can be launched: offered, and with an image on at least one host."""
    async with tx.cursor(row_factory=class_row(Template)) as cursor:
        await cursor.execute(
            f"""select {COLUMNS} from templates t where not hidden
                  and exists (select from host_templates h where h.template = t.name) order by name"""
        )
        return await cursor.fetchall()


def template_view(template: Template) -> dict[str, Any]:
    """A template as the API shows it."""
    inside = {"has_agent", "ostype", "uefi", "tpm", "has_cloud_init"}
    return {name: value for name, value in vars(template).items() if name not in inside}
