"""User data for a guest without cloud-init, which can run a script: the few settings that translate into one."""

import base64
import binascii
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from bluelobster.user_data.rules import config_of, kind_of

UNDERSTOOD = ("runcmd", "write_files")
BASE64 = frozenset({"b64", "base64"})
PLAIN = frozenset({"", "text/plain"})


def script_of(user_data: str) -> str:
    """A script that does what the user data says. ValueError names what a guest without cloud-init cannot do."""
    kind = kind_of(user_data)
    if kind == "script":
        return user_data
    if kind == "multipart":
        raise ValueError("takes one script or one #cloud-config, no MIME message")
    config = config_of(user_data)
    if unknown := [name for name in config if name not in UNDERSTOOD]:
        raise ValueError(f"understands {' and '.join(UNDERSTOOD)} of #cloud-config, not {', '.join(unknown)[:200]}")
    files = [line for entry in _list(config, "write_files") for line in _file(entry)]
    return "\n".join(["#!/bin/sh", *files, *map(_command, _list(config, "runcmd"))]) + "\n"


def _list(config: Mapping[str, Any], name: str) -> list[Any]:
    entries = config.get(name) or []
    if not isinstance(entries, list):
        raise ValueError(f"{name} must be a list")
    return entries


def _file(entry: Any) -> Iterator[str]:
    if not isinstance(entry, dict) or not str(entry.get("path", "")).startswith("/"):
        raise ValueError("each entry of write_files needs a path that begins with /")
    path = shlex.quote(str(entry["path"]))
    yield f'mkdir -p "$(dirname {path})"'
    yield f"base64 -d {'>>' if entry.get('append') else '>'}{path} <<'END'"
    yield base64.b64encode(_content(entry)).decode()
    yield "END"
    yield f"chmod {shlex.quote(_mode(entry.get('permissions', '0644')))} {path}"
    if owner := entry.get("owner"):
        yield f"chown {shlex.quote(str(owner))} {path}"


def _content(entry: Mapping[str, Any]) -> bytes:
    text, encoding = entry.get("content", ""), str(entry.get("encoding", ""))
    content = text if isinstance(text, bytes) else str(text).encode()
    if encoding in PLAIN:
        return content
    if encoding not in BASE64:
        raise ValueError("write_files takes the encodings b64 and text/plain")
    try:
        return base64.b64decode(b"".join(content.split()), validate=True)
    except binascii.Error:
        raise ValueError("an entry of write_files is not valid base64") from None


def _mode(permissions: Any) -> str:
    """YAML reads an unquoted 0644 as a number."""
    return f"{permissions:o}" if isinstance(permissions, int) else str(permissions)


def _command(command: Any) -> str:
    if isinstance(command, list):
        return shlex.join(map(str, command))
    if isinstance(command, str):
        return command
    raise ValueError("each entry of runcmd must be a line, or a list of words")
