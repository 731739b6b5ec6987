"""A JSON body that the contract leaves without a schema."""

import json
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError

from bluelobster.http.text import refuse_control_characters


async def json_body(request: Request) -> Any:
    """The request's body, parsed; 422 when it is not JSON or holds control characters."""
    try:
        parsed = json.loads(await request.body())
        refuse_control_characters(parsed)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise unfit("the body must be JSON") from error
    except ValueError as error:
        raise unfit(str(error)) from error
    except RecursionError as error:
        raise unfit("the body is nested too deeply") from error
    return parsed


def unfit(rule: str) -> RequestValidationError:
    return RequestValidationError([{"type": "value_error", "loc": ("body",), "msg": rule}])


JsonBody = Annotated[Any, Depends(json_body)]
