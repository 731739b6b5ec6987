"""Standard launch: one of the instance types in a region. Every wrong choice is answered with the right ones."""

from datetime import datetime
from uuid import UUID

from bluelobster.access.sealing import Seal
from bluelobster.catalog.hosts import boots_isos
from bluelobster.catalog.regions import list_regions
from bluelobster.catalog.templates import Template, find_template, list_templates
from bluelobster.catalog.types import InstanceType, list_types, type_in_region
from bluelobster.db.pool import Tx
from bluelobster.http.errors import Conflict, InvalidRequest
from bluelobster.instances.credentials import broken_login_rules
from bluelobster.instances.iso import broken_iso_rules
from bluelobster.instances.launch import Accepted, launch
from bluelobster.instances.launch_request import LaunchInstanceRequest
from bluelobster.instances.place import NoRoom
from bluelobster.instances.seed import broken_user_data_rules
from bluelobster.instances.wanted import Size, Wanted
from bluelobster.isos.rules import IsoRules
from bluelobster.network.addresses import NoAddress
from bluelobster.settings import Defaults
from bluelobster.ssh_keys.registered import keys_of_launch
from bluelobster.tasks.spawn import Origin


async def launch_standard(
    tx: Tx,
    request: LaunchInstanceRequest,
    origin: Origin,
    defaults: Defaults,
    isos: IsoRules,
    seal: Seal,
    now: datetime,
) -> Accepted:
    """Launch a machine of one of the instance types. Raises InvalidRequest and Conflict."""
    wanted = await choose(tx, request, origin.account_id, defaults, isos, now)
    try:
        return await launch(tx, wanted, origin, seal, now)
    except (NoRoom, NoAddress) as error:
        raise Conflict("resource_conflict", "Requested resources not available in specified region") from error


async def choose(
    tx: Tx, request: LaunchInstanceRequest, account_id: UUID, defaults: Defaults, isos: IsoRules, now: datetime
) -> Wanted:
    """What to launch, at its price now. Raises InvalidRequest, with what is valid instead."""
    kind = await _type_in_region(tx, request, now)
    await _image_must_do(tx, request, isos)
    template = None if request.iso_url is not None else await _template(tx, request, kind, defaults)
    ssh_keys, unknown = await keys_of_launch(tx, account_id, request.ssh_key, request.ssh_key_names)
    if broken := unknown | broken_user_data_rules(request.user_data, template):
        raise _wrong(broken)
    if request.user_data is not None and not await boots_isos(tx, request.region):
        raise _wrong({"user_data": f"No host in region {request.region} has a place for it"})
    if template is not None:
        _must_suit(template, kind, request, ssh_keys)
    return Wanted(
        name=request.name,
        metadata=request.metadata,
        region=request.region,
        host=None,
        instance_type=kind.name,
        price_cents_per_hour=kind.price_cents_per_hour,
        size=Size(kind.vcpus, kind.memory_gb, kind.disk_gb, kind.gpus, kind.gpu_model),
        template=template,
        iso_url=request.iso_url,
        username=request.username,
        ssh_key=ssh_keys,
        password=request.password,
        user_data=request.user_data,
    )


async def _image_must_do(tx: Tx, request: LaunchInstanceRequest, isos: IsoRules) -> None:
    if request.iso_url is None:
        return
    broken = broken_iso_rules(request.iso_url, request.template_name, isos)
    if not broken and not await boots_isos(tx, request.region):
        broken = {"iso_url": f"No host in region {request.region} boots ISO images"}
    if broken:
        raise InvalidRequest("invalid_request", f"iso_url: {broken['iso_url']}", details=broken)


def _must_suit(template: Template, kind: InstanceType, request: LaunchInstanceRequest, ssh_keys: str | None) -> None:
    if kind.disk_gb < template.min_disk_gb:
        raise InvalidRequest(
            "invalid_request",
            f"{template.name} needs a disk of {template.min_disk_gb} GB; {kind.name} has {kind.disk_gb} GB",
            details={"instance_type": f"Must have at least {template.min_disk_gb} GB of storage"},
        )
    if broken := broken_login_rules(template, request.username, ssh_keys, request.password):
        raise _wrong(broken)


def _wrong(broken: dict[str, str]) -> InvalidRequest:
    return InvalidRequest("invalid_request", "; ".join(f"{k}: {v}" for k, v in broken.items()), details=broken)


async def _type_in_region(tx: Tx, request: LaunchInstanceRequest, now: datetime) -> InstanceType:
    kind = await type_in_region(tx, request.instance_type, request.region, now)
    if kind is not None:
        return kind
    types = [each.name for each in await list_types(tx, now)]
    regions = [region.name for region in await list_regions(tx)]
    broken = {}
    if request.region not in regions:
        broken["region"] = f"There is no region {request.region[:64]}"
    if request.instance_type not in types:
        broken["instance_type"] = f"There is no instance type {request.instance_type[:64]}"
    raise InvalidRequest(
        "invalid_request",
        "Invalid instance type or region specified",
        details={**broken, "valid_instance_types": types, "valid_regions": regions},
    )


async def _template(tx: Tx, request: LaunchInstanceRequest, kind: InstanceType, defaults: Defaults) -> Template:
    wanted = request.template_name or (defaults.gpu_template if kind.gpus else defaults.template)
    template = await find_template(tx, wanted)
    if template is not None:
        return template
    templates = [each.name for each in await list_templates(tx)]
    if not templates:
        message = "There is nothing to launch yet: the operator has not provided any template"
    else:
        message = f"There is no template {wanted[:64]}" if request.template_name else "Say which template_name to use"
    details = {"template_name": message, "valid_templates": templates}
    raise InvalidRequest("invalid_request", message, details=details)
