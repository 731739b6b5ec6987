"""The served OpenAPI: what FastAPI knows, and the contract's answers and examples, added in one place."""

import json
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from fastapi import FastAPI

TAGS = {
    "INSTANCES": "Launch, look at, rename, power and delete machines",
    "BACKUPS": "Back machines up and restore them",
    "CONSOLE": "The screen of a machine",
    "MONITORING": "What a machine uses right now",
    "TASKS": "The progress and outcome of operations that take time",
    "RESOURCES": "What hosts have to give, for staff",
    "HEALTH": "Whether the service and its parts work",
    "FIREWALL": "What may reach a machine, and what it may reach",
}


def answers_of_contract() -> dict[str, dict[str, Any]]:
    """By operationId and status code: the media types with schema and examples."""
    text = files("bluelobster.http").joinpath("answers.json").read_text()
    answers: dict[str, dict[str, Any]] = json.loads(text)
    return answers


def complete_openapi(app: FastAPI) -> None:
    """Let `/openapi.json` hold every answer that the contract documents."""
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generated()
            answers = answers_of_contract()
            for path in document["paths"].values():
                for operation in path.values():
                    _add_answers(operation, answers.get(operation["operationId"], {}))
            document["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _add_answers(operation: dict[str, Any], answers: dict[str, Any]) -> None:
    responses = operation["responses"]
    for code, media in answers.items():
        known = responses.setdefault(code, {"description": HTTPStatus(int(code)).phrase})
        for media_type, content in media.items():
            known.setdefault("content", {}).setdefault(media_type, {}).update(content)
