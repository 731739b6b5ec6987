"""An OpenID Connect provider: what it says of itself, its keys, and the code that it takes for an ID token."""

import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from bluelobster.http.errors import Unavailable
from bluelobster.users.oidc.attempt import Attempt
from bluelobster.users.oidc.client import Client, is_safe
from bluelobster.users.oidc.id_token import Expected, Identity, NotBelieved, identity_of

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0
KEPT_SECONDS = 3600.0
SCOPE = "openid email"
UNAVAILABLE = "The identity provider does not answer as it should at the moment; try again, or sign in by password"


class Provider:
    """Asks the provider over HTTP, and remembers for an hour what it says of itself. Its keys are asked for again as
    soon as a token is signed with one that is not among them."""

    def __init__(self, client: Client, http: httpx.AsyncClient) -> None:
        self._client = client
        self._http = http
        self._kept: dict[str, tuple[float, Any]] = {}

    async def where_to(self, attempt: Attempt, redirect_uri: str) -> str:
        """The address to which a browser goes to sign in. Raises Unavailable."""
        query = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        endpoint = url_of(await self._metadata(), "authorization_endpoint")
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"

    async def identity(self, code: str, attempt: Attempt, redirect_uri: str, now: datetime) -> Identity:
        """Who somebody is that came back with a code. Raises NotBelieved and Unavailable."""
        token = await self._redeem(code, attempt, redirect_uri)
        expected = Expected(self._client.issuer, self._client.client_id, attempt.nonce)
        try:
            try:
                return identity_of(token, await self._keys(), expected, now)
            except InvalidKeyIdError:
                return identity_of(token, await self._keys(again=True), expected, now)
        except (JoseError, ValueError) as error:
            log.warning("an ID token of %s is not valid: %s", self._client.issuer, error)
            raise NotBelieved("The identity provider's token is not valid: nobody we know signed it") from error

    async def _redeem(self, code: str, attempt: Attempt, redirect_uri: str) -> str:
        metadata = await self._metadata()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": attempt.verifier,
        }
        auth: tuple[str, str] | None = None
        if "client_secret_basic" in metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]):
            # RFC 6749, 2.3.1: encoded as in a form first.
            auth = (quote(self._client.client_id, safe=""), quote(self._client.secret, safe=""))
        else:
            form |= {"client_id": self._client.client_id, "client_secret": self._client.secret}
        answer = await self._ask("POST", url_of(metadata, "token_endpoint"), form, auth)
        token = answer.get("id_token")
        if not isinstance(token, str):
            log.warning("%s does not take a code: %s", self._client.issuer, answer.get("error"))
            raise NotBelieved("The identity provider does not say who you are; sign in again")
        return token

    async def _metadata(self) -> Mapping[str, Any]:
        address = f"{self._client.issuer.rstrip('/')}/.well-known/openid-configuration"
        metadata = await self._remembered(address)
        if metadata.get("issuer") != self._client.issuer:
            raise gone(f"{address} is about the issuer {metadata.get('issuer')!r}")
        return metadata

    async def _keys(self, *, again: bool = False) -> KeySet:
        found: Any = await self._remembered(url_of(await self._metadata(), "jwks_uri"), again=again)
        return KeySet.import_key_set(found)

    async def _remembered(self, url: str, *, again: bool = False) -> Mapping[str, Any]:
        until, kept = self._kept.get(url, (0.0, None))
        if kept is None or again or time.monotonic() >= until:
            kept = await self._ask("GET", url)
            self._kept[url] = (time.monotonic() + KEPT_SECONDS, kept)
        known: Mapping[str, Any] = kept
        return known

    async def _ask(
        self, method: str, url: str, form: Mapping[str, str] | None = None, auth: tuple[str, str] | None = None
    ) -> Mapping[str, Any]:
        """A JSON object. What the provider refuses is one as well (RFC 6749, 5.2). Raises Unavailable."""
        try:
            answer = await self._http.request(method, url, data=form, auth=auth)
            found = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise gone(f"{url}: {type(error).__name__} {error}") from error
        refused = answer.status_code == httpx.codes.BAD_REQUEST or answer.status_code == httpx.codes.UNAUTHORIZED
        if not isinstance(found, dict) or not (answer.is_success or (form is not None and refused)):
            raise gone(f"{url} answers {answer.status_code}")
        return found


def gone(why: str) -> Unavailable:
    log.error("the identity provider: %s", why)
    error = Unavailable("identity_provider_unavailable", UNAVAILABLE)
    error.headers["Retry-After"] = "10"
    return error


def url_of(metadata: Mapping[str, Any], name: str) -> str:
    """One of the provider's addresses. Raises Unavailable for what secrets must not be sent to."""
    url = metadata.get(name)
    if not isinstance(url, str) or not is_safe(url):
        raise gone(f"its {name} is no https address")
    return url


@asynccontextmanager
async def provider(client: Client) -> AsyncIterator[Provider]:
    """For as long as the block lasts."""
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, headers={"Accept": "application/json"}) as http:
        yield Provider(client, http)
