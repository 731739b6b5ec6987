"""Staff's routes of templates. Images themselves are gigabytes, and come with `bluelobster admin template add`."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field, StrictBool

from bluelobster.access.audit import telling
from bluelobster.access.route import Caller, Database, IdentifiedRoute, Opener, Reading, Transaction
from bluelobster.catalog.connections import Connections
from bluelobster.catalog.host_records import get_host
from bluelobster.catalog.template_images import must_have_image, withdraw_image
from bluelobster.catalog.templates import every_template, hide_template, place_image
from bluelobster.db.pool import Tx
from bluelobster.http.errors import NotFound
from bluelobster.http.text import RequestBody
from bluelobster.instances.routes import connections_of
from bluelobster.staff.refused import refused
from bluelobster.staff.views import Templates, TemplateView

router = APIRouter(prefix="/api/v1/admin/templates", tags=["ADMINISTRATION"], route_class=IdentifiedRoute)


class TemplateRequest(RequestBody):
    """Whether a template is offered."""

    hidden: StrictBool


class ImageRequest(RequestBody):
    """An image in a host's storage."""

    volume: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="As the storage names it", json_schema_extra={"example": "local:import/ubuntu-22-04.qcow2"}
    )


@router.get("", summary="List templates")
async def admin_list_templates(_caller: Caller, tx: Reading) -> Templates:
    """Those that are offered, and those that are not."""
    return Templates(templates=[TemplateView(**vars(each)) for each in await every_template(tx)])


@router.patch("/{template}", summary="Hide a template, or offer it again")
async def admin_change_template(
    template: str, wanted: TemplateRequest, _caller: Caller, tx: Transaction
) -> TemplateView:
    """Machines that were made from a template stay."""
    telling(wanted)
    await hide_template(tx, template, wanted.hidden)
    return await view_of(tx, template)


@router.put("/{template}/hosts/{host_id}", summary="Make machines from a template on a host")
async def admin_place_template(
    template: str,
    host_id: str,
    wanted: ImageRequest,
    _caller: Caller,
    pool: Database,
    begin: Opener,
    hosts: Annotated[Connections, Depends(connections_of)],
) -> TemplateView:
    """From an image that is in the host's storage already; the host is asked whether it is."""
    telling(wanted)
    async with pool.connection() as connection:
        await view_of(connection, template)
        host = await get_host(connection, host_id)
    await must_have_image(await hosts.to_host(host), host, wanted.volume)
    async with begin() as tx:
        with refused():
            await place_image(tx, template, host_id, wanted.volume)
        return await view_of(tx, template)


@router.delete("/{template}/hosts/{host_id}", summary="Make none from it there any more", status_code=204)
async def admin_withdraw_template(template: str, host_id: str, _caller: Caller, tx: Transaction) -> None:
    """Machines that were made from it stay, and so does the image."""
    if not await withdraw_image(tx, template, host_id):
        raise NotFound("template_not_found", "There is no such template on this host")


async def view_of(tx: Tx, template: str) -> TemplateView:
    """Raises NotFound."""
    found = next((each for each in await every_template(tx) if each.name == template), None)
    if found is None:
        raise NotFound("template_not_found", "There is no such template")
    return TemplateView(**vars(found))
