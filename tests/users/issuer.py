"""An identity provider on this machine: with keys of its own, and as honest as a test wants it."""

import asyncio
import base64
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiohttp import BasicAuth, web
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

CLIENT_ID = "lobster:cloud"
CLIENT_SECRET = "s3cret/with:signs"


@cache
def first_key() -> RSAKey:
    """Of all issuers: to make one takes longer than a whole test."""
    return RSAKey.generate_key(2048, {"kid": "first"})


class Issuer:
    """`claims` are said of everybody, over what is true; `key` signs, and `published` are the keys that it tells of."""

    def __init__(self) -> None:
        self.url = ""
        self.key: RSAKey | ECKey = first_key()
        self.published: list[RSAKey | ECKey] = [self.key]
        self.claims: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.asked: dict[str, int] = {}
        self.down = False
        self._codes: dict[str, dict[str, str]] = {}

    def sign_in(self, location: str) -> dict[str, str]:
        """What a browser comes back with that went where it was sent."""
        assert location.startswith(f"{self.url}/authorize?")
        query = {name: value for name, (value,) in parse_qs(urlsplit(location).query).items()}
        assert (query["response_type"], query["client_id"]) == ("code", CLIENT_ID)
        assert (query["scope"], query["code_challenge_method"]) == ("openid email", "S256")
        code = f"code-{len(self._codes)}"
        self._codes[code] = query
        return {"state": query["state"], "code": code}

    async def discovery(self, _request: web.Request) -> web.Response:
        self._count("discovery")
        known = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
        }
        return web.json_response({**known, **self.metadata})

    async def keys(self, _request: web.Request) -> web.Response:
        self._count("keys")
        return web.json_response({"keys": [key.as_dict(private=False) for key in self.published]})

    async def token(self, request: web.Request) -> web.Response:
        self._count("token")
        form = await request.post()
        asked = self._codes.pop(str(form["code"]), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form["code_verifier"]).encode()).digest())
        if (
            asked is None
            or self._client_of(request, form) != (CLIENT_ID, CLIENT_SECRET)
            or asked["redirect_uri"] != form["redirect_uri"]
            or asked["code_challenge"] != challenge.decode().rstrip("=")
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "sub": "ada-0001",
            "exp": now + 300,
            "iat": now,
            "nonce": asked["nonce"],
            "email": "ada@example.com",
            "email_verified": True,
            **self.claims,
        }
        said = {name: value for name, value in claims.items() if value is not None}
        algorithm = "RS256" if isinstance(self.key, RSAKey) else "ES256"
        signed = jwt.encode({"alg": algorithm, "kid": self.key.kid}, said, self.key)
        return web.json_response({"access_token": "unused", "token_type": "Bearer", "id_token": signed})

    def _client_of(self, request: web.Request, form: Any) -> tuple[str, str]:
        if "client_secret" in form:
            return form["client_id"], form["client_secret"]
        auth = BasicAuth.decode(request.headers["Authorization"])
        names = parse_qs(f"id={auth.login}&secret={auth.password}")
        return names["id"][0], names["secret"][0]

    def _count(self, what: str) -> None:
        self.asked[what] = self.asked.get(what, 0) + 1
        if self.down:
            raise web.HTTPBadGateway


@asynccontextmanager
async def running_issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", issuer.discovery)
    app.router.add_get("/keys", issuer.keys)
    app.router.add_post("/token", issuer.token)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    issuer.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield issuer
    finally:
        await asyncio.shield(runner.cleanup())
