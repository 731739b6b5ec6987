"""Custom launch: exact sizes on a named host, for staff. All broken rules are told at once."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from bluelobster.access.sealing import Seal
from bluelobster.catalog.hosts import Host, find_host
from bluelobster.catalog.resources import resources
from bluelobster.catalog.templates import Template, list_templates
from bluelobster.catalog.types import InstanceType, list_types
from bluelobster.db.pool import Tx
from bluelobster.http.errors import Conflict, InvalidRequest
from bluelobster.http.text import RequestBody
from bluelobster.instances.credentials import broken_login_rules
from bluelobster.instances.iso import broken_iso_rules
from bluelobster.instances.launch import Accepted, launch
from bluelobster.instances.launch_request import NAME, TEMPLATE_NAME, USERNAME, WITHOUT_SHELL_CHARACTERS, Metadata
from bluelobster.instances.place import NoRoom
from bluelobster.instances.seed import broken_user_data_rules
from bluelobster.instances.wanted import Size, Wanted
from bluelobster.isos.rules import IsoRules
from bluelobster.network.addresses import NoAddress
from bluelobster.ssh_keys.public_key import SshKey
from bluelobster.ssh_keys.registered import KeyNames, keys_of_launch
from bluelobster.tasks.spawn import Origin
from bluelobster.user_data.rules import UserData

SMALLEST_DISK_GB = 40


class CreateVMRequest(RequestBody):
    """A machine of exact size on a named host."""

    name: str = Field(
        description="Name of the instance and of its host",
        min_length=1,
        max_length=64,
        pattern=NAME,
        json_schema_extra={"example": "my-gpu-instance"},
    )
    instance_type: str = Field(description="The type whose price is charged")
    price_cents_per_hour: int | None = Field(None, description="Ignored: the type determines the price")
    host: str = Field(
        description="Host to launch on", min_length=1, max_length=100, json_schema_extra={"example": "phl-gpu-01"}
    )
    metadata: Metadata = Field(
        None,
        description="Your own key-value pairs, kept and returned as they are",
        json_schema_extra={"example": {"department": "research", "owner": "john.doe", "project": "ml-training"}},
    )
    cores: int = Field(description="Processors, a power of two", ge=1, le=64, json_schema_extra={"example": 4})
    memory: int = Field(description="Memory in GB, even", ge=8, le=512, json_schema_extra={"example": 16})
    disk_size: int = Field(description="Disk in GB, at least 40", ge=30, le=4096, json_schema_extra={"example": 100})
    template_name: Annotated[str, Field(pattern=TEMPLATE_NAME)] | None = Field(
        None, description="Operating system; this or iso_url", json_schema_extra={"example": "UBUNTU-22-04-NV"}
    )
    iso_url: str | None = Field(
        None,
        description="Image to boot from; this or template_name",
        json_schema_extra={"example": "https://example.com/windows10.iso"},
    )
    gpu_count: int = Field(description="GPUs", ge=0, le=8, json_schema_extra={"example": 1})
    username: str = Field(
        description="Name of the account on the machine",
        min_length=1,
        max_length=32,
        pattern=USERNAME,
        json_schema_extra={"example": "ubuntu"},
    )
    password: Annotated[str, Field(min_length=8, max_length=64, pattern=WITHOUT_SHELL_CHARACTERS)] | None = Field(
        None, description="Password of the account"
    )
    ssh_key: SshKey = Field(None, description="SSH public key")
    ssh_key_names: KeyNames = Field(None, description="SSH keys that the account registered, by name")
    user_data: UserData = Field(None, description="cloud-init user data: #cloud-config, a script or a MIME multipart")


async def launch_custom(
    tx: Tx, request: CreateVMRequest, origin: Origin, isos: IsoRules, seal: Seal, now: datetime
) -> Accepted:
    """Launch a machine of exact size. Raises InvalidRequest, and Conflict with what the host has left."""
    wanted = await choose_custom(tx, request, origin.account_id, isos, now)
    try:
        return await launch(tx, wanted, origin, seal, now)
    except (NoRoom, NoAddress) as error:
        left = (await resources(tx))[request.host]
        raise Conflict(
            "resource_conflict",
            "Requested resources not available on specified host",
            available_resources={
                "cores": left["cores_available"],
                "memory": left["memory_available"],
                "storage": left["storage_available"],
                "gpus": left["gpus_available"],
            },
        ) from error


async def choose_custom(tx: Tx, request: CreateVMRequest, account_id: UUID, isos: IsoRules, now: datetime) -> Wanted:
    """What to launch, at its price now. Raises InvalidRequest with every broken rule in `details`."""
    host = await find_host(tx, request.host)
    types = {kind.name: kind for kind in await list_types(tx, now)}
    templates = {template.name: template for template in await list_templates(tx)}
    kind, template = types.get(request.instance_type), templates.get(request.template_name or "")
    broken = broken_sizes(request) | broken_choices(request, host, kind, template)
    broken |= broken_iso_rules(request.iso_url, request.template_name, isos)
    ssh_keys, unknown = await keys_of_launch(tx, account_id, request.ssh_key, request.ssh_key_names)
    broken |= unknown | broken_user_data_rules(request.user_data, template)
    if template is not None:
        broken |= broken_login_rules(template, request.username, ssh_keys, request.password)
        if request.disk_size < template.min_disk_gb:
            broken["disk_size"] = f"Must be at least {template.min_disk_gb} for {template.name}"
    if broken or host is None or kind is None:
        raise InvalidRequest("invalid_request", "Invalid resource specifications", details=broken)
    model = (kind.gpu_model or await commonest_gpu(tx, host.id)) if request.gpu_count else None
    return Wanted(
        name=request.name,
        metadata=request.metadata,
        region=host.region,
        host=host.id,
        instance_type=kind.name,
        price_cents_per_hour=kind.price_cents_per_hour,
        size=Size(request.cores, request.memory, request.disk_size, request.gpu_count, model),
        template=template,
        iso_url=request.iso_url,
        username=request.username,
        ssh_key=ssh_keys,
        password=request.password,
        user_data=request.user_data,
    )


def broken_sizes(request: CreateVMRequest) -> dict[str, str]:
    """Rules that the fields' own limits do not express."""
    broken = {}
    if request.cores & (request.cores - 1):
        broken["cores"] = "Must be a power of 2 between 1 and 64"
    if request.memory % 2:
        broken["memory"] = "Must be an even number between 8 and 512"
    if request.disk_size < SMALLEST_DISK_GB:
        broken["disk_size"] = "Must be between 40 and 4096"
    return broken


def broken_choices(
    request: CreateVMRequest, host: Host | None, kind: InstanceType | None, template: Template | None
) -> dict[str, str]:
    """Names that name nothing."""
    broken = {}
    if host is None:
        broken["host"] = f"There is no host {request.host}"
    if kind is None:
        broken["instance_type"] = f"There is no instance type {request.instance_type}"
    if host is not None and host.iso_storage is None:
        if request.iso_url is not None:
            broken["iso_url"] = f"Host {host.id} boots no ISO images"
        if request.user_data is not None:
            broken["user_data"] = f"Host {host.id} has no place for it"
    if request.iso_url is not None:
        return broken
    if request.template_name is None:
        broken["template_name"] = "Give template_name or iso_url"
    elif template is None:
        broken["template_name"] = f"There is no template {request.template_name}"
    return broken


async def commonest_gpu(tx: Tx, host_id: str) -> str | None:
    """The model that a host has most free devices of."""
    cursor = await tx.execute(
        """select model from gpus where host_id = %s and instance_id is null
           group by model order by count(*) desc, model limit 1""",
        (host_id,),
    )
    row = await cursor.fetchone()
    return row[0] if row else None
