"""Finds and checks the user's public SSH key. A private key never leaves the machine."""

import re
from dataclasses import dataclass
from pathlib import Path

from bluelobster_client.cli.stop import EXIT_USAGE, Stop

DEFAULT_NAMES = ("id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub")
KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
PUBLIC_KEY = re.compile(rf"({'|'.join(KINDS)}) [A-Za-z0-9+/]+={{0,3}}( .+)?")
HARDWARE_KEY = re.compile(r"sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com ")
PRIVATE_MARKS = (b"PRIVATE KEY", b"PuTTY-User-Key-File")
LONGEST_FILE = 16_384


@dataclass(frozen=True)
class PublicKey:
    """A public key, the file it is from (None where it was given as text), and its private key's file."""

    text: str
    path: Path | None = None
    private: Path | None = None


def default_public_key(home: Path) -> PublicKey | None:
    """The first of the usual keys in `~/.ssh`, as ssh itself would try them."""
    for name in DEFAULT_NAMES:
        path = home / ".ssh" / name
        if path.is_file():
            return public_key_file(path)
    return None


def public_key(value: str) -> PublicKey:
    """The key that a user gave: the path of its file, or its text.

    Raises `Stop` where it is no public key; a private key is refused before its content is used for anything.
    """
    if value.strip().startswith(tuple(f"{kind} " for kind in KINDS)):
        return PublicKey(checked(value, "--ssh-key"))
    return public_key_file(Path(value).expanduser())


def public_key_file(path: Path) -> PublicKey:
    """The key in this file. Raises as `public_key`."""
    content = file_content(path)
    if any(mark in content for mark in PRIVATE_MARKS):
        raise Stop(private_key_text(path), EXIT_USAGE)
    private = path.with_suffix("") if path.suffix == ".pub" else None
    text = checked(content.decode("utf-8", "replace"), str(path))
    return PublicKey(text, path, private.absolute() if private and private.is_file() else None)


def file_content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_FILE + 1)
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise Stop(
            f"{path}: {reason}. --ssh-key takes the file of a public key, such as ~/.ssh/id_ed25519.pub.", EXIT_USAGE
        ) from None
    if len(content) > LONGEST_FILE:
        raise Stop(f"{path} is too big for a public key.", EXIT_USAGE)
    return content


def private_key_text(path: Path) -> str:
    public = path.with_name(path.name + ".pub")
    advice = (
        f"Did you mean {public}?"
        if public.is_file()
        else f"Make its public key with: ssh-keygen -y -f {path} > {public}"
    )
    return f"{path} is a private key. It was not sent anywhere, and never should be.\n{advice}"


def checked(content: str, source: str) -> str:
    """The one key in this text.

    Raises `Stop` where there is none, more than one, or one of a kind that the API does not take.
    """
    lines = [line.strip() for line in content.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if len(lines) > 1:
        raise Stop(f"{source} has {len(lines)} lines: give a file with one public key.", EXIT_USAGE)
    text = lines[0] if lines else ""
    if HARDWARE_KEY.match(text):
        raise Stop(
            f"{source} is the key of a hardware token, which the API does not take. It takes: {', '.join(KINDS)}.",
            EXIT_USAGE,
        )
    if not PUBLIC_KEY.fullmatch(text):
        raise Stop(
            f"{source} is not a public SSH key: that is one line which begins with {KINDS[0]}, {KINDS[-1]} or ecdsa-….",
            EXIT_USAGE,
        )
    return text
