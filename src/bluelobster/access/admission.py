"""Who is let in, and how often: callers by their key, whoever has none or a wrong one by address."""

import time
from datetime import datetime
from ipaddress import IPv4Address, ip_address, ip_network

from fastapi import Request

from bluelobster.access.keys import hash_of
from bluelobster.access.last_use import LastUses
from bluelobster.access.principal import Principal, identify
from bluelobster.db.pool import Pool
from bluelobster.http.errors import Unauthorized
from bluelobster.http.rate_headers import note_allowance
from bluelobster.http.rates import MANY, Allowance, Rate, Rates, TooManyRequests

# Providers give each of their customers at least such a network.
IPV6_CUSTOMER = 64


class Admission:
    """Counts each request once. An address that was refused too often is turned away unread, except with a key that was
    right before: somebody who guesses must not lock out the others behind the same address."""

    def __init__(self, rates: Rates, callers: Rate, strangers: Rate, uses: LastUses) -> None:
        self.rates = rates
        self.uses = uses
        self._callers = callers
        self._strangers = strangers
        self._right: set[bytes] = set()
        self._shut: dict[str, tuple[float, Allowance]] = {}

    async def admit(self, request: Request, pool: Pool, now: datetime) -> Principal:
        """The caller. Raises Unauthorized and TooManyRequests."""
        key = request.headers.get("X-API-Key")
        digest = hash_of(key) if key else b""
        address = origin_of(request.client.host if request.client else "")
        known = digest in self._right
        if known:
            await self._count(request, f"key:{digest.hex()}", self._callers)
        else:
            self._refuse_shut(request, address)
        try:
            principal = await identify(pool, key, now)
        except Unauthorized:
            self._right.discard(digest)
            await self.count_stranger(request)
            raise
        if not known:
            await self._count(request, f"key:{digest.hex()}", self._callers)
            self._remember(digest)
        return principal

    async def _count(self, request: Request, name: str, rate: Rate) -> None:
        allowance = await self.rates.take(name, rate)
        note_allowance(request, allowance)
        if not allowance.granted:
            raise TooManyRequests(allowance)

    async def count_stranger(self, request: Request) -> None:
        """Somebody was not who they said. Raises TooManyRequests."""
        address = origin_of(request.client.host if request.client else "")
        try:
            await self._count(request, f"address:{address}", self._strangers)
        except TooManyRequests:
            refused: Allowance = request.state.allowance
            if len(self._shut) >= MANY:
                self._shut.clear()
            self._shut[address] = (time.monotonic() + refused.retry_in, refused)
            raise

    def _refuse_shut(self, request: Request, address: str) -> None:
        until, refused = self._shut.get(address, (0.0, None))
        if refused is None:
            return
        if time.monotonic() >= until:
            del self._shut[address]
            return
        note_allowance(request, refused)
        raise TooManyRequests(refused)

    def _remember(self, digest: bytes) -> None:
        if len(self._right) >= MANY:
            self._right.clear()
        self._right.add(digest)


def origin_of(host: str) -> str:
    """What one customer of an internet provider has: an IPv4 address, or a network of IPv6 addresses."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv4Address):
        return host
    mapped = address.ipv4_mapped
    return str(mapped or ip_network((int(address), IPV6_CUSTOMER), strict=False))
