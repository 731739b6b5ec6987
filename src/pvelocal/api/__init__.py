"""The calls that the node answers, a file for each noun."""

from collections.abc import Sequence

from pvelocal.api import (
    access,
    agent,
    cloudinit,
    cluster,
    config,
    console,
    create,
    firewall,
    machine,
    power,
    resize,
    tasks,
    volumes,
)
from pvelocal.routing import Route

ROUTES: Sequence[Route] = (
    *access.ROUTES,
    *agent.ROUTES,
    *cloudinit.ROUTES,
    *cluster.ROUTES,
    *config.ROUTES,
    *console.ROUTES,
    *create.ROUTES,
    *firewall.ROUTES,
    *machine.ROUTES,
    *power.ROUTES,
    *resize.ROUTES,
    *tasks.ROUTES,
    *volumes.ROUTES,
)
"""All of them."""
