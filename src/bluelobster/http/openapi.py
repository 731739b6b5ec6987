"""The served OpenAPI: what FastAPI knows, and the contract's answers and examples, added in one place."""

import json
from collections.abc import Callable, Collection
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from fastapi import FastAPI

from bluelobster.http.error_answers import ERROR_CONTENT, ERROR_SCHEMA, error_answers

TAGS = {
    "INSTANCES": "Launch, look at, rename, power and delete machines",
    "BACKUPS": "Back machines up and restore them",
    "CONSOLE": "The screen of a machine",
    "MONITORING": "What a machine uses right now",
    "TASKS": "The progress and outcome of operations that take time",
    "RESOURCES": "What hosts have to give, for staff",
    "HEALTH": "Whether the service and its parts work",
    "FIREWALL": "What may reach a machine, and what it may reach",
    "SSH KEYS": "Keys that launches name",
    "KEYS": "Keys of this API",
    "ACCOUNT": "The account itself, and how much it may have",
    "USERS": "People who sign in",
    "TEAMS": "Who works with which machines",
    "EVENTS": "What happened, and who did it",
    "BILLING": "What it costs",
    "ADMINISTRATION": "What the operator's own people keep in order",
}


def answers_of_contract() -> dict[str, dict[str, Any]]:
    """By operationId and status code: the media types with schema and examples."""
    text = files("bluelobster.http").joinpath("answers.json").read_text()
    answers: dict[str, dict[str, Any]] = json.loads(text)
    return answers


def complete_openapi(app: FastAPI, may_be_forbidden: Callable[[str], bool], costly: Collection[str]) -> None:
    """Let `/openapi.json` hold every answer that the contract documents, and every error that can occur.
    `may_be_forbidden` knows by an operation's function name whether there is a role that may not do it; `costly` are
    those that an account has to pay for."""
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generated()
            answers = answers_of_contract()
            for path, item in document["paths"].items():
                for method, operation in item.items():
                    _add_answers(operation, answers.get(operation["operationId"], {}))
                    name = operation["operationId"].partition("_api_v1_")[0]
                    _add_errors(operation, dict(error_answers(path, method, operation, may_be_forbidden(name))))
                    if name in costly:
                        _add_errors(operation, {"402": "The account has to pay first"})
            document["components"]["schemas"]["Error"] = ERROR_SCHEMA
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


def _add_errors(operation: dict[str, Any], errors: dict[str, str]) -> None:
    """Errors that are not there yet; those that the contract documents by example alone get the schema of all."""
    responses = operation["responses"]
    for code, meaning in errors.items():
        responses.setdefault(code, {"description": meaning})
    for code in [code for code in responses if code >= "400"]:
        for media_type, content in ERROR_CONTENT.items():
            known = responses[code].setdefault("content", {}).setdefault(media_type, {})
            known.setdefault("schema", content["schema"])
    operation["responses"] = dict(sorted(responses.items()))
