"""Templates: their images come from a file, from a URL with a checksum, or are built here."""

import asyncio
import dataclasses
import re
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click

from bluelobster.admin.session import Wrong, found, run, show
from bluelobster.catalog.host_records import get_host
from bluelobster.catalog.hosts import Host, list_hosts
from bluelobster.catalog.images import BadImage, downloaded, provide
from bluelobster.catalog.template_images import must_have_image, withdraw_image
from bluelobster.catalog.templates import KNOWN, OsType, Template, hide_template, list_templates, place_image
from bluelobster.db.pool import transaction
from bluelobster.parts import Parts

BUILT = ("DEBIAN-12", "TINY-LINUX")
SHA256 = re.compile(r"[0-9a-fA-F]{64}")
NAME = re.compile(r"[A-Z0-9-]+")
OSTYPES = ("l26", "win7", "win8", "win10", "win11", "other")


@click.group()
def template() -> None:
    """Operating systems to launch machines with."""


@template.command("add")
@click.argument("name")
@click.option(
    "--file", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A qcow2 or raw image"
)
@click.option("--url", help="An https URL of one")
@click.option("--sha256", help="Checksum of what the URL gives")
@click.option("--build", is_flag=True, help="Build it here, from Debian's packages (DEBIAN-12, TINY-LINUX)")
@click.option("--host", "hosts", multiple=True, help="Only on this host; may be given several times")
@click.option("--display-name")
@click.option("--os-type", type=click.Choice(["linux", "windows"]))
@click.option("--min-disk-gb", type=click.IntRange(1))
@click.option("--default-username")
@click.option("--docker/--no-docker", "has_docker", default=None)
@click.option("--nvidia/--no-nvidia", "has_nvidia_driver", default=None)
@click.option("--agent/--no-agent", "has_agent", default=None, help="Whether the guest agent is in it")
@click.option("--ostype", type=click.Choice(OSTYPES), help="Proxmox's word for it (default: l26 or win10)")
@click.option("--uefi/--bios", "uefi", default=None, help="What the image boots with")
@click.option("--tpm/--no-tpm", "tpm", default=None, help="Whether it needs a TPM; goes with --uefi")
def add_template(
    name: str,
    file: Path | None,
    url: str | None,
    sha256: str | None,
    build: bool,
    hosts: tuple[str, ...],
    **said: object,
) -> None:
    """Offer a template, and bring its image to the hosts.

    The catalogue's own names (TINY-LINUX, DEBIAN-12, UBUNTU-22-04, UBUNTU-22-04-NV, WIN10) need nothing more than an
    image; any other name needs --display-name, --os-type, --min-disk-gb and --default-username.
    """
    if sum((file is not None, url is not None, build)) != 1:
        raise Wrong("give one of --file, --url and --build")
    if (url is None) != (sha256 is None):
        raise Wrong("--url and --sha256 go together: without a checksum nobody knows what was fetched")
    if sha256 is not None and not SHA256.fullmatch(sha256):
        raise Wrong("--sha256 takes 64 hexadecimal digits, as sha256sum prints them")
    if build and name not in BUILT:
        raise Wrong(f"only {' and '.join(BUILT)} can be built here: give an image of {name} by --file or --url")
    new = described(name, {key: value for key, value in said.items() if value is not None})

    async def action(parts: Parts) -> None:
        async with parts.pool.connection() as connection:
            chosen = chosen_hosts(await list_hosts(connection), hosts)
        try:
            async with image_of(name, file, url, sha256) as image:
                await provide(parts.pool, parts.connections, new, image, chosen)
        except BadImage as error:
            raise Wrong(str(error)) from error
        click.echo(f"template {name} is offered on {', '.join(host.id for host in chosen)}")

    run(action)


def described(name: str, said: dict[str, object]) -> Template:
    """What a template promises: the catalogue's words, changed by what was said. Raises Wrong."""
    if not NAME.fullmatch(name):
        raise Wrong("the name of a template has capital letters, digits and hyphens only")
    if said.get("tpm") and not said.get("uefi"):
        raise Wrong("--tpm goes with --uefi")
    known = KNOWN.get(name)
    if known is not None:
        return dataclasses.replace(known, **said)  # type: ignore[arg-type]
    needed = {"display_name", "os_type", "min_disk_gb", "default_username"}
    if missing := sorted(needed - said.keys()):
        raise Wrong(
            f"{name} is not a name of the catalogue: give {', '.join('--' + m.replace('_', '-') for m in missing)}"
        )
    os_type: OsType = "windows" if said["os_type"] == "windows" else "linux"
    return Template(
        name=name,
        display_name=str(said["display_name"]),
        os_type=os_type,
        has_docker=bool(said.get("has_docker", False)),
        has_nvidia_driver=bool(said.get("has_nvidia_driver", False)),
        has_agent=bool(said.get("has_agent", True)),
        min_disk_gb=int(str(said["min_disk_gb"])),
        default_username=str(said["default_username"]),
        ostype=None if said.get("ostype") is None else str(said["ostype"]),
        uefi=bool(said.get("uefi", False)),
        tpm=bool(said.get("tpm", False)),
    )


def chosen_hosts(hosts: list[Host], wanted: tuple[str, ...]) -> list[Host]:
    """The hosts that were named, or all. Raises Wrong."""
    by_name = {host.id: host for host in hosts}
    for name in wanted:
        found(f"host {name}", name in by_name)
    chosen = [by_name[name] for name in wanted] if wanted else hosts
    if not chosen:
        raise Wrong("there is no host yet: add one with `bluelobster admin host add`")
    return chosen


@asynccontextmanager
async def image_of(name: str, file: Path | None, url: str | None, sha256: str | None) -> AsyncIterator[Path]:
    """The image as a file, wherever it comes from."""
    if file is not None:
        yield file
    elif url is not None and sha256 is not None:
        async with downloaded(url, sha256) as image:
            yield image
    else:
        with tempfile.TemporaryDirectory(prefix="bluelobster-image-") as folder:
            image = Path(folder, "image.qcow2")
            await build_image(name, image)
            yield image


async def build_image(name: str, image: Path) -> None:
    """Build one of the node's own images, in a process of its own. Raises BadImage."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "pvelocal.images", "build", name, "--out", str(image)
    )
    if await process.wait() != 0:
        raise BadImage(f"{name} could not be built")


@template.command("list")
def show_templates() -> None:
    """Show what can be launched."""

    async def action(parts: Parts) -> None:
        async with parts.pool.connection() as connection:
            templates = await list_templates(connection)
        show(
            ("name", "display name", "os", "min disk GB", "user"),
            [(t.name, t.display_name, t.os_type, t.min_disk_gb, t.default_username) for t in templates],
        )

    run(action)


@template.command("withdraw")
@click.argument("name")
def withdraw(name: str) -> None:
    """Offer a template no longer; machines made from it stay."""

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            found(f"template {name} on offer", await hide_template(tx, name, True))
        click.echo(f"template {name} is no longer offered")

    run(action)


@template.command("offer")
@click.argument("name")
def offer(name: str) -> None:
    """Offer a template again that was withdrawn."""

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            found(f"withdrawn template {name}", await hide_template(tx, name, False))
        click.echo(f"template {name} is offered again")

    run(action)


@template.command("place")
@click.argument("name")
@click.argument("host")
@click.argument("volume")
def place(name: str, host: str, volume: str) -> None:
    """Make machines from a template on a HOST, from an image that is in its storage already (local:import/x.qcow2)."""

    async def action(parts: Parts) -> None:
        async with parts.pool.connection() as connection:
            known = await get_host(connection, host)
        await must_have_image(await parts.connections.to_host(known), known, volume)
        async with transaction(parts.pool) as tx:
            await place_image(tx, name, host, volume)
        click.echo(f"template {name} is offered on {host}")

    run(action)


@template.command("displace")
@click.argument("name")
@click.argument("host")
def displace(name: str, host: str) -> None:
    """Make no machines from a template on a HOST any more; the image stays."""

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            found(f"template {name} on {host}", await withdraw_image(tx, name, host))
        click.echo(f"template {name} is not offered on {host} any more")

    run(action)
