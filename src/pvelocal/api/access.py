"""Who may do what: `/access` and `/version`."""

from collections.abc import Mapping

from pvelocal.access import Token
from pvelocal.errors import forbidden
from pvelocal.node import RELEASE, REPOSITORY, VERSION
from pvelocal.routing import Call, Route


async def show_version(_call: Call) -> object:
    """The version that the node claims."""
    return {"version": VERSION, "release": RELEASE, "repoid": REPOSITORY}


async def show_permissions(call: Call) -> object:
    """What the caller's token may do, by path."""
    listed = call.token.listed()
    path = call.text("path")
    if path:
        return {path: dict.fromkeys(sorted(call.token.privileges(path)), 1)}
    return listed


def _refuse_token(_token: Token, _parameters: Mapping[str, str]) -> None:
    raise forbidden("URI '/access/ticket' not available with API token, need proper ticket.\n")


async def log_in(_call: Call) -> object:
    """Never reached: the node knows API tokens only, and with one a login is refused."""
    raise forbidden()


ROUTES = (
    Route("GET", "/version", show_version),
    Route("GET", "/nodes/{node}/version", show_version),
    Route("GET", "/access/permissions", show_permissions),
    Route("POST", "/access/ticket", log_in, _refuse_token),
)
