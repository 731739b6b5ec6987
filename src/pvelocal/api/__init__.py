"""The calls that the node answers, a file for each noun."""

from collections.abc import Sequence

from pvelocal.api import access, agent, cloudinit, cluster, config, create, machine, power, resize, tasks, volumes
from pvelocal.routing import Route

ROUTES: Sequence[Route] = (
    *access.ROUTES,
    *agent.ROUTES,
    *cloudinit.ROUTES,
    *cluster.ROUTES,
    *config.ROUTES,
    *create.ROUTES,
    *machine.ROUTES,
    *power.ROUTES,
    *resize.ROUTES,
    *tasks.ROUTES,
    *volumes.ROUTES,
)
"""All of them."""
