"""A public SSH key: how it is checked, and the fingerprint that people compare."""

import base64
import binascii
import hashlib
import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from bluelobster.http.patterns import pattern

PATTERN = pattern(
    "^(ssh-rsa|ssh-ed25519|ecdsa-sha2-nistp256|ecdsa-sha2-nistp384|ecdsa-sha2-nistp521) [A-Za-z0-9+/]+[=]{0,3}( .+)?$",
    "Must be the line of a .pub file: `ssh-ed25519`, `ssh-rsa` or `ecdsa-sha2-nistp…`, the key, and perhaps a comment",
)
# Of RSA with 16384 bits, the longest that OpenSSH makes, the line has some 2,800.
LONGEST = 8192
# Proxmox VE writes keys into cloud-init's YAML as they are: this would make a mapping of the key, or cut its comment.
NOT_PLAIN = re.compile(r":( |$)| #")


def stripped(value: object) -> object:
    """Without white space at either end: a trailing newline is the commonest mistake with keys."""
    return value.strip() if isinstance(value, str) else value


def checked_ssh_key(key: str | None) -> str | None:
    """A public key whose inside matches its name; ValueError otherwise, because the guest would refuse it."""
    if key is None:
        return None
    if len(key) > LONGEST:
        raise ValueError(f"a key with its comment may have at most {LONGEST} characters")
    if not key.isprintable():
        raise ValueError("the key must be one line of printable characters: were lines pasted with it?")
    if NOT_PLAIN.search(key):
        raise ValueError("the comment must not have a space after a colon or before #, nor a colon at its end")
    name, blob = key.split(" ")[:2]
    try:
        inside = base64.b64decode(blob, validate=True)
    except binascii.Error as error:
        raise ValueError("the key is not valid base64: was it cut or wrapped?") from error
    fields = ssh_fields(inside)
    if fields is None or len(fields) < 2 or fields[0] != name.encode():
        raise ValueError(f"the key does not contain an {name} key: was it cut?")
    return key


def ssh_fields(blob: bytes) -> list[bytes] | None:
    """The parts of a public key, each behind its length (RFC 4251), or None when they do not add up."""
    fields, place = [], 0
    while place < len(blob):
        begin = place + 4
        place = begin + int.from_bytes(blob[place:begin], "big")
        if place > len(blob):
            return None
        fields.append(blob[begin:place])
    return fields


def fingerprint_of(key: str) -> str:
    """As `ssh-keygen -l` shows it: `SHA256:` and base64 without padding. It does not depend on the comment."""
    digest = hashlib.sha256(base64.b64decode(key.split(" ")[1])).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


SshKey = Annotated[
    Annotated[str, Field(pattern=PATTERN)] | None, BeforeValidator(stripped), AfterValidator(checked_ssh_key)
]
GivenSshKey = Annotated[str, Field(pattern=PATTERN), BeforeValidator(stripped), AfterValidator(checked_ssh_key)]
