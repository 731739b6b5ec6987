"""Stripe's signature under a webhook: HMAC-SHA256 of the moment, a dot and the body, in the header `Stripe-Signature`
(`t=1700000000,v1=…`; https://docs.stripe.com/webhooks#verify-manually)."""

import hmac
import re
from collections.abc import Sequence
from datetime import datetime

TOLERANCE_SECONDS = 300
MOMENT = re.compile(r"\d{1,12}", re.ASCII)
SCHEME = "v1"


class NotSigned(Exception):
    """The signature is missing, wrong or too old; says which."""


def check_signature(body: bytes, header: str, secrets: Sequence[str], now: datetime) -> None:
    """Raises NotSigned unless one of `secrets` has signed this body within five minutes of `now`. While a secret is
    replaced there are two of them, and Stripe signs with both."""
    parts = [part.strip().partition("=") for part in header.split(",")]
    moments = [value for name, _, value in parts if name == "t"]
    signatures = [value.encode() for name, _, value in parts if name == SCHEME]
    if len(moments) != 1 or not MOMENT.fullmatch(moments[0]) or not signatures:
        raise NotSigned("there is no signature that can be read")
    if abs(now.timestamp() - int(moments[0])) > TOLERANCE_SECONDS:
        raise NotSigned(f"it was signed more than {TOLERANCE_SECONDS} seconds ago, or the clocks differ")
    expected = [signature_of(body, moments[0], secret).encode() for secret in secrets]
    if not any(hmac.compare_digest(ours, theirs) for ours in expected for theirs in signatures):
        raise NotSigned("the signature is not right")


def signature_of(body: bytes, moment: str, secret: str) -> str:
    """In hexadecimal digits."""
    return hmac.new(secret.encode(), moment.encode() + b"." + body, "sha256").hexdigest()
