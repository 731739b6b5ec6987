"""Answers without what is shown only once: passwords, keys, tickets."""

import re
from typing import Any

SECRET_FIELD = re.compile(r"(^|_)(password|secret|token|ticket|key)$")
SECRET_KEY = re.compile(r"(bl_[A-Za-z0-9]{8}|bl[st])_[A-Za-z0-9]{40}")
PUBLIC_FIELDS = frozenset({"public_key", "ssh_key"})
SHORTEST = 6  # what is shorter may be part of other words by chance
NOTE = "What is shown only once was in the first answer to this request."


def without_secrets(answer: Any) -> Any:
    """The same answer without fields that are named like a secret, and without any text that contains one of their
    values. An object that lost something says so in `note`."""
    secrets = frozenset(_secrets_in(answer))
    return _cleaned(answer, secrets) if secrets else answer


def _secrets_in(value: Any, name: str = "") -> list[str]:
    if isinstance(value, dict):
        return [secret for key, inner in value.items() for secret in _secrets_in(inner, key)]
    if isinstance(value, list):
        return [secret for inner in value for secret in _secrets_in(inner, name)]
    named = isinstance(value, str) and SECRET_FIELD.search(name) and name not in PUBLIC_FIELDS
    if isinstance(value, str) and value and (named or SECRET_KEY.search(value)):
        return [value]
    return []


def _cleaned(value: Any, secrets: frozenset[str]) -> Any:
    if isinstance(value, list):
        return [_cleaned(inner, secrets) for inner in value if not _tells(inner, secrets)]
    if not isinstance(value, dict):
        return value
    kept = {key: _cleaned(inner, secrets) for key, inner in value.items() if not _tells(inner, secrets)}
    return kept if len(kept) == len(value) else {**kept, "note": NOTE}


def _tells(value: Any, secrets: frozenset[str]) -> bool:
    if not isinstance(value, str):
        return False
    return any(secret == value or (len(secret) >= SHORTEST and secret in value) for secret in secrets)
