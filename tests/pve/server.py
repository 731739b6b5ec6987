"""A server that judges every request and gives recorded answers."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs

import httpx

from bluelobster.pve import Endpoint, PveClient
from bluelobster.pve.wire import Answer, Request
from pve import schema
from pve.multipart import parse_upload
from pve.recordings import Exchange, exchanges

ENDPOINT = Endpoint("https://127.0.0.1:8006", "cloud@pve!api=5e0f7a9c-0000-4000-8000-secret000001")
NODE = "pve1"
UPID = "UPID:pve1:0000046C:00061C6C:6B041696:qmcreate:101:cloud@pve!api:"

Handler = Callable[[httpx.Request], httpx.Response] | Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]


def client_of(handler: Handler) -> PveClient:
    """A client whose requests all go to `handler`."""
    return PveClient(ENDPOINT, NODE, wire=HandledWire(handler))


@dataclass
class HandledWire:
    """Instead of a network: gives every request to a handler. What a handler raises is what became of it."""

    handler: Handler

    async def send(self, request: Request) -> Answer:
        streamed = request.content
        content = streamed if isinstance(streamed, bytes) else b"".join([part async for part in streamed])
        answer = self.handler(
            httpx.Request(
                request.method,
                f"{ENDPOINT.url}{request.path}",
                headers=request.headers,
                content=content,
                extensions={"seconds": request.seconds},
            )
        )
        response = answer if isinstance(answer, httpx.Response) else await answer
        return Answer(response.status_code, response.reason_phrase, response.content)

    async def aclose(self) -> None:
        return None


def answering(status: int, body: Any, reason: str = "") -> PveClient:
    """A client that gets one and the same answer to everything."""
    extensions = {"reason_phrase": reason.encode()}
    return client_of(lambda _: httpx.Response(status, json=body, extensions=extensions))


@dataclass
class JudgingServer:
    """Answers as recorded and keeps what it would have refused. `seen` holds `METHOD /path/{template}`."""

    problems: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    parameters: list[dict[str, str]] = field(default_factory=list)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        prefix, _, path = request.url.raw_path.decode().partition("?")[0].partition("/api2/json")
        template, _, _ = schema.operation(request.method, path)
        parameters = self._parameters(request)
        found = schema.problems(request.method, path, parameters)
        self.problems += [f"{request.method} {template}: {problem}" for problem in found]
        self.seen.append(f"{request.method} {template}")
        self.parameters.append(parameters)
        assert prefix == ""
        assert request.headers["Authorization"] == f"PVEAPIToken={ENDPOINT.token}"
        return httpx.Response(200, json=recorded_answer(request.method, template))

    def _parameters(self, request: httpx.Request) -> dict[str, str]:
        query = _form(request.url.query.decode())
        kind = request.headers.get("Content-Type", "")
        if kind.startswith("multipart/"):
            return parse_upload(kind, request.content).fields
        body = request.content
        if body and request.method not in ("POST", "PUT"):
            self.problems.append(f"{request.method} with a body")
        if body and query:
            self.problems.append("parameters both in the query and in the body")
        return {**query, **_form(body.decode())}


def _form(encoded: str) -> dict[str, str]:
    parsed = parse_qs(encoded, keep_blank_values=True, strict_parsing=bool(encoded))
    assert all(len(values) == 1 for values in parsed.values())
    return {name: values[0] for name, values in parsed.items()}


@cache
def recorded_answer(method: str, template: str) -> Any:
    """The fullest answer of the real server to this call, or a UPID where it was never recorded."""
    found = [
        exchange.body for exchange in exchanges() if exchange.status == 200 and _is_call(exchange, method, template)
    ]
    return max(found, key=lambda body: len(str(body)), default={"data": UPID})


def _is_call(exchange: Exchange, method: str, template: str) -> bool:
    try:
        return exchange.method == method and schema.operation(method, exchange.path)[0] == template
    except LookupError:
        return False
