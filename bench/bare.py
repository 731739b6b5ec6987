"""The yardstick: a bare Starlette application that answers with the same bytes, without knowing anything."""

import json
import os
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

BODIES: dict[str, str] = json.loads(Path(os.environ["BENCH_BODIES"]).read_text())


async def answer(request: Request) -> Response:
    return Response(BODIES[request.url.path], media_type="application/json")


app = Starlette(routes=[Route(path, answer) for path in BODIES])

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["BENCH_PORT"]), log_config=None, access_log=False, server_header=False)
