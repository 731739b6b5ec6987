"""`RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` in every answer that was counted."""

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bluelobster.http.rates import Allowance


def note_allowance(request: Request, allowance: Allowance) -> None:
    """Let the answer to this request tell it."""
    request.state.allowance = allowance


def counted_headers(scope: Scope) -> dict[str, str]:
    """What was noted, as headers."""
    allowance: Allowance | None = scope.get("state", {}).get("allowance")
    return {} if allowance is None else allowance.headers()


class RateHeaders:
    """Adds what was noted while the request was answered."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(counted_headers(scope))
            await send(message)

        await self.app(scope, receive, counted)
