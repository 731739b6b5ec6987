"""A route that knows its caller before it reads anything else."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response, Security
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from bluelobster.access.admission import Admission
from bluelobster.access.audit import code_of, line_of, settle
from bluelobster.access.once import REPLAYED, around, once_of, within
from bluelobster.access.permissions import OPERATIONS, READ
from bluelobster.access.principal import Principal
from bluelobster.access.sessions import Session
from bluelobster.clock import Clock
from bluelobster.db.pool import Pool, Tx, transaction
from bluelobster.http.errors import NotFound
from bluelobster.http.text import CONTROL

# Opens the request's transaction, once, where something has to be asked elsewhere before.
Open = Callable[[], AbstractAsyncContextManager[Tx]]

KEY_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="An API key of your account")


class IdentifiedRoute(APIRoute):
    """Finds out who asks, and whether they may, before the body is parsed: a stranger learns nothing from a 422."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()
        requirement = OPERATIONS[self.endpoint.__name__]
        makes_something = self.methods == {"POST"} and requirement is not READ
        changes_something = self.methods != {"GET"} and requirement is not READ
        in_transaction = uses(self.dependant, transaction_of)

        async def identify_first(request: Request) -> Response:
            found = await admission_of(request).admit(request, pool_of(request), clock_of(request).now())
            principal = acting(found, request)
            if CONTROL.search(request.scope["path"]):
                raise NotFound("not_found", "Nothing has a name with control characters")
            request.state.principal = principal
            if not changes_something:
                return await permitted(request, principal)
            line = line_of(request, principal, self.endpoint.__name__, self.status_code or 200)
            try:
                return await permitted(request, principal)
            except Exception as error:
                line.error = code_of(error)
                raise

        async def permitted(request: Request, principal: Principal) -> Response:
            host = request.client.host if request.client else ""
            principal.require_address(host)
            admission_of(request).note_use(principal, host, clock_of(request).now())
            principal.require(requirement)
            once = await once_of(request, principal) if makes_something else None
            if once is None:
                return await answer(request)
            if not in_transaction:
                return await around(once, pool_of(request), request, answer)
            async with audited_transaction(request) as tx:
                request.state.tx = tx
                response = await within(once, tx, pool_of(request), request, answer)
                if REPLAYED in response.headers:
                    request.state.line = None
                return response

        return identify_first

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def settled(message: Message) -> None:
            if message["type"] == "http.response.start":
                await settle(scope, message["status"], Headers(raw=message["headers"]))
            await send(message)

        try:
            await super().handle(scope, receive, settled)
        except Exception:
            await settle(scope, 500, Headers())
            raise


def acting(found: Principal | Session, request: Request) -> Principal:
    """The caller; who is signed in says by headers where they act. Raises Forbidden and InvalidRequest."""
    if isinstance(found, Principal):
        return found
    return found.principal(request.headers.get("X-Account"), request.headers.get("X-Team"))


def uses(dependant: Dependant, dependency: Callable[..., Any]) -> bool:
    """Whether a route depends on something, however far down."""
    return any(each.call is dependency or uses(each, dependency) for each in dependant.dependencies)


def pool_of(request: Request) -> Pool:
    pool: Pool = request.app.state.pool
    return pool


def admission_of(request: Request) -> Admission:
    admission: Admission = request.app.state.admission
    return admission


def clock_of(request: Request) -> Clock:
    clock: Clock = request.app.state.clock
    return clock


# Dependencies are coroutines although they wait for nothing: FastAPI hands functions to threads.


async def caller_of(request: Request, _key: Annotated[str | None, Security(KEY_HEADER)]) -> Principal:
    principal: Principal = request.state.principal
    return principal


async def transaction_of(request: Request) -> AsyncIterator[Tx]:
    if hasattr(request.state, "tx"):
        yield request.state.tx
        return
    async with audited_transaction(request) as tx:
        yield tx


async def reading_of(request: Request) -> AsyncIterator[Tx]:
    async with pool_of(request).connection() as connection:
        yield connection


@asynccontextmanager
async def audited_transaction(request: Request) -> AsyncIterator[Tx]:
    """The request's transaction; one that changes something leaves its line in the audit log with it."""
    async with transaction(pool_of(request)) as tx:
        yield tx
        line = getattr(request.state, "line", None)
        if line is not None:
            await line.accept(tx, clock_of(request))
    if line is not None:
        line.kept = True


async def opener_of(request: Request) -> Open:
    return partial(audited_transaction, request)


async def database_of(request: Request) -> Pool:
    return pool_of(request)


async def time_of(request: Request) -> Clock:
    return clock_of(request)


async def mark_section(_mark: Annotated[Any, Query(alias="_mark_section", title=" Mark Section")] = None) -> None:
    """Accepted because published clients send it, and ignored."""


Caller = Annotated[Principal, Depends(caller_of)]
Transaction = Annotated[Tx, Depends(transaction_of, scope="function")]
# For what only reads: each statement sees what is committed when it begins, with a transaction around it or without.
Reading = Annotated[Tx, Depends(reading_of, scope="function")]
Opener = Annotated[Open, Depends(opener_of)]
Database = Annotated[Pool, Depends(database_of)]
Time = Annotated[Clock, Depends(time_of)]
MARKED = [Depends(mark_section)]
