"""A catalogue to begin with: the types, prices and regions that the contract names."""

import hashlib
from ipaddress import IPv4Network
from pathlib import Path

from bluelobster.catalog.gpus import GpuModel, save_gpu_model
from bluelobster.catalog.regions import Region, save_region
from bluelobster.catalog.types import InstanceType, save_type
from bluelobster.db.pool import Tx
from bluelobster.network.pools import save_internal_pool, save_pool

LOCAL_REGION = "us-east-1"
LOOPBACK = IPv4Network("127.64.0.0/10")
POOL_PREFIX = 22
FIRST_ADDRESS = 10
INTERNAL_NETWORK = IPv4Network("10.90.0.0/22")
TAGS = (1000, 1999)
CPU_ONLY = "N/A - CPU Only"

REGIONS = (
    Region(LOCAL_REGION, "Wilmington, DE", "Wilmington", "DE", "US"),
    Region("us-east-dev", "Philadelphia, PA", "Philadelphia", "PA", "US"),
)

GPU_MODELS = (
    GpuModel("A4000", "RTX A4000", "NVIDIA RTX A4000 (16GB VRAM)"),
    GpuModel("A5000", "RTX A5000", "NVIDIA RTX A5000 (24GB VRAM)"),
    GpuModel("A6000", "RTX A6000", "NVIDIA RTX A6000 (48GB VRAM)"),
)


def _cpu(name: str, cents: int, vcpus: int, memory_gb: int) -> InstanceType:
    return InstanceType(name, "CPU Only Instance", CPU_ONLY, cents, vcpus, memory_gb, 250, 0, None)


def _gpu(name: str, cents: int, vcpus: int, memory_gb: int, disk_gb: int, gpus: int, model: GpuModel) -> InstanceType:
    description = "Single GPU Instance" if gpus == 1 else "Multi GPU Instance"
    words = model.description if gpus == 1 else f"{gpus}x {model.description}"
    return InstanceType(name, description, words, cents, vcpus, memory_gb, disk_gb, gpus, model.name)


A4000, A5000, A6000 = GPU_MODELS
TYPES = (
    _cpu("v1_cpu_small", 3, 2, 8),
    _cpu("v1_cpu_medium", 6, 4, 16),
    _cpu("v1_cpu_large", 12, 8, 32),
    _gpu("gpu_1x_a4000", 45, 8, 32, 250, 1, A4000),
    _gpu("gpu_2x_a4000", 90, 16, 64, 500, 2, A4000),
    _gpu("gpu_1x_a5000", 60, 8, 32, 250, 1, A5000),
    _gpu("gpu_4x_a5000", 240, 32, 128, 1000, 4, A5000),
    _gpu("v1_gpu_a6000_large", 120, 32, 128, 1000, 4, A6000),
)

# Stand-ins for GPUs on the local node: resource mapping and model.
LOCAL_GPUS = {
    **{f"a4000-{number}": "A4000" for number in range(4)},
    **{f"a5000-{number}": "A5000" for number in range(4)},
    **{f"a6000-{number}": "A6000" for number in range(4)},
}


def local_network(data: Path) -> IPv4Network:
    """Loopback addresses for the machines of one data directory; those of another are very likely others."""
    networks = 2 ** (POOL_PREFIX - LOOPBACK.prefixlen)
    number = int.from_bytes(hashlib.sha256(bytes(data)).digest()[:4], "big") % networks
    return IPv4Network((int(LOOPBACK.network_address) + number * 2 ** (32 - POOL_PREFIX), POOL_PREFIX))


async def seed(tx: Tx, network: IPv4Network, internal: IPv4Network | None = None) -> None:
    """Fill an empty catalogue, with addresses of `network`, and of `internal` for private networks; one that an
    operator has begun to change is left alone."""
    cursor = await tx.execute("select exists (select from instance_types)")
    row = await cursor.fetchone()
    if row and row[0]:
        return
    for region in REGIONS:
        await save_region(tx, region)
    for model in GPU_MODELS:
        await save_gpu_model(tx, model)
    for kind in TYPES:
        await save_type(tx, kind)
    hosts = list(network.hosts())
    await save_pool(tx, LOCAL_REGION, network, hosts[0], (), hosts[FIRST_ADDRESS - 1 :])
    if internal is not None:
        await save_internal_pool(tx, LOCAL_REGION, internal, TAGS, list(internal.hosts()))
