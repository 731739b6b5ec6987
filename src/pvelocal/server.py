"""HTTP as Proxmox VE speaks it: reason phrases that carry the error, form bodies, `{"data": …}`.

aiohttp's low-level server is used because it lets an answer have a reason phrase of its own.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Sequence
from urllib.parse import parse_qsl

from aiohttp import web

from pvelocal.access import Token
from pvelocal.api import ROUTES
from pvelocal.errors import ApiError, Unauthorized
from pvelocal.faults import Fault, StorageFault, read_fault
from pvelocal.hypervisor import HypervisorError
from pvelocal.node import Node
from pvelocal.routing import Call, Listing, Route, Routes

_API = "/api2/json"
_CONTROL = "/local/faults"
_JSON = "application/json;charset=UTF-8"
_MAX_BODY = 1 << 20
_routes = Routes(ROUTES)
_logger = logging.getLogger(__name__)


class Server:
    """Answers requests for a node. The control endpoint for faults exists only when `control` is set."""

    def __init__(self, node: Node, *, control: bool) -> None:
        self._node = node
        self._control = control

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, or close its connection where a fault says so."""
        path = request.rel_url.raw_path
        if self._control and path == _CONTROL:
            return await self._guarded(self._answer_control(request))
        faults = self._node.faults
        if faults.offline:
            return _drop(request)
        if not path.startswith(_API):
            return _respond(501, f"Method '{request.method} {path}' not implemented", None)
        path = path.removeprefix(_API)
        befalling = faults.befalling(request.method, path)
        for fault in befalling:
            if fault.kind == "delay":
                await asyncio.sleep(fault.seconds)
            elif fault.kind == "drop-before":
                return _drop(request)
            elif fault.kind == "error":
                return _error(ApiError(f"{fault.message}\n", status=fault.status))
        response = await self._guarded(self._answer(request, path, befalling))
        if faults.offline or any(fault.kind == "drop-after" for fault in befalling):
            return _drop(request)
        return response

    async def _guarded(self, answer: Awaitable[web.StreamResponse]) -> web.StreamResponse:
        try:
            return await answer
        except Unauthorized as error:
            if error.failed_login:
                await asyncio.sleep(self._node.settings.failed_login_delay)
            return web.Response(status=401, reason=error.reason)
        except ApiError as error:
            return _error(error)
        except (ConnectionError, web.RequestPayloadError):
            return web.Response(status=400)  # nobody is there any more to read it
        except HypervisorError as error:
            return _error(ApiError(f"{error}\n"))
        except Exception:
            _logger.exception("call failed")
            return _error(ApiError("internal error\n"))

    async def _answer(self, request: web.BaseRequest, path: str, faults: Sequence[Fault]) -> web.StreamResponse:
        token = self._node.credentials.identify(request.headers.get("Authorization"))
        if request.method in ("GET", "DELETE") and request.can_read_body:
            return web.Response(status=501, reason=f"Unexpected content for method '{request.method}'")
        found = _routes.find(request.method, path)
        if found is None:
            message = f"Method '{request.method} {path}' not implemented"
            return _respond(501, message, {"data": None, "message": message})
        route, parameters = found
        parameters |= dict(parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True))
        if route.stream is None:
            parameters |= await _read_body(request)
        self._admit(route, token, parameters)
        if route.stream is not None:
            data = await route.stream(self._node, token, request, parameters, faults)
        elif route.handler is not None:
            data = await route.handler(Call(self._node, token, route.verify(parameters), faults))
        if isinstance(data, web.StreamResponse):
            return data
        if isinstance(data, Listing):
            return _respond(200, "OK", {"data": data.data, "total": data.total})
        return _respond(200, "OK", {"data": data})

    def _admit(self, route: Route, token: Token, parameters: dict[str, str]) -> None:
        if route.permission is not None:
            route.permission(token, parameters)
        node = parameters.get("node")
        if route.path.startswith("/nodes/{node}") and node != self._node.name:
            why = f"failed to get address info for: {node}: Temporary failure in name resolution"
            raise ApiError(f"hostname lookup '{node}' failed - {why}\n")

    async def _answer_control(self, request: web.BaseRequest) -> web.Response:
        self._node.credentials.identify(request.headers.get("Authorization"))
        faults = self._node.faults
        if request.method == "DELETE":
            faults.clear()
        elif request.method == "POST":
            try:
                document = await request.json()
                if "offline" in document:
                    faults.offline = bool(document["offline"])
                elif "storage" in document:
                    faults.befall_storage(str(document.pop("storage")), StorageFault(**document))
                else:
                    faults.add(read_fault(document))
            except (ValueError, TypeError) as error:
                raise ApiError(f"{error}\n", status=400) from None
        elif request.method != "GET":
            raise ApiError("method not allowed\n", status=405)
        return _respond(200, "OK", {"data": faults.describe()})


async def _read_body(request: web.BaseRequest) -> dict[str, str]:
    if not request.can_read_body:
        return {}
    if (request.content_length or 0) > _MAX_BODY:
        raise ApiError("for data too large\n", status=501)
    body = await request.read()
    if request.content_type != "application/json":
        return dict(parse_qsl(body.decode(), keep_blank_values=True))
    try:
        document = json.loads(body or b"{}")
    except ValueError as error:
        raise ApiError(f"invalid JSON: {error}\n", status=400) from None
    if not isinstance(document, dict):
        raise ApiError("invalid JSON: not an object\n", status=400)
    return {name: _as_text(value) for name, value in document.items() if value is not None}


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _respond(status: int, reason: str, body: object) -> web.Response:
    text = json.dumps(body, separators=(",", ":")).encode()
    return web.Response(status=status, reason=reason, body=text, headers={"Content-Type": _JSON})


def _error(error: ApiError) -> web.Response:
    return _respond(error.status, error.reason, error.body())


def _drop(request: web.BaseRequest) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
