"""From exceptions to answers: one shape for all of them, unknown routes and crashes included."""

import json
import logging
import re
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg import OperationalError
from psycopg.errors import ReadOnlySqlTransaction
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response

from bluelobster.db.conflicts import CONFLICTS
from bluelobster.http.errors import ApiError, TooLarge, Unavailable
from bluelobster.http.rate_headers import counted_headers
from bluelobster.http.requests import request_id
from bluelobster.http.validation import validation_body

log = logging.getLogger(__name__)

PARAMETER = re.compile(r"\{[^}]+\}")
CODES = {404: "not_found", 405: "method_not_allowed"}


class JsonResponse(Response):
    """JSON that is never anything else: `NaN` is refused, text stays readable."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def too_large(error: TooLarge) -> Response:
    """The answer to a body that is not read to its end."""
    return JsonResponse({"error": "request_too_large", "message": error.detail}, status_code=error.status_code)


def answer_errors(app: FastAPI) -> None:
    """Give every error of `app` the API's shape."""

    @app.exception_handler(ApiError)
    async def known(_request: Request, error: ApiError) -> Response:
        return JsonResponse(error.body(), status_code=error.status, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def unfit(_request: Request, error: RequestValidationError) -> Response:
        return JsonResponse(validation_body(error.errors()), status_code=422)

    @app.exception_handler(TooLarge)
    async def cut_off(_request: Request, error: TooLarge) -> Response:
        return too_large(error)

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> Response:
        code = CODES.get(error.status_code, "invalid_request" if error.status_code < 500 else "internal_error")
        message = f"{HTTPStatus(error.status_code).phrase}: {request.method} {request.url.path}"
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and (methods := allowed_methods(request)):
            headers["Allow"] = ", ".join(methods)
        return JsonResponse({"error": code, "message": message}, status_code=error.status_code, headers=headers)

    @app.exception_handler(OperationalError)
    @app.exception_handler(PoolTimeout)
    @app.exception_handler(ReadOnlySqlTransaction)
    async def no_database(_request: Request, error: Exception) -> Response:
        if isinstance(error, CONFLICTS):
            log.error("two requests were in each other's way: %s", error)
        else:
            log.error("the database does not answer, or takes nothing: %s", error)
        gone = Unavailable("service_unavailable", "The service is not available at the moment; try again shortly")
        return JsonResponse(gone.body(), status_code=gone.status, headers={"Retry-After": "2"})

    @app.exception_handler(Exception)
    async def crash(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        body = {
            "error": "internal_error",
            "message": "Something went wrong on our side; quote the request id when you ask about it",
            "request_id": request_id.get(),
        }
        headers = {"X-Request-Id": request_id.get(), **counted_headers(request.scope)}
        return JsonResponse(body, status_code=500, headers=headers)


def allowed_methods(request: Request) -> list[str]:
    """What can be asked of a path of the API, where each method is a route of its own."""
    paths, asked = request.app.openapi()["paths"], request.url.path
    # A path of its own, such as `/instances/log`, is not also the one of an instance.
    fitting = (
        [asked] if asked in paths else [path for path in paths if re.fullmatch(PARAMETER.sub("[^/]+", path), asked)]
    )
    methods = {method.upper() for path in fitting for method in paths[path]}
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))
