"""Secrets without a public part: of sessions, and those that are good for one use."""

from typing import Literal

from bluelobster.access.keys import SECRET_LENGTH, random_text

Purpose = Literal["bls", "blt"]
SESSION: Purpose = "bls"
ONE_TIME: Purpose = "blt"


def new_token(purpose: Purpose) -> str:
    """A secret that tells what it is for."""
    return f"{purpose}_{random_text(SECRET_LENGTH)}"


def is_token(text: str, purpose: Purpose) -> bool:
    """Whether a text can be one."""
    return len(text) == len(purpose) + 1 + SECRET_LENGTH and text.startswith(f"{purpose}_") and text.isascii()
