"""A JSON body that the contract leaves without a schema."""

import json
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError

from bluelobster.http.text import unclean


async def json_body(request: Request) -> Any:
    """The request's body, parsed; 422 when it is not JSON or holds control characters."""
    try:
        parsed = json.loads(await request.body())
        broken = unclean(parsed)
    except ValueError as error:
        raise unfit("the body must be JSON") from error
    except RecursionError as error:
        raise unfit("the body is nested too deeply") from error
    if broken:
        raise RequestValidationError(
            [{"type": "control_characters", "loc": ("body", *place), "msg": rule} for place, rule in broken]
        )
    return parsed


def unfit(rule: str) -> RequestValidationError:
    return RequestValidationError([{"type": "value_error", "loc": ("body",), "msg": rule}])


JsonBody = Annotated[Any, Depends(json_body)]


async def optional_json_body(request: Request) -> Any:
    """The same, and None where there is no body at all."""
    return await json_body(request) if await request.body() else None


OptionalJsonBody = Annotated[Any, Depends(optional_json_body)]
