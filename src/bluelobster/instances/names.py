"""Names: given or generated, and what becomes of them inside the guest."""

import re
import secrets

from bluelobster.http.errors import InvalidRequest

ADJECTIVES = (
    "amber", "brave", "brisk", "calm", "clever", "coral", "crisp", "deep", "early", "fair", "fleet", "gentle",
    "golden", "grand", "keen", "kind", "lively", "lucky", "mellow", "merry", "noble", "pale", "proud", "quick",
    "quiet", "rapid", "royal", "silent", "silver", "steady", "sunny", "swift", "tidal", "vivid", "warm", "wild",
)  # fmt: skip
NOUNS = (
    "anchor", "bay", "beacon", "buoy", "claw", "cliff", "cove", "crab", "current", "delta", "dune", "fjord",
    "harbor", "island", "kelp", "krill", "lagoon", "lobster", "marina", "mast", "oar", "ocean", "orca", "otter",
    "pearl", "pier", "reef", "sail", "seal", "shell", "shore", "shrimp", "squid", "tide", "urchin", "wave",
)  # fmt: skip
# What cloud-init's YAML takes for something other than text.
YAML_WORDS = frozenset(("true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf"))
YAML_NUMBER = re.compile(r"\d+(e-?\d+)?|0x[0-9a-f]+|0o[0-7]+|0b[01]+|\d{4}-\d{1,2}-\d{1,2}", re.ASCII)
RENAME = re.compile(r"[A-Za-z0-9_-]{3,64}")


def generated_name() -> str:
    """Two words and four hex digits."""
    return f"{secrets.choice(ADJECTIVES)}-{secrets.choice(NOUNS)}-{secrets.token_hex(2)}"


def hostname_of(name: str) -> str:
    """The guest's host name, which is also Proxmox's name of it: `_` becomes `-`, at most 63 characters. A name that
    reads as a number or as yes or no gets `vm-` in front: Proxmox writes it into YAML without quotes."""
    host = name.replace("_", "-")[:63].strip("-") or "instance"
    unlike_text = host.lower() in YAML_WORDS or YAML_NUMBER.fullmatch(host.lower())
    return f"vm-{host}"[:63].strip("-") if unlike_text else host


def checked_name(name: object) -> str:
    """A name as rename takes it; raises InvalidRequest."""
    if not isinstance(name, str) or not RENAME.fullmatch(name):
        raise InvalidRequest("invalid_name", "Name must be 3-64 characters, alphanumeric with hyphens/underscores only")
    return name
