"""The ID token: what the provider says of somebody, and whether it says so to us (OpenID Connect Core 1.0, 3.1.3.7)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry
from pydantic import TypeAdapter, ValidationError

from bluelobster.http.errors import ApiError
from bluelobster.http.text import CONTROL
from bluelobster.users.email import Email

# Signed with a key that the provider alone has; never by a secret that we share, and never not at all.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY_SECONDS = 60
LONGEST_SUBJECT = 255
EMAIL: TypeAdapter[str] = TypeAdapter(Email)


@dataclass(frozen=True)
class Identity:
    """Somebody, as the provider knows them."""

    issuer: str
    subject: str
    email: str | None
    email_verified: bool


@dataclass(frozen=True)
class Expected:
    """From whom the token must be, for whom, and in answer to what."""

    issuer: str
    client_id: str
    nonce: str


class NotBelieved(ApiError):
    """What came from the provider does not prove who somebody is."""

    status: ClassVar[int] = 401

    def __init__(self, message: str) -> None:
        super().__init__("identity_not_proven", message)


def identity_of(token: str, keys: KeySet, expected: Expected, now: datetime) -> Identity:
    """Raises NotBelieved, and JoseError where the key is not among `keys`."""
    decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
    claims = decoded.claims
    rules = JWTClaimsRegistry(
        now=int(now.timestamp()),
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": expected.issuer},
        aud={"essential": True, "value": expected.client_id},
        nonce={"essential": True, "value": expected.nonce},
        exp={"essential": True},
        iat={"essential": True},
        sub={"essential": True},
    )
    try:
        rules.validate(claims)
    except JoseError as error:
        raise NotBelieved(f"The identity provider's token is not valid: {error.description or error.error}") from error
    audience = claims["aud"]
    several = isinstance(audience, list) and len(audience) > 1
    if claims.get("azp", None if several else expected.client_id) != expected.client_id:
        raise NotBelieved("The identity provider's token is not valid: it was made for somebody else")
    subject = claims["sub"]
    if not 0 < len(subject) <= LONGEST_SUBJECT or CONTROL.search(subject):
        raise NotBelieved("The identity provider's token is not valid: its subject cannot be")
    return Identity(expected.issuer, subject, email_of(claims), claims.get("email_verified") is True)


def email_of(claims: Mapping[str, Any]) -> str | None:
    """The e-mail address, if it is one."""
    try:
        email = EMAIL.validate_python(claims.get("email"), strict=True)
    except ValidationError:
        return None
    return None if CONTROL.search(email) else email
