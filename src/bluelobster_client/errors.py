"""What can go wrong when talking to the API. Every error of this package is a `BlueLobsterError`."""

from collections.abc import Mapping
from dataclasses import dataclass


class BlueLobsterError(Exception):
    """Base of every error raised by this package."""


class CannotConnect(BlueLobsterError):
    """The API could not be reached, so nothing was done."""

    def __init__(self, api_url: str, reason: str) -> None:
        super().__init__(f"cannot reach {api_url}: {reason}")
        self.api_url = api_url
        self.reason = reason


class AnswerLost(CannotConnect):
    """The request was sent, but the connection ended before its answer: it may have been carried out."""


class UnexpectedAnswer(BlueLobsterError):
    """The answer is not what this API gives: not JSON, or a promised field is missing."""


@dataclass(frozen=True)
class FieldProblem:
    """One field of a request that the API refused, and why."""

    field: str
    message: str


class ApiError(BlueLobsterError):
    """The API answered with an error.

    `code` is the API's short name for it (`instance_not_found`), `message` its sentence, `body` the whole answer.
    `retry_after` is in how many seconds to ask again, where the API says so.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        body: Mapping[str, object] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.body: Mapping[str, object] = body or {}
        self.retry_after = retry_after

    @property
    def details(self) -> object:
        """What the API adds for programs, such as the valid values; None when it adds nothing."""
        return self.body.get("details")

    @property
    def request_id(self) -> str | None:
        """The id under which the operator finds this request."""
        return self._text("request_id")

    @property
    def task_id(self) -> str | None:
        """The task that failed, where the request had one."""
        return self._text("task_id")

    @property
    def fields(self) -> tuple[FieldProblem, ...]:
        """The refused fields, from `errors` or, failing that, from the `detail` list of a 422."""
        return _problems(self.body.get("errors")) or _problems(self.body.get("detail"))

    def _text(self, name: str) -> str | None:
        value = self.body.get(name)
        return value if isinstance(value, str) else None


class InvalidRequest(ApiError):
    """400 or 422: the request is malformed, or the thing is in a state that does not allow it (`invalid_state`)."""


class Unauthorized(ApiError):
    """401: no key, or one that is unknown, expired or revoked."""


class Forbidden(ApiError):
    """403: the key may see the thing but not do this with it."""


class NotFound(ApiError):
    """404: there is no such thing within the key's sight."""


class Conflict(ApiError):
    """409: another operation is under way, or there is no capacity."""


class TooManyRequests(ApiError):
    """429: too many requests of this key in too short a time; nothing was done."""


class ServerFault(ApiError):
    """5xx: the API failed, or is not there just now."""


_BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    422: InvalidRequest,
    429: TooManyRequests,
}


def api_error(status: int, body: object, retry_after: float | None) -> ApiError:
    """The error for an answer with this status and parsed body (None where the body is no JSON)."""
    fields: Mapping[str, object] = body if isinstance(body, dict) else {}
    code, message = fields.get("error"), fields.get("message")
    code = code if isinstance(code, str) else f"http_{status}"
    message = message if isinstance(message, str) else f"the API answered with status {status}"
    kind = _BY_STATUS.get(status, ServerFault if status >= 500 else ApiError)
    return kind(status, code, message, fields, retry_after)


def _problems(entries: object) -> tuple[FieldProblem, ...]:
    if not isinstance(entries, list):
        return ()
    return tuple(problem for entry in entries if (problem := _problem(entry)))


def _problem(entry: object) -> FieldProblem | None:
    if not isinstance(entry, dict):
        return None
    field, message = entry.get("field"), entry.get("message", entry.get("msg"))
    location = entry.get("loc")
    if not isinstance(field, str) and isinstance(location, list):
        field = ".".join(str(part) for part in location if part not in {"body", "query", "path"})
    return FieldProblem(field, message) if isinstance(field, str) and isinstance(message, str) else None
