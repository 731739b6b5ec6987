"""The served OpenAPI against the contract, both ways, for every path that is served."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bluelobster.access.permissions import OPERATIONS
from bluelobster.access.sealing import new_key
from bluelobster.app import create_app
from bluelobster.settings import Settings
from contract.shape import differences, shaped

CONTRACT = json.loads(Path(__file__).with_name("contract.json").read_text())

SERVED = {
    ("/api/v1/health", "get"),
    ("/api/v1/tasks/{task_id}", "get"),
    ("/api/v1/tasks", "get"),
    ("/api/v1/instances/templates", "get"),
    ("/api/v1/instances/available", "get"),
    ("/api/v1/instances", "get"),
    ("/api/v1/instances/launch-instance", "post"),
    ("/api/v1/instances/{instance_id}", "get"),
    ("/api/v1/instances/{instance_id}", "delete"),
    ("/api/v1/instances/{instance_id}/reboot", "post"),
    ("/api/v1/instances/{instance_id}/shutdown", "post"),
    ("/api/v1/instances/{instance_id}/force-shutdown", "post"),
    ("/api/v1/instances/{instance_id}/power-on", "post"),
    ("/api/v1/instances/{instance_id}/power-cycle", "post"),
    ("/api/v1/instances/{instance_id}/rename", "put"),
    ("/api/v1/instances/{instance_id}/stats", "get"),
    ("/api/v1/instances/log", "post"),
    ("/api/v1/instances/launch-custom", "post"),
}


@pytest.fixture
def served() -> dict[str, Any]:
    return create_app(Settings(database_url="postgresql://nowhere", secret_key=new_key())).openapi()


BEYOND = {("/api/v1/resources", "get")}


def expected(document: dict[str, Any]) -> dict[str, Any]:
    """The part of the contract that is about what is served."""
    whole = shaped(CONTRACT)
    paths: dict[str, dict[str, Any]] = {}
    for path, method in sorted(SERVED):
        paths.setdefault(path, {})[method] = whole["paths"][path][method]
    schemas = {name: body for name, body in whole["schemas"].items() if name in document["schemas"]}
    return {**whole, "paths": paths, "schemas": schemas}


def says_more(difference: str) -> bool:
    """Whether a difference is no more than a schema for an answer that the contract leaves without one."""
    return "/responses/" in difference and "/schema: not in the contract" in difference


def test_what_is_served_is_what_the_contract_says(served: dict[str, Any]) -> None:
    ours = shaped(served)
    assert {(path, method) for path, item in served["paths"].items() for method in item} == SERVED | BEYOND
    for path, _ in BEYOND:
        ours["paths"].pop(path)
    assert [each for each in differences(ours, expected(ours)) if not says_more(each)] == []


CHANGES: tuple[Callable[[dict[str, Any]], object], ...] = (
    lambda d: d["paths"]["/api/v1/tasks"]["get"]["parameters"].pop(),
    lambda d: d["paths"]["/api/v1/tasks"]["get"]["responses"].pop("401"),
    lambda d: d["paths"]["/api/v1/instances/launch-instance"]["post"].pop("requestBody"),
    lambda d: d["schemas"]["LaunchInstanceRequest"]["properties"]["username"].update(maxLength=33),
    lambda d: d["schemas"]["LaunchInstanceRequest"]["required"].remove("region"),
    lambda d: d["schemas"]["VMInstance"]["properties"].update(colour={"type": "string"}),
    lambda d: d["securitySchemes"]["APIKeyHeader"].update(name="X-Key"),
)


@pytest.mark.parametrize("change", CHANGES)
def test_a_difference_would_be_seen(served: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> None:
    ours = shaped(served)
    changed = copy.deepcopy(ours)
    change(changed)
    assert [each for each in differences(changed, expected(ours)) if not says_more(each)] != []


def test_every_operation_but_health_is_in_the_permission_table(served: dict[str, Any]) -> None:
    names = {
        operation["operationId"].partition("_api_v1_")[0]
        for path, item in served["paths"].items()
        for operation in item.values()
        if path != "/api/v1/health"
    }
    assert names == set(OPERATIONS)
