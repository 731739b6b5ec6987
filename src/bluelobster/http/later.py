"""An answer that is known only some time after the request's transaction was committed."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bluelobster.http.errors import ApiError
from bluelobster.http.handlers import JsonResponse


class Later(JsonResponse):
    """Waits for its answer when it is about to be sent, which is after the commit.

    `meanwhile` is what can be said at once. `settled`, if set, is told the final answer before the caller is.
    """

    def __init__(self, meanwhile: Mapping[str, Any], wait: Callable[[], Awaitable[Mapping[str, Any]]]) -> None:
        super().__init__(meanwhile)
        self._wait = wait
        self.settled: Callable[[Response], Awaitable[None]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._final()
        if self.settled is not None:
            await self.settled(answer)
        await answer(scope, receive, send)

    async def _final(self) -> Response:
        try:
            return JsonResponse(await self._wait())
        except ApiError as error:
            return JsonResponse(error.body(), status_code=error.status, headers=error.headers)
