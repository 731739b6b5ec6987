"""Secrets that we must be able to read again: sealed with a key that the database does not hold."""

import base64
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12
KEY_BYTES = 32


class Unreadable(Exception):
    """What was sealed was sealed with another key, for another purpose, or was changed."""


class Seal:
    """AES-256-GCM; the purpose is part of what is sealed, so one secret cannot be passed off as another."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._digest_key = hmac.digest(key, b"bluelobster digests", "sha256")

    @classmethod
    def from_text(cls, text: str) -> "Seal":
        """From the setting's base64; ValueError unless it is 32 bytes."""
        try:
            key = base64.b64decode(text, validate=True)
        except ValueError:
            raise ValueError("the secret key is not base64") from None
        if len(key) != KEY_BYTES:
            raise ValueError(f"the secret key must be {KEY_BYTES} bytes in base64, this one has {len(key)}")
        return cls(key)

    def seal(self, secret: str, purpose: str) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret.encode(), purpose.encode())

    def unseal(self, sealed: bytes, purpose: str) -> str:
        """The secret again; raises Unreadable."""
        try:
            opened = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], purpose.encode())
        except InvalidTag as error:
            raise Unreadable(
                f"cannot unseal the secret of {purpose}: is the secret key the one it was sealed with?"
            ) from error
        return opened.decode()

    def digest(self, content: bytes, purpose: str) -> bytes:
        """Tells whether two contents are the same; without the key it tells nothing about them, however short."""
        return hmac.digest(self._digest_key, purpose.encode() + b"\0" + content, "sha256")


def new_key() -> str:
    """A fresh key, in the form of the setting."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
