"""Images of templates that are in a host's storage already: how they got there is not ours to know."""

from bluelobster.catalog.asking import asking
from bluelobster.catalog.hosts import Host
from bluelobster.db.pool import Tx
from bluelobster.http.errors import Conflict, InvalidRequest
from bluelobster.pve import PveClient

FORMATS = (".qcow2", ".raw", ".img")


async def must_have_image(client: PveClient, host: Host, volume: str) -> None:
    """Ask a host whether its storage has an image. Raises InvalidRequest where it has not, and Conflict where the host
    does not answer."""
    if not volume.startswith(f"{host.storage}:import/") or not volume.endswith(FORMATS):
        raise unfit(f"an image of host {host.id} reads {host.storage}:import/name.qcow2")
    async with asking():
        present = {each.volid for each in await client.storage_content(host.storage, "import")}
    if volume not in present:
        raise unfit(f"the host has no image {volume}")


def unfit(why: str) -> InvalidRequest:
    return InvalidRequest("host_unfit", f"volume: {why}", field="volume")


async def withdraw_image(tx: Tx, template: str, host_id: str) -> bool:
    """Make no machines from a template on a host any more; the image itself stays. False where none are made. Raises
    Conflict while one is being made."""
    # Against launches: from their choice of a host to their end it cannot be held so.
    await tx.execute("select from hosts where id = %s for update", (host_id,))
    cursor = await tx.execute(
        "select from instances where host_id = %s and template = %s and status = 'creating' limit 1",
        (host_id, template),
    )
    if cursor.rowcount:
        raise Conflict("template_in_use", f"a machine is being made from {template} on {host_id}")
    done = await tx.execute("delete from host_templates where host_id = %s and template = %s", (host_id, template))
    return done.rowcount == 1
