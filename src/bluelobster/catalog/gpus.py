"""GPUs: each one a resource mapping of its host, and in at most one machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from psycopg.errors import ForeignKeyViolation
from psycopg.rows import class_row

from bluelobster.catalog.asking import asking
from bluelobster.db.pool import Tx
from bluelobster.db.refusals import refusal
from bluelobster.http.errors import Conflict, InvalidRequest
from bluelobster.pve import PveClient


@dataclass(frozen=True)
class GpuModel:
    """A model: `A4000`, sold as `RTX A4000`, described as `NVIDIA RTX A4000 (16GB VRAM)`."""

    name: str
    marketing: str
    description: str


@dataclass(frozen=True)
class Gpu:
    """One device on one host, and the machine that has it."""

    host_id: str
    model: str
    mapping: str
    instance_id: UUID | None


async def save_gpu_model(tx: Tx, model: GpuModel) -> None:
    await tx.execute(
        """insert into gpu_models (name, marketing, description) values (%(name)s, %(marketing)s, %(description)s)
           on conflict (name) do update set marketing = excluded.marketing, description = excluded.description""",
        vars(model),
    )


async def list_gpu_models(tx: Tx) -> list[GpuModel]:
    async with tx.cursor(row_factory=class_row(GpuModel)) as cursor:
        await cursor.execute("select name, marketing, description from gpu_models order by name")
        return await cursor.fetchall()


async def remove_gpu_model(tx: Tx, name: str) -> bool:
    """Forget a model; False for an unknown one. Raises Conflict while a device, a type or a quota is of it, and where
    an instance ever was."""
    try:
        async with tx.transaction():
            done = await tx.execute("delete from gpu_models where name = %s", (name,))
    except ForeignKeyViolation as error:
        raise Conflict("gpu_model_in_use", f"GPU model {refusal(error)}") from error
    return done.rowcount == 1


async def save_gpu(tx: Tx, host_id: str, model: str, mapping: str) -> None:
    """Note a device by the name of its resource mapping on the host. Raises Conflict where a machine has it as another
    model."""
    done = await tx.execute(
        """insert into gpus (id, host_id, model, mapping) values (%s, %s, %s, %s)
           on conflict (host_id, mapping) do update set model = excluded.model
             where gpus.instance_id is null or gpus.model = excluded.model""",
        (uuid4(), host_id, model, mapping),
    )
    if done.rowcount == 0:
        raise in_use(mapping)


async def remove_gpu(tx: Tx, host_id: str, mapping: str) -> bool:
    """Forget a device; False for an unknown one. Raises Conflict while a machine has it."""
    cursor = await tx.execute(
        "select instance_id from gpus where host_id = %s and mapping = %s for update", (host_id, mapping)
    )
    row = await cursor.fetchone()
    if row is None:
        return False
    if row[0] is not None:
        raise in_use(mapping)
    await tx.execute("delete from gpus where host_id = %s and mapping = %s", (host_id, mapping))
    return True


def in_use(mapping: str) -> Conflict:
    return Conflict("gpu_in_use", f"a machine has the GPU {mapping}")


async def must_have_mappings(client: PveClient, host_id: str, mappings: Sequence[str]) -> None:
    """Ask a host for its resource mappings. Raises InvalidRequest where it lacks one of these."""
    async with asking():
        present = {each.id for each in await client.pci_mappings()}
    if missing := [mapping for mapping in mappings if mapping not in present]:
        raise InvalidRequest(
            "host_unfit",
            f"{host_id} has no resource mapping {', '.join(missing)}; it has {', '.join(sorted(present)) or 'none'}",
            field="mappings",
        )


async def list_gpus(tx: Tx) -> list[Gpu]:
    async with tx.cursor(row_factory=class_row(Gpu)) as cursor:
        await cursor.execute("select host_id, model, mapping, instance_id from gpus order by host_id, mapping")
        return await cursor.fetchall()
