"""Open connections to hosts, one client each, renewed when the host's record changes."""

import math
import time
from types import TracebackType

from bluelobster.access.sealing import Seal
from bluelobster.catalog.hosts import Host, find_host
from bluelobster.db.pool import Pool
from bluelobster.pve import PveClient

FRESH_SECONDS = 2.0


class Connections:
    """Clients by host id. Use as a context: leaving it closes them all."""

    def __init__(self, pool: Pool, seal: Seal) -> None:
        self._pool = pool
        self._seal = seal
        self._clients: dict[str, tuple[Host, PveClient]] = {}
        self._read: dict[str, float] = {}

    async def __aenter__(self) -> "Connections":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, client in self._clients.values():
            await client.aclose()

    async def to(self, host_id: str) -> PveClient:
        """The client of a host, by a record that is at most two seconds old; LookupError for one that is not on
        record."""
        if time.monotonic() - self._read.get(host_id, -math.inf) < FRESH_SECONDS:
            return self._clients[host_id][1]
        async with self._pool.connection() as connection:
            host = await find_host(connection, host_id)
        if host is None:
            raise LookupError(f"host {host_id} is not on record")
        return await self.to_host(host)

    async def to_host(self, host: Host) -> PveClient:
        """The client of a host whose record is at hand."""
        known = self._clients.get(host.id)
        if known is not None and same_way(known[0], host):
            self._read[host.id] = time.monotonic()
            return known[1]
        client = PveClient(host.endpoint(self._seal), host.node)
        self._clients[host.id] = (host, client)
        self._read[host.id] = time.monotonic()
        if known is not None:
            await known[1].aclose()
        return client


def same_way(one: Host, other: Host) -> bool:
    """Whether two records of a host lead to the same place with the same token."""
    return (one.api_url, one.node, one.token_sealed, one.fingerprint) == (
        other.api_url,
        other.node,
        other.token_sealed,
        other.fingerprint,
    )
