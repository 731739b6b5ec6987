"""How much a request may bring: what is larger is refused before it is read."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bluelobster.http.handlers import JsonResponse

LARGEST_BODY = 1 << 20


class TooLarge(Exception):
    """More came than was announced."""


class BodyLimit:
    """Answers 413 to a body of more than 1 MiB; one that does not say its length is cut off there."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        if not length.isdecimal() or int(length) > LARGEST_BODY:
            message = f"The body must have at most {LARGEST_BODY} bytes"
            refusal = JsonResponse({"error": "request_too_large", "message": message}, status_code=413)
            await refusal(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > LARGEST_BODY:
                raise TooLarge
            return message

        await self.app(scope, counted, send)
