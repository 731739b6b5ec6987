"""The calls that the node answers, a file for each noun."""

from collections.abc import Sequence

from pvelocal.api import (
    access,
    agent,
    backups,
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
    vzdump,
)
from pvelocal.routing import Route

ROUTES: Sequence[Route] = (
    *access.ROUTES,
    *agent.ROUTES,
    *backups.ROUTES,
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
    *vzdump.ROUTES,
)
"""All of them."""
