"""A route that knows its caller before it reads anything else."""

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader

from bluelobster.access.permissions import OPERATIONS
from bluelobster.access.principal import Principal, identify
from bluelobster.clock import Clock
from bluelobster.db.pool import Pool, Tx, transaction

KEY_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="An API key of your account")


class IdentifiedRoute(APIRoute):
    """Finds out who asks, and whether they may, before the body is parsed: a stranger learns nothing from a 422."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()
        requirement = OPERATIONS[self.endpoint.__name__]

        async def identify_first(request: Request) -> Response:
            principal = await identify(pool_of(request), request.headers.get("X-API-Key"), clock_of(request).now())
            principal.require(requirement)
            request.state.principal = principal
            return await answer(request)

        return identify_first


def pool_of(request: Request) -> Pool:
    pool: Pool = request.app.state.pool
    return pool


def clock_of(request: Request) -> Clock:
    clock: Clock = request.app.state.clock
    return clock


def caller_of(request: Request, _key: Annotated[str | None, Security(KEY_HEADER)]) -> Principal:
    principal: Principal = request.state.principal
    return principal


async def transaction_of(request: Request) -> AsyncIterator[Tx]:
    async with transaction(pool_of(request)) as tx:
        yield tx


def mark_section(_mark: Annotated[Any, Query(alias="_mark_section", title=" Mark Section")] = None) -> None:
    """Accepted because published clients send it, and ignored."""


Caller = Annotated[Principal, Depends(caller_of)]
Transaction = Annotated[Tx, Depends(transaction_of, scope="function")]
Database = Annotated[Pool, Depends(pool_of)]
Time = Annotated[Clock, Depends(clock_of)]
MARKED = [Depends(mark_section)]
