"""Who is let in, and how often: callers by their key or session, whoever has none or a wrong one by address."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, ip_address, ip_network

from fastapi import Request

from bluelobster.access.credentials import Credentials, credentials_of, refuse_forgery
from bluelobster.access.keys import hash_of, prefix_of
from bluelobster.access.last_use import LastUses
from bluelobster.access.principal import Principal, identify
from bluelobster.access.sessions import Session, identify_session
from bluelobster.db.pool import Pool
from bluelobster.http.errors import Unauthorized
from bluelobster.http.rate_headers import note_allowance
from bluelobster.http.rates import MANY, Allowance, Rate, Rates, TooManyRequests

# Providers give each of their customers at least such a network.
IPV6_CUSTOMER = 64


@dataclass(frozen=True)
class Uses:
    """What notes when keys and sessions are used."""

    of_keys: LastUses
    of_sessions: LastUses


class Admission:
    """Counts each request once. An address that was refused too often is turned away unread, except with a key that was
    right before: somebody who guesses must not lock out the others behind the same address."""

    def __init__(self, rates: Rates, callers: Rate, strangers: Rate, uses: Uses, idle: timedelta) -> None:
        self.rates = rates
        self.uses = uses
        self._idle = idle
        self._callers = callers
        self._strangers = strangers
        self._right: set[bytes] = set()
        self._shut: dict[str, tuple[float, Allowance]] = {}

    async def admit(self, request: Request, pool: Pool, now: datetime) -> Principal | Session:
        """Who asks: a key's account, or somebody who is signed in. Raises Unauthorized and TooManyRequests."""
        given = credentials_of(request)
        digest = hash_of(given.secret) if given.secret else b""
        address = origin_of(request.client.host if request.client else "")
        known = digest in self._right
        # A key that was rotated is still the same one.
        name = f"key:{prefix_of(given.key) or digest.hex()}" if given.key else f"session:{digest.hex()}"
        if known:
            await self._count(request, name, self._callers)
        else:
            self._refuse_shut(request, address)
        try:
            found = await self.find(given, pool, now)
        except Unauthorized:
            self._right.discard(digest)
            await self.count_stranger(request)
            raise
        if not known:
            await self._count(request, name, self._callers)
            self._remember(digest)
        if given.by_cookie:
            refuse_forgery(request)
        return found

    async def find(self, given: Credentials, pool: Pool, now: datetime) -> Principal | Session:
        """The same without counting. Raises Unauthorized."""
        if given.session is not None:
            return await identify_session(pool, given.session, now, self._idle)
        return await identify(pool, given.key, now)

    def note_use(self, caller: Principal | Session, host: str, now: datetime) -> None:
        """A key or a session was used; it is written later."""
        if isinstance(caller, Session):
            self.uses.of_sessions.note(str(caller.id), host, now)
        elif caller.session_id is not None:
            self.uses.of_sessions.note(str(caller.session_id), host, now)
        else:
            self.uses.of_keys.note(caller.key_prefix, host, now)

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
