"""What a customer logs in with: how it is checked, kept and handed on."""

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
