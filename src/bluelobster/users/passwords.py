"""Passwords: Argon2id, and the few rules that make one hard to guess.

Length is what counts; rules about digits and signs only make people choose alike (NIST SP 800-63B, 3.1.1.2).
"""

import asyncio
import os
from base64 import b64encode
from functools import partial
from typing import Annotated

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import AfterValidator, Field, SecretStr

from bluelobster.http.errors import InvalidRequest

SHORTEST = 12
LONGEST = 256
# Each takes its memory for as long as it lasts.
AT_ONCE = 2


def of_length(shortest: int, password: SecretStr) -> SecretStr:
    """ValueError for a password that is too short or too long."""
    if not shortest <= len(password.get_secret_value()) <= LONGEST:
        raise ValueError(f"Must have {shortest} to {LONGEST} characters")
    return password


NewPassword = Annotated[
    SecretStr,
    AfterValidator(partial(of_length, SHORTEST)),
    Field(json_schema_extra={"minLength": SHORTEST, "maxLength": LONGEST}),
]
GivenPassword = Annotated[
    SecretStr,
    AfterValidator(partial(of_length, 1)),
    Field(json_schema_extra={"minLength": 1, "maxLength": LONGEST}),
]


class Passwords:
    """Makes and compares hashes in threads, a few at once: each takes as long and as much memory as it is meant to."""

    def __init__(self, memory_kib: int, passes: int) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib)
        self._nobody_s = _nobody_s(memory_kib, passes, self._hasher.parallelism)
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def hash(self, password: str) -> str:
        async with self._turn:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def fits(self, known: str | None, password: str) -> bool:
        """Whether it is the password of a hash. Without a hash it is not, which takes as long to say."""
        async with self._turn:
            same = await asyncio.to_thread(self._verify, known or self._nobody_s, password)
        return same and known is not None

    def is_outdated(self, known: str) -> bool:
        """Whether a hash was made with other parameters than a new one is."""
        return self._hasher.check_needs_rehash(known)

    def _verify(self, known: str, password: str) -> bool:
        try:
            return self._hasher.verify(known, password)
        except (VerificationError, InvalidHashError):
            return False


def _nobody_s(memory_kib: int, passes: int, lanes: int) -> str:
    """A hash that takes as long to compare as any, and is no password's."""
    salt, made = (b64encode(os.urandom(size)).decode().rstrip("=") for size in (16, 32))
    return f"$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${made}"


def must_be_good(password: str, email: str) -> None:
    """Raises InvalidRequest for a password that anybody would try first."""
    if password.lower() in {email.lower(), email.partition("@")[0].lower()}:
        raise InvalidRequest("weak_password", "password: must not be your e-mail address; choose another one")
