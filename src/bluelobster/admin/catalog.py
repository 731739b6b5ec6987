"""Regions, GPUs and instance types."""

import click

from bluelobster.admin.replacing import outcome, replace_option
from bluelobster.admin.session import Wrong, found, run, show
from bluelobster.billing.prices import set_type_price
from bluelobster.catalog.gpus import (
    GpuModel,
    list_gpus,
    must_have_mappings,
    remove_gpu,
    remove_gpu_model,
    save_gpu,
    save_gpu_model,
)
from bluelobster.catalog.hosts import find_host
from bluelobster.catalog.regions import Region, list_regions, remove_region, save_region
from bluelobster.catalog.types import InstanceType, list_types, retire_type, save_type
from bluelobster.db.pool import transaction
from bluelobster.parts import Parts


@click.group()
def region() -> None:
    """Where machines can be had."""


@region.command("add")
@click.argument("name")
@click.option("--description", required=True)
@click.option("--city", required=True)
@click.option("--state", required=True)
@click.option("--country", required=True)
@replace_option
def add_region(name: str, description: str, city: str, state: str, country: str, replace: bool) -> None:
    """Add a region, or with --replace change what is said of it."""
    place = Region(name, description, city, state, country)

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            before = {each.name: each for each in await list_regions(tx)}.get(name)
            said = outcome(f"region {name}", before, place, replace)
            await save_region(tx, place)
        click.echo(said)

    run(action)


@region.command("list")
def show_regions() -> None:
    """Show all regions."""

    async def action(parts: Parts) -> None:
        async with parts.pool.connection() as connection:
            regions = await list_regions(connection)
        show(("name", "description", "city", "state", "country"), [tuple(vars(each).values()) for each in regions])

    run(action)


@region.command("remove")
@click.argument("name")
def forget_region(name: str) -> None:
    """Forget a region that nothing ever was in."""

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            found(f"region {name}", await remove_region(tx, name))
        click.echo(f"region {name} removed")

    run(action)


@click.group()
def gpu() -> None:
    """GPU models, and the devices that hosts have."""


@gpu.command("model")
@click.argument("name")
@click.option("--marketing", required=True, help='As instances show it, such as "RTX A4000"')
@click.option("--description", required=True, help='As types show it, such as "NVIDIA RTX A4000 (16GB VRAM)"')
def add_model(name: str, marketing: str, description: str) -> None:
    """Add a GPU model, or change what is said of it."""

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            await save_gpu_model(tx, GpuModel(name, marketing, description))
        click.echo(f"model {name} saved")

    run(action)


@gpu.command("add")
@click.argument("host")
@click.argument("model")
@click.argument("mappings", nargs=-1, required=True)
def add_gpus(host: str, model: str, mappings: tuple[str, ...]) -> None:
    """Add devices to a host: one resource mapping of Proxmox for each."""

    async def action(parts: Parts) -> None:
        async with parts.pool.connection() as connection:
            found(f"host {host}", await find_host(connection, host))
        await must_have_mappings(await parts.connections.to(host), host, mappings)
        async with transaction(parts.pool) as tx:
            for mapping in mappings:
                await save_gpu(tx, host, model, mapping)
        click.echo(f"{len(mappings)} {model} saved on {host}")

    run(action)


@gpu.command("remove")
@click.argument("host")
@click.argument("mapping")
def forget_gpu(host: str, mapping: str) -> None:
    """Forget a device that no machine has."""

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            found(f"GPU {mapping} on {host}", await remove_gpu(tx, host, mapping))
        click.echo(f"GPU {mapping} of {host} removed")

    run(action)


@gpu.command("remove-model")
@click.argument("name")
def forget_model(name: str) -> None:
    """Forget a model that nothing is of."""

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            found(f"model {name}", await remove_gpu_model(tx, name))
        click.echo(f"model {name} removed")

    run(action)


@gpu.command("list")
def show_gpus() -> None:
    """Show all devices and who has them."""

    async def action(parts: Parts) -> None:
        async with parts.pool.connection() as connection:
            gpus = await list_gpus(connection)
        show(("host", "mapping", "model", "instance"), [(g.host_id, g.mapping, g.model, g.instance_id) for g in gpus])

    run(action)


@click.group("type")
def type_() -> None:
    """Sizes and their prices."""


@type_.command("add")
@click.argument("name")
@click.option("--description", required=True)
@click.option("--cents", type=click.IntRange(0), required=True, help="Price in cents an hour")
@click.option("--vcpus", type=click.IntRange(1), required=True)
@click.option("--memory-gb", type=click.IntRange(1), required=True)
@click.option("--disk-gb", type=click.IntRange(1), required=True)
@click.option("--gpus", type=click.IntRange(0), default=0)
@click.option("--gpu-model", default=None)
@click.option("--gpu-description", default="N/A - CPU Only")
@replace_option
def add_type(
    name: str,
    description: str,
    cents: int,
    vcpus: int,
    memory_gb: int,
    disk_gb: int,
    gpus: int,
    gpu_model: str | None,
    gpu_description: str,
    replace: bool,
) -> None:
    """Add a type, or with --replace change it for machines launched from now on."""
    if (gpus == 0) != (gpu_model is None):
        raise Wrong("--gpus and --gpu-model go together")
    kind = InstanceType(name, description, gpu_description, cents, vcpus, memory_gb, disk_gb, gpus, gpu_model)

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            before = {each.name: each for each in await list_types(tx, parts.clock.now())}.get(name)
            said = outcome(f"type {name}", before, kind, replace)
            await save_type(tx, kind)
            await set_type_price(tx, name, cents, parts.clock.now())
        click.echo(said)

    run(action)


@type_.command("list")
def show_types() -> None:
    """Show all types on sale."""

    async def action(parts: Parts) -> None:
        async with parts.pool.connection() as connection:
            types = await list_types(connection, parts.clock.now())
        show(
            ("name", "cents/h", "vcpus", "memory GB", "disk GB", "gpus", "model"),
            [(t.name, t.price_cents_per_hour, t.vcpus, t.memory_gb, t.disk_gb, t.gpus, t.gpu_model) for t in types],
        )

    run(action)


@type_.command("retire")
@click.argument("name")
def retire(name: str) -> None:
    """Sell a type no longer; machines that have it stay."""

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            found(f"type {name} on sale", await retire_type(tx, name))
        click.echo(f"type {name} is no longer sold")

    run(action)
