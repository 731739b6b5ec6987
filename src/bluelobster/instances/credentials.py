"""What a customer logs in with: how it is checked, kept and handed on."""

import base64
import binascii
import secrets
import string

from passlib.hash import sha512_crypt

from bluelobster.catalog.templates import Template
from bluelobster.instances.names import YAML_WORDS

ROUNDS = 5000
GENERATED_LENGTH = 16
SYMBOLS = "#$@!%*-_+="
RESERVED = frozenset(
    (
        *("root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "www-data"),
        *("backup", "list", "irc", "gnats", "nobody", "sshd", "systemd-network", "systemd-resolve", "messagebus"),
    )
)


def crypt_hash(password: str) -> str:
    """The password as `/etc/shadow` keeps it (`$6$…`): all that we and the hypervisor ever store for Linux."""
    hashed: str = sha512_crypt.using(rounds=ROUNDS).hash(password)
    return hashed


def generated_password() -> str:
    """16 characters with each of the four kinds, as Windows asks for."""
    kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits, SYMBOLS)
    characters = [secrets.choice(kind) for kind in kinds]
    characters += [secrets.choice("".join(kinds)) for _ in range(GENERATED_LENGTH - len(kinds))]
    secrets.SystemRandom().shuffle(characters)
    return "".join(characters)


def checked_ssh_key(key: str | None) -> str | None:
    """A public key whose inside matches its name; ValueError otherwise, because the guest would refuse it."""
    if key is None:
        return None
    if not key.isprintable():
        raise ValueError("the key must be one line of printable characters: were lines pasted with it?")
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
    fields = []
    while blob:
        length = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + length:
            return None
        fields.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    return fields


def broken_login_rules(template: Template, username: str, ssh_key: str | None, password: str | None) -> dict[str, str]:
    """What is wrong with how somebody wants to log in, by field; nothing for Windows, which takes any of it."""
    broken: dict[str, str] = {}
    if template.os_type == "windows":
        return broken
    if username != username.lower():
        broken["username"] = "Must be lowercase for a Linux template"
    elif username in YAML_WORDS:
        broken["username"] = f"{username} is not a name to cloud-init; choose another one"
    elif username in RESERVED:
        broken["username"] = f"{username} belongs to the system; choose another one, it will have sudo"
    if not ssh_key and not password:
        broken["ssh_key"] = f"Required for {template.name} unless a password is given"
    return broken
