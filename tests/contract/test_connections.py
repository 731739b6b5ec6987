"""A request holds one connection: two of its own would let requests wait for one another until none is left."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from bluelobster.access.route import reading_of, transaction_of, uses
from cloud import built_app


def every_route(routes: Iterable[BaseRoute]) -> list[APIRoute]:
    """Those of included routers, too."""
    found = []
    for route in routes:
        if isinstance(route, APIRoute):
            found.append(route)
        found += every_route(getattr(getattr(route, "original_router", None), "routes", ()))
    return found


ROUTES = every_route(built_app().routes)


def test_all_routes_are_looked_at() -> None:
    assert {"get_task_status", "launch_standard_instance"} <= {route.endpoint.__name__ for route in ROUTES}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.endpoint.__name__)
def test_one_connection(route: APIRoute) -> None:
    assert not holds(route, reading_of) or not holds(route, transaction_of)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.endpoint.__name__)
def test_only_what_changes_nothing_reads_without_a_transaction(route: APIRoute) -> None:
    assert not holds(route, reading_of) or route.methods == {"GET"}


def holds(route: APIRoute, dependency: Callable[..., Any]) -> bool:
    return uses(route.dependant, dependency)
