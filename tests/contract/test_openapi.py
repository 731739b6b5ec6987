"""The served OpenAPI against the contract, both ways, for every path that is served."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bluelobster.access.permissions import OPERATIONS, PUBLIC
from bluelobster.access.sealing import new_key
from bluelobster.app import create_app
from bluelobster.settings import Settings
from contract.shape import differences, shaped

CONTRACT = json.loads(Path(__file__).with_name("contract.json").read_text())

# In the contract and not served yet.
MISSING: set[tuple[str, str]] = set()


@pytest.fixture(scope="module")
def served() -> dict[str, Any]:
    return create_app(Settings(database_url="postgresql://nowhere", secret_key=new_key())).openapi()


def of_contract(document: dict[str, Any]) -> dict[str, Any]:
    """The part of a served document that the contract is about: no further paths, tags, schemas or ways to say who
    asks."""
    ours, theirs = shaped(document), shaped(CONTRACT)
    paths = {
        path: {method: facts for method, facts in item.items() if method in theirs["paths"].get(path, {})}
        for path, item in ours["paths"].items()
    }
    schemas = {name: body for name, body in ours["schemas"].items() if name in theirs["schemas"]}
    tags = [tag for tag in ours["tags"] if tag in theirs["tags"]]
    schemes = {name: body for name, body in ours["securitySchemes"].items() if name in theirs["securitySchemes"]}
    kept = {path: item for path, item in paths.items() if item}
    return {**ours, "paths": kept, "schemas": schemas, "securitySchemes": schemes, "tags": tags}


def expected(document: dict[str, Any]) -> dict[str, Any]:
    """The contract without what is missing."""
    whole = shaped(CONTRACT)
    paths: dict[str, dict[str, Any]] = {}
    for path, item in whole["paths"].items():
        for method in item:
            if (path, method) not in MISSING:
                paths.setdefault(path, {})[method] = item[method]
    schemas = {name: body for name, body in whole["schemas"].items() if name in document["schemas"]}
    return {**whole, "paths": paths, "schemas": schemas}


SAYS_MORE = re.compile(r"/responses/\d+(/[^/]+/[^/]+(/schema)?)?: not in the contract")


def says_more(difference: str) -> bool:
    """Whether a difference is no more than a further answer, or a schema for one that the contract leaves without."""
    return SAYS_MORE.search(difference) is not None


def test_what_is_served_is_what_the_contract_says(served: dict[str, Any]) -> None:
    ours = of_contract(served)
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
    ours = of_contract(served)
    changed = copy.deepcopy(ours)
    change(changed)
    assert [each for each in differences(changed, expected(ours)) if not says_more(each)] != []


def test_every_operation_is_in_the_permission_table_or_public(served: dict[str, Any]) -> None:
    names = {
        operation["operationId"].partition("_api_v1_")[0]
        for item in served["paths"].values()
        for operation in item.values()
    }
    assert names == set(OPERATIONS) | PUBLIC
    assert not PUBLIC & set(OPERATIONS)
