"""Fetches an ISO image for somebody else: to exactly the addresses that were checked, and never more than allowed.

A name is resolved once a request and the connection goes to the address itself, so that a name which means something
else a moment later changes nothing. Redirects are followed by hand, each judged like the first address.
"""

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import UUID
from weakref import WeakValueDictionary

import httpx

from bluelobster.isos.addresses import Address, Resolve, reachable, resolved
from bluelobster.isos.errors import BadAddress, Busy, CannotFetch, Interrupted
from bluelobster.isos.rules import IsoRules
from bluelobster.isos.spool import Spool
from bluelobster.isos.url import checked_url, host_of, is_usual, port_of

REDIRECTS = 5
FETCHES_AN_ACCOUNT = 2
ATTEMPTS = 3
PAUSE_SECONDS = 1.0
CONNECT_SECONDS = 10.0
BLOCK = 1 << 20
OK = 200
PASSING = frozenset({429, 500, 502, 503, 504})
HEADERS = {"User-Agent": "bluelobster", "Accept": "*/*", "Accept-Encoding": "identity"}


class Fetcher:
    """Fetches images, a few at once, and fewer for one account: slow sources of one must not keep others waiting.

    `resolve` and `tls` replace this machine's, for tests.
    """

    def __init__(self, rules: IsoRules, resolve: Resolve = resolved, tls: ssl.SSLContext | None = None) -> None:
        self._rules = rules
        self._resolve = resolve
        self._tls: ssl.SSLContext | bool = tls or True
        self._turn = asyncio.Semaphore(rules.fetches)
        self._turns: WeakValueDictionary[UUID, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def fetched(self, url: str, account_id: UUID) -> AsyncIterator[Path]:
        """An image as a file, for the time of the block. Raises Busy where nobody more has a turn, CannotFetch and
        NoSpace."""
        own_turn = self._turns.setdefault(account_id, asyncio.Semaphore(FETCHES_AN_ACCOUNT))
        if own_turn.locked() or self._turn.locked():
            raise Busy("other images are being fetched")
        async with own_turn, self._turn:
            with tempfile.TemporaryFile(dir=self._rules.folder) as file:
                await self._in_time(url, file)
                # A file without a name: whatever becomes of the worker, nothing of it stays behind.
                yield Path(f"/proc/self/fd/{file.fileno()}")

    async def _in_time(self, url: str, file: BinaryIO) -> None:
        try:
            async with asyncio.timeout(self._rules.max_seconds) as limit:
                await self._insist(url, file)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise CannotFetch(f"it takes longer than {self._rules.max_seconds / 60:.0f} minutes") from error

    async def _insist(self, url: str, file: BinaryIO) -> None:
        for _ in range(ATTEMPTS - 1):
            try:
                return await self._fetch(url, file)
            except Interrupted:
                await asyncio.sleep(PAUSE_SECONDS)
        return await self._fetch(url, file)

    async def _fetch(self, address: str, file: BinaryIO) -> None:
        timeout = httpx.Timeout(self._rules.idle_seconds, connect=CONNECT_SECONDS)
        async with httpx.AsyncClient(verify=self._tls, trust_env=False, timeout=timeout, headers=HEADERS) as http:
            url = self._judged(address)
            for _ in range(REDIRECTS + 1):
                async with self._asked(http, url) as answer:
                    if not answer.has_redirect_location:
                        await self._keep(answer, host_of(url), file)
                        return
                    url = self._next(url, answer.headers["location"])
        raise CannotFetch(f"the address redirects more than {REDIRECTS} times")

    def _judged(self, address: str) -> httpx.URL:
        try:
            return checked_url(address, self._rules)
        except BadAddress as error:
            raise CannotFetch(f"its address cannot be used: {error}") from error

    def _next(self, url: httpx.URL, location: str) -> httpx.URL:
        try:
            target = checked_url(str(url.join(location)), self._rules)
        except (BadAddress, httpx.InvalidURL, ValueError) as error:
            raise CannotFetch(f"{host_of(url)} redirects to an address that is not allowed") from error
        if url.scheme == "https" and target.scheme != "https":
            raise CannotFetch(f"{host_of(url)} redirects from https to http")
        return target

    @asynccontextmanager
    async def _asked(self, http: httpx.AsyncClient, url: httpx.URL) -> AsyncIterator[httpx.Response]:
        host = host_of(url)
        addresses = await reachable(host, port_of(url), is_usual(url), self._rules, self._resolve)
        try:
            answer = await _first_answer(http, url, addresses)
            try:
                yield answer
            finally:
                await answer.aclose()
        except httpx.TimeoutException as error:
            raise Interrupted(f"{host} does not answer in time") from error
        except httpx.RequestError as error:
            if _untrusted(error):
                raise CannotFetch(f"the certificate of {host} cannot be verified") from error
            raise Interrupted(f"the connection to {host} fails") from error

    async def _keep(self, answer: httpx.Response, host: str, file: BinaryIO) -> None:
        if answer.status_code != OK:
            kind = Interrupted if answer.status_code in PASSING else CannotFetch
            raise kind(f"{host} answers with status {answer.status_code}")
        length = answer.headers.get("content-length", "")
        spool = Spool(file, self._rules, int(length) if length.isdecimal() else None)
        async for block in answer.aiter_raw(BLOCK):
            await spool.take(block)
        await spool.finish()


async def _first_answer(http: httpx.AsyncClient, url: httpx.URL, addresses: list[Address]) -> httpx.Response:
    """From the first address that can be connected to. The server's certificate must be its name's all the same."""
    host = host_of(url)
    for number, address in enumerate(addresses, 1):
        request = http.build_request(
            "GET",
            url.copy_with(host=str(address)),
            headers={"Host": url.netloc.decode("ascii")},
            extensions={"sni_hostname": host},
        )
        try:
            return await http.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            if number == len(addresses) or _untrusted(error):
                raise
    raise CannotFetch(f"the name {host} cannot be resolved")


def _untrusted(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
