"""A route that knows its caller before it reads anything else."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response, Security
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader

from bluelobster.access.admission import Admission
from bluelobster.access.audit import Line, audited, line_of
from bluelobster.access.once import around, once_of, within
from bluelobster.access.permissions import OPERATIONS, READ
from bluelobster.access.principal import Principal
from bluelobster.clock import Clock
from bluelobster.db.pool import Pool, Tx, transaction

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
            principal = await admission_of(request).admit(request, pool_of(request), clock_of(request).now())
            request.state.principal = principal
            if not changes_something:
                return await permitted(request, principal)
            line = line_of(request, principal, self.endpoint.__name__, self.status_code or 200)
            return await audited(line, pool_of(request), clock_of(request), lambda: permitted(request, principal))

        async def permitted(request: Request, principal: Principal) -> Response:
            principal.require(requirement)
            once = await once_of(request, principal) if makes_something else None
            if once is None:
                return await answer(request)
            if not in_transaction:
                return await around(once, pool_of(request), request, answer)
            async with transaction(pool_of(request)) as tx:
                request.state.tx = tx
                return await within(once, tx, pool_of(request), request, answer)

        return identify_first


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


def caller_of(request: Request, _key: Annotated[str | None, Security(KEY_HEADER)]) -> Principal:
    principal: Principal = request.state.principal
    return principal


async def transaction_of(request: Request) -> AsyncIterator[Tx]:
    line: Line | None = getattr(request.state, "line", None)
    async with AsyncExitStack() as stack:
        outer: Tx | None = getattr(request.state, "tx", None)
        tx = outer or await stack.enter_async_context(transaction(pool_of(request)))
        yield tx
        if line is not None:
            await line.accept(tx, clock_of(request))


def mark_section(_mark: Annotated[Any, Query(alias="_mark_section", title=" Mark Section")] = None) -> None:
    """Accepted because published clients send it, and ignored."""


Caller = Annotated[Principal, Depends(caller_of)]
Transaction = Annotated[Tx, Depends(transaction_of, scope="function")]
Database = Annotated[Pool, Depends(pool_of)]
Time = Annotated[Clock, Depends(clock_of)]
MARKED = [Depends(mark_section)]
