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
RENAME = re.compile(r"[A-Za-z0-9_-]{3,64}")


def generated_name() -> str:
    """Two words and four hex digits."""
    return f"{secrets.choice(ADJECTIVES)}-{secrets.choice(NOUNS)}-{secrets.token_hex(2)}"


def hostname_of(name: str) -> str:
    """The guest's host name, which is also Proxmox's name of it: `_` becomes `-`, at most 63 characters."""
    return name.replace("_", "-")[:63].strip("-") or "instance"


def checked_name(name: object) -> str:
    """A name as rename takes it; raises InvalidRequest."""
    if not isinstance(name, str) or not RENAME.fullmatch(name):
        raise InvalidRequest("invalid_name", "Name must be 3-64 characters, alphanumeric with hyphens/underscores only")
    return name
