"""HTTP to one Proxmox VE API: sends calls, repeats what is safe to repeat, tells errors apart."""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import httpx

from bluelobster.pve import diagnosis, errors
from bluelobster.pve.endpoint import Endpoint
from bluelobster.pve.tls import tls_context

Parameters = Mapping[str, str | int]

NO_PARAMETERS: Parameters = MappingProxyType({})

_TIMEOUT = httpx.Timeout(30, connect=5)
_UPLOAD_TIMEOUT = httpx.Timeout(120, connect=5)
# Proxmox's API server closes a connection that idled for 5 s; ours has to give it up first, or a call might be
# written into a connection that is being closed.
_LIMITS = httpx.Limits(max_connections=32, max_keepalive_connections=16, keepalive_expiry=3)
_PAUSES = (0.1, 0.4)
_SECRET_PARAMETERS = ("cipassword", "password")


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

    def __init__(self, endpoint: Endpoint, http: httpx.AsyncBaseTransport | None = None) -> None:
        self.endpoint = endpoint
        self._secret = endpoint.secret
        self._http = httpx.AsyncClient(
            base_url=f"{endpoint.url.rstrip('/')}/api2/json",
            headers={"Authorization": f"PVEAPIToken={endpoint.token}", "Accept": "application/json"},
            transport=http or httpx.AsyncHTTPTransport(verify=tls_context(endpoint.fingerprint), limits=_LIMITS),
            timeout=_TIMEOUT,
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def get(self, path: str, parameters: Parameters = NO_PARAMETERS) -> object:
        """Read something."""
        request = self._http.build_request("GET", path, params=_plain(parameters))
        return await self._send(request, parameters, repeatable=True)

    async def post(self, path: str, parameters: Parameters = NO_PARAMETERS) -> object:
        """Make something happen, once."""
        request = self._http.build_request("POST", path, data=_plain(parameters))
        return await self._send(request, parameters)

    async def put(self, path: str, parameters: Parameters, *, repeatable: bool = False) -> object:
        """Change something; `repeatable` when doing it twice is the same as once."""
        request = self._http.build_request("PUT", path, data=_plain(parameters))
        return await self._send(request, parameters, repeatable=repeatable)

    async def delete(self, path: str, parameters: Parameters = NO_PARAMETERS) -> object:
        """Remove something. The parameters go into the query: the server refuses a body."""
        request = self._http.build_request("DELETE", path, params=_plain(parameters))
        return await self._send(request, parameters)

    async def upload(self, path: str, body: Body) -> object:
        """Post a streamed body. It can be read once only, so nothing is repeated."""
        request = self._http.build_request(
            "POST",
            path,
            content=body.chunks,
            headers={"Content-Type": body.content_type, "Content-Length": str(body.length)},
            timeout=_UPLOAD_TIMEOUT,
        )
        return await self._send_once(request, NO_PARAMETERS)

    async def _send(self, request: httpx.Request, parameters: Parameters, *, repeatable: bool = False) -> object:
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

    async def _send_once(self, request: httpx.Request, parameters: Parameters) -> object:
        try:
            response = await self._http.send(request)
        except httpx.RequestError as error:
            raise _noted(_connection_error(error), request) from error
        if response.is_success:
            return _data(response)
        secrets = [self._secret, *(str(parameters[name]) for name in _SECRET_PARAMETERS if parameters.get(name))]
        raise _noted(
            diagnosis.answer_error(response.status_code, response.reason_phrase, _json(response), secrets), request
        )


def _pauses() -> Iterator[float]:
    """How long to wait before each repetition; at random, so that many callers do not come back at once."""
    return (pause * random.uniform(0.5, 1.5) for pause in _PAUSES)  # noqa: S311


def _plain(parameters: Parameters) -> dict[str, str]:
    """As the API wants it: booleans are 0 and 1."""
    return {name: str(int(value)) if isinstance(value, int) else value for name, value in parameters.items()}


def _json(response: httpx.Response) -> object:
    try:
        return response.json()
    except ValueError:
        return None


def _data(response: httpx.Response) -> object:
    body = _json(response)
    if not isinstance(body, dict) or "data" not in body:
        raise _noted(errors.UnexpectedAnswer("the answer is not a JSON object with data"), response.request)
    return body["data"]


def _connection_error(error: httpx.RequestError) -> errors.NoAnswer:
    text = str(error) or type(error).__name__
    if not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return errors.ConnectionLost(f"the answer was lost: {text}")
    if _untrusted(error):
        return errors.CertificateMismatch(text)
    return errors.Unreachable(f"no connection: {text}")


def _untrusted(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _noted(error: errors.PveError, request: httpx.Request) -> errors.PveError:
    error.add_note(f"in answer to {request.method} {request.url.path}")
    return error
