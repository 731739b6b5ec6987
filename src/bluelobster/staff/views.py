"""What is sold and where, as staff sees it."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from bluelobster.billing.prices import Price
from bluelobster.catalog.host_check import Checked
from bluelobster.catalog.hosts import Host
from bluelobster.clock import rfc3339

Use = Literal["active", "draining", "offline"]
Status = Literal["active", "draining", "offline", "maintenance"]


class RegionView(BaseModel):
    """A place with hosts in it."""

    name: str
    description: str
    city: str
    state: str
    country: str


class Regions(BaseModel):
    """All regions, by name."""

    regions: list[RegionView]


class HostView(BaseModel):
    """A Proxmox VE node, without its token."""

    id: str
    region: str
    api_url: str
    node: str
    storage: str
    iso_storage: str | None
    backup_storage: str | None
    bridge: str
    internal_bridge: str | None = Field(description="The bridge that private networks are on; null: there are none")
    fingerprint: str | None = Field(description="SHA-256 of its certificate; null: a known authority vouches for it")
    status: Status = Field(
        description="`draining`, `maintenance`: nothing new is placed there; `offline`: it is not asked either"
    )
    vcpus: int = Field(description="What can be promised on it")
    memory_gb: int
    disk_gb: int
    vcpus_used: int
    memory_gb_used: int
    disk_gb_used: int
    seen_at: str | None
    firewall: bool | None = Field(description="Whether its data center lets firewall rules act; null: not asked yet")


class Size(BaseModel):
    """What a node has, or may be promised on it."""

    vcpus: int
    memory_gb: int
    disk_gb: int


class CheckedHostView(HostView):
    """A host that was just asked."""

    found: Size = Field(description="What the node says that it has, as often as it may be promised when it is added")
    boots_isos: bool
    why_not: str | None = Field(description="Why machines cannot boot from ISO images there")


class Hosts(BaseModel):
    """All hosts, by name."""

    hosts: list[HostView]


class GpuModelView(BaseModel):
    """A model of GPU."""

    name: str
    marketing: str = Field(description="As instances show it")
    description: str = Field(description="As types show it")


class GpuModels(BaseModel):
    """All models, by name."""

    gpu_models: list[GpuModelView]


class TypeView(BaseModel):
    """A size, and its price now."""

    name: str
    description: str
    gpu_description: str
    price_cents_per_hour: int
    vcpus: int
    memory_gb: int
    disk_gb: int
    gpus: int
    gpu_model: str | None
    retired: bool = Field(description="Whether it is not sold any more")


class Types(BaseModel):
    """All instance types, by name."""

    instance_types: list[TypeView]


class GpuView(BaseModel):
    """A device, and the instance that has it."""

    host_id: str
    model: str
    mapping: str
    instance_id: UUID | None


class Gpus(BaseModel):
    """All devices, by host."""

    gpus: list[GpuView]


class PoolView(BaseModel):
    """A network whose addresses are given to machines."""

    id: UUID
    region: str
    network: str
    kind: Literal["public", "internal"]
    gateway: str | None = Field(description="Of a public one")
    first_tag: int | None = Field(description="The first VLAN of an internal one")
    last_tag: int | None
    total: int
    used: int


class Pools(BaseModel):
    """All address pools, by region."""

    pools: list[PoolView]


class TemplateView(BaseModel):
    """An operating system."""

    name: str
    display_name: str
    os_type: Literal["linux", "windows"]
    min_disk_gb: int
    hidden: bool = Field(description="Whether it is not offered")
    hosts: list[str] = Field(description="Hosts that have its image")


class Templates(BaseModel):
    """All templates, by name."""

    templates: list[TemplateView]


class PriceView(BaseModel):
    """What an item, or an hour of an instance type, costs from a moment on until another."""

    item: str
    cents: int
    since: str | None
    until: str | None


class Prices(BaseModel):
    """Prices that were, are and will be, of all that is on sale."""

    prices: list[PriceView]


def host_view(host: Host) -> HostView:
    return HostView.model_validate({**vars(host), "seen_at": rfc3339(host.seen_at) if host.seen_at else None})


def checked_host_view(host: Host, checked: Checked) -> CheckedHostView:
    return CheckedHostView(
        **host_view(host).model_dump(),
        found=Size(**vars(checked.host.capacity)),
        boots_isos=checked.without_isos is None,
        why_not=checked.without_isos,
    )


def price_view(price: Price) -> PriceView:
    return PriceView(
        item=price.name,
        cents=price.cents,
        since=rfc3339(price.since) if price.since else None,
        until=rfc3339(price.until) if price.until else None,
    )
