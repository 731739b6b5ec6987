"""GPUs: each one a resource mapping of its host, and in at most one machine."""

from dataclasses import dataclass
from uuid import UUID, uuid4

from psycopg.rows import class_row

from bluelobster.db.pool import Tx


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


async def save_gpu(tx: Tx, host_id: str, model: str, mapping: str) -> None:
    """Note a device by the name of its resource mapping on the host."""
    await tx.execute(
        """insert into gpus (id, host_id, model, mapping) values (%s, %s, %s, %s)
           on conflict (host_id, mapping) do update set model = excluded.model""",
        (uuid4(), host_id, model, mapping),
    )


async def list_gpus(tx: Tx) -> list[Gpu]:
    async with tx.cursor(row_factory=class_row(Gpu)) as cursor:
        await cursor.execute("select host_id, model, mapping, instance_id from gpus order by host_id, mapping")
        return await cursor.fetchall()
