"""Every error that the API answers with, as one tree. The body is `{"error", "message", …}`."""

from typing import ClassVar

from starlette.exceptions import HTTPException


class ApiError(Exception):
    """An answer other than success. `extra` goes into the body beside the code and the sentence, `headers` into the
    answer's headers."""

    status: ClassVar[int] = 500

    def __init__(self, code: str, message: str, **extra: object) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.extra = extra
        self.headers: dict[str, str] = {}

    def body(self) -> dict[str, object]:
        return {"error": self.code, "message": self.message, **self.extra}


class InvalidRequest(ApiError):
    """What was asked cannot be done, however often it is asked."""

    status = 400


class Unauthorized(ApiError):
    """The caller is nobody we know."""

    status = 401

    def __init__(self, message: str = "Invalid or missing API key") -> None:
        super().__init__("unauthorized", message)


class Forbidden(ApiError):
    """The caller may see the thing but not do this to it; the message names what is required."""

    status = 403

    def __init__(self, message: str) -> None:
        super().__init__("forbidden", message)


class AddressNotAllowed(ApiError):
    """The key is right, but may not be used from there."""

    status = 403

    def __init__(self, address: str) -> None:
        super().__init__("address_not_allowed", f"This key may not be used from {address or 'this address'}")


class NotFound(ApiError):
    """There is no such thing within the caller's sight."""

    status = 404


class Conflict(ApiError):
    """Not now: somebody else has it, or no room is left."""

    status = 409


class Unprocessable(ApiError):
    """The request is well formed but says something impossible."""

    status = 422


class TooLarge(HTTPException):
    """A body of more bytes than are read. FastAPI lets no other kind of exception out of reading one."""

    def __init__(self, most: int) -> None:
        super().__init__(413, f"The body must have at most {most} bytes")


class OperationFailed(ApiError):
    """The operation that was asked for ran and failed."""

    status = 500


class Unavailable(ApiError):
    """A part that this answer needs does not respond at the moment."""

    status = 503
