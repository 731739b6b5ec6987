"""How much a request may bring: what is larger is refused before it is read."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bluelobster.http.errors import TooLarge
from bluelobster.http.handlers import too_large

LARGEST_BODY = 1 << 20
# Whoever has no key yet says little: an address, a password, a token.
LARGEST_OF_STRANGERS = 8 << 10
FOR_STRANGERS = "/api/v1/auth/"


class BodyLimit:
    """Answers 413 to a body of more than 1 MiB, or 8 KiB where no key is asked for; one that does not say its length is
    cut off there."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        largest = LARGEST_OF_STRANGERS if scope["path"].startswith(FOR_STRANGERS) else LARGEST_BODY
        length = Headers(scope=scope).get("content-length", "0")
        if not length.isdecimal() or int(length) > largest:
            await too_large(TooLarge(largest))(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > largest:
                raise TooLarge(largest)
            return message

        await self.app(scope, counted, send)
