"""The routes of instances: who may, what comes in, the one call that does it."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from bluelobster.access.last_use import address_of
from bluelobster.access.route import MARKED, Caller, Database, IdentifiedRoute, Reading, Time, Transaction
from bluelobster.access.sealing import Seal
from bluelobster.catalog.connections import Connections
from bluelobster.db.pool import transaction
from bluelobster.http.body import JsonBody
from bluelobster.http.errors import NotFound
from bluelobster.http.paging import next_link
from bluelobster.instances.answers import deletion_answer, reboot_answer, when_ended
from bluelobster.instances.custom import CreateVMRequest, launch_custom
from bluelobster.instances.delete import request_deletion
from bluelobster.instances.find import Found, find_instance, instance_not_found
from bluelobster.instances.launch_request import LaunchInstanceRequest
from bluelobster.instances.list import list_page, list_query
from bluelobster.instances.log import InstanceLogRequest, instance_log
from bluelobster.instances.power import FORCE_SHUTDOWN, POWER_CYCLE, POWER_ON, SHUTDOWN, change_power, request_reboot
from bluelobster.instances.rename import rename
from bluelobster.instances.standard import launch_standard
from bluelobster.instances.stats import read_stats
from bluelobster.instances.views import VMInstance, custom_answer, instance_json, standard_answer
from bluelobster.isos.rules import IsoRules
from bluelobster.settings import Defaults
from bluelobster.tasks.spawn import Origin

router = APIRouter(prefix="/api/v1/instances", tags=["INSTANCES"], route_class=IdentifiedRoute)


async def origin_of(request: Request, caller: Caller) -> Origin:
    address = address_of(request.client.host) if request.client else None
    return Origin(caller.account_id, caller.key_prefix, address, caller.team_id)


async def seal_of(request: Request) -> Seal:
    seal: Seal = request.app.state.seal
    return seal


async def defaults_of(request: Request) -> Defaults:
    defaults: Defaults = request.app.state.defaults
    return defaults


async def iso_rules_of(request: Request) -> IsoRules:
    rules: IsoRules = request.app.state.settings.isos
    return rules


async def connections_of(request: Request) -> Connections:
    connections: Connections = request.app.state.connections
    return connections


async def locked_instance(instance_id: str, caller: Caller, tx: Transaction) -> Found:
    """The instance that a path names, held against other requests until the transaction ends."""
    return await find_instance(tx, caller.sight, instance_id, instance_not_found(instance_id), lock=True)


From = Annotated[Origin, Depends(origin_of)]
Locked = Annotated[Found, Depends(locked_instance)]


def json_text(text: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(text, media_type="application/json", headers=headers)


@router.get("", summary="List instances", response_model=list[VMInstance], dependencies=MARKED)
async def list_instances(request: Request, caller: Caller, tx: Reading) -> Any:
    """Every instance of the account from the moment its launch is accepted, newest first.

    `name`, `status` (`creating`, `rented`, `terminating`), `region` and any number of `metadata.<key>=<value>` choose
    among them; `metadata.<key>` alone asks that the key is there. With `limit` (1 to 200), the list comes in pages: the
    `Link` header of each leads to the next one.
    """
    text, cursor = await list_page(tx, caller.sight, list_query(request.query_params))
    return json_text(text, {"Link": next_link(request, cursor)} if cursor else {})


@router.post("/launch-instance", summary="Launch an instance", dependencies=MARKED)
async def launch_standard_instance(
    request: LaunchInstanceRequest,
    origin: From,
    tx: Transaction,
    clock: Time,
    seal: Annotated[Seal, Depends(seal_of)],
    defaults: Annotated[Defaults, Depends(defaults_of)],
    isos: Annotated[IsoRules, Depends(iso_rules_of)],
) -> Any:
    """Reserve a machine of one of the instance types and queue its creation. Billing begins when it is ready."""
    return standard_answer(await launch_standard(tx, request, origin, defaults, isos, seal, clock.now()), clock.now())


@router.post("/launch-custom", summary="Launch an instance of exact size", dependencies=MARKED)
async def launch_custom_instance(
    request: CreateVMRequest,
    origin: From,
    tx: Transaction,
    clock: Time,
    seal: Annotated[Seal, Depends(seal_of)],
    isos: Annotated[IsoRules, Depends(iso_rules_of)],
) -> Any:
    """Reserve a machine of exact size on a named host and queue its creation. For staff."""
    return custom_answer(await launch_custom(tx, request, origin, isos, seal, clock.now()), clock.now())


@router.post("/log", summary="History of instances")
async def get_instance_log(span: InstanceLogRequest, caller: Caller, tx: Transaction, clock: Time) -> Any:
    """Instances whose life overlaps a span of at most 90 days, with what each was billed over its whole life."""
    return await instance_log(tx, caller.sight, span, clock.now())


@router.get("/{instance_id}", summary="Instance details", response_model=VMInstance, dependencies=MARKED)
async def get_instance(instance_id: str, caller: Caller, tx: Reading) -> Any:
    """Everything about one instance."""
    return json_text(await instance_json(tx, caller.sight, instance_id))


@router.delete("/{instance_id}", summary="Delete an instance")
async def delete_instance(instance: Locked, origin: From, tx: Transaction, pool: Database, clock: Time) -> Any:
    """Delete an instance and all its data. Answers when it is done, or after 20 s with `PENDING`."""
    task_id = await request_deletion(tx, instance, origin, clock.now())
    return when_ended(pool, instance, task_id, "Deletion queued", deletion_answer)


@router.post("/{instance_id}/reboot", summary="Reboot an instance")
async def reboot_instance(instance: Locked, origin: From, tx: Transaction, pool: Database, clock: Time) -> Any:
    """Press the reset button. Answers when the guest is back, or after 20 s with `PENDING`."""
    task_id = await request_reboot(tx, instance, origin, clock.now())
    return when_ended(pool, instance, task_id, "Reboot queued", reboot_answer)


@router.post("/{instance_id}/shutdown", summary="Shut an instance down")
async def shutdown_instance(instance: Locked, origin: From, tx: Transaction, clock: Time) -> Any:
    """Ask the guest to shut down; it has 90 s and is never forced."""
    return await change_power(tx, SHUTDOWN, instance, origin, clock.now())


@router.post("/{instance_id}/force-shutdown", summary="Pull an instance's plug")
async def force_shutdown_instance(instance: Locked, origin: From, tx: Transaction, clock: Time) -> Any:
    """Stop an instance at once, like pulling the plug; what it had not written is lost."""
    return await change_power(tx, FORCE_SHUTDOWN, instance, origin, clock.now())


@router.post("/{instance_id}/power-on", summary="Power an instance on")
async def power_on_instance(instance: Locked, origin: From, tx: Transaction, clock: Time) -> Any:
    """Start a stopped instance."""
    return await change_power(tx, POWER_ON, instance, origin, clock.now())


@router.post("/{instance_id}/power-cycle", summary="Power-cycle an instance")
async def power_cycle_instance(instance: Locked, origin: From, tx: Transaction, clock: Time) -> Any:
    """Stop and start an instance; a new name reaches the guest this way."""
    return await change_power(tx, POWER_CYCLE, instance, origin, clock.now())


@router.put("/{instance_id}/rename", summary="Rename an instance", dependencies=MARKED)
async def rename_instance(instance_id: str, body: JsonBody, caller: Caller, tx: Transaction, clock: Time) -> Any:
    """Give an instance another name (`{"name": "…"}`, unique in the account). The guest's host name follows at the
    next power cycle."""
    return await rename(tx, caller, instance_id, body, clock.now())


@router.get("/{instance_id}/stats", summary="Statistics of an instance", tags=["MONITORING"], dependencies=MARKED)
async def get_instance_stats(
    instance_id: str,
    caller: Caller,
    pool: Database,
    clock: Time,
    connections: Annotated[Connections, Depends(connections_of)],
) -> Any:
    """Processor, memory, disk and network right now; rates are bytes a second."""
    async with transaction(pool) as tx:
        instance = await find_instance(tx, caller.sight, instance_id, NotFound("not_found", "Instance not found"))
    return await read_stats(pool, connections, instance, clock)
