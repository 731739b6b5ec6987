"""HTTP to one Proxmox VE API: sends calls, repeats what is safe to repeat, tells errors apart."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote, urlencode

from bluelobster.pve import diagnosis, errors
from bluelobster.pve.endpoint import Endpoint
from bluelobster.pve.wire import Answer, HttpWire, Request, Wire

Parameters = Mapping[str, str | int]

NO_PARAMETERS: Parameters = MappingProxyType({})

_ROOT = "/api2/json"
_SECONDS = 30.0
_UPLOAD_SECONDS = 120.0
_PAUSES = (0.1, 0.4)
_SECRET_PARAMETERS = ("cipassword", "password")
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Body:
    """A body that is streamed. Its `length` in bytes has to be known: the server refuses chunked encoding."""

    content_type: str
    length: int
    chunks: AsyncIterator[bytes]


class Transport:
    """The connections to one API. Every call raises a PveError when it fails; answers come without their envelope.

    A call that was not sent is tried again, and so is a lost answer of a call that may be repeated; both a few times.
    """

    def __init__(self, endpoint: Endpoint, wire: Wire | None = None) -> None:
        self.endpoint = endpoint
        self._secret = endpoint.secret
        self._wire = wire or HttpWire(endpoint.url.rstrip("/"), endpoint.fingerprint)
        self._headers = {"Authorization": f"PVEAPIToken={endpoint.token}", "Accept": "application/json"}

    async def aclose(self) -> None:
        """Close all connections."""
        await self._wire.aclose()

    async def get(self, path: str, parameters: Parameters = NO_PARAMETERS) -> object:
        """Read something."""
        return await self._send(self._in_query("GET", path, parameters), parameters, repeatable=True)

    async def post(self, path: str, parameters: Parameters = NO_PARAMETERS) -> object:
        """Make something happen, once."""
        return await self._send(self._in_form("POST", path, parameters), parameters)

    async def put(self, path: str, parameters: Parameters, *, repeatable: bool = False) -> object:
        """Change something; `repeatable` when doing it twice is the same as once."""
        return await self._send(self._in_form("PUT", path, parameters), parameters, repeatable=repeatable)

    async def delete(self, path: str, parameters: Parameters = NO_PARAMETERS) -> object:
        """Remove something. The parameters go into the query: the server refuses a body."""
        return await self._send(self._in_query("DELETE", path, parameters), parameters)

    async def upload(self, path: str, body: Body) -> object:
        """Post a streamed body. It can be read once only, so nothing is repeated."""
        headers = {**self._headers, "Content-Type": body.content_type, "Content-Length": str(body.length)}
        request = Request("POST", _ROOT + path, headers, body.chunks, _UPLOAD_SECONDS)
        return await self._send_once(request, NO_PARAMETERS)

    def _in_query(self, method: str, path: str, parameters: Parameters) -> Request:
        query = f"?{_encoded(parameters)}" if parameters else ""
        return Request(method, f"{_ROOT}{path}{query}", self._headers, b"", _SECONDS)

    def _in_form(self, method: str, path: str, parameters: Parameters) -> Request:
        headers = {**self._headers, "Content-Type": _FORM}
        return Request(method, _ROOT + path, headers, _encoded(parameters).encode(), _SECONDS)

    async def _send(self, request: Request, parameters: Parameters, *, repeatable: bool = False) -> object:
        for pause in _pauses():
            try:
                return await self._send_once(request, parameters)
            except errors.CertificateMismatch:
                raise
            except errors.NoAnswer as error:
                if not (repeatable or isinstance(error, errors.Unreachable)):
                    raise
            await asyncio.sleep(pause)
        return await self._send_once(request, parameters)

    async def _send_once(self, request: Request, parameters: Parameters) -> object:
        try:
            answer = await self._wire.send(request)
        except errors.NoAnswer as error:
            raise _noted(error, request) from error.__cause__
        if 200 <= answer.status < 300:
            return _data(answer, request)
        secrets = [self._secret, *(str(parameters[name]) for name in _SECRET_PARAMETERS if parameters.get(name))]
        raise _noted(diagnosis.answer_error(answer.status, answer.reason, _json(answer), secrets), request)


def _pauses() -> Iterator[float]:
    """How long to wait before each repetition; at random, so that many callers do not come back at once."""
    return (pause * random.uniform(0.5, 1.5) for pause in _PAUSES)  # noqa: S311


def _encoded(parameters: Parameters) -> str:
    """As the API wants it: booleans are 0 and 1."""
    plain = {name: str(int(value)) if isinstance(value, int) else value for name, value in parameters.items()}
    return urlencode(plain, quote_via=quote, safe="")


def _json(answer: Answer) -> object:
    try:
        return json.loads(answer.body)
    except ValueError:
        return None


def _data(answer: Answer, request: Request) -> object:
    body = _json(answer)
    if not isinstance(body, dict) or "data" not in body:
        raise _noted(errors.UnexpectedAnswer("the answer is not a JSON object with data"), request)
    return body["data"]


def _noted(error: errors.PveError, request: Request) -> errors.PveError:
    error.add_note(f"in answer to {request.method} {request.path.partition('?')[0]}")
    return error
