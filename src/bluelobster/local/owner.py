"""Whose the data is."""

import os
import shlex
from pathlib import Path

from bluelobster.local.errors import CloudError


def must_be_ours(written: Path) -> None:
    """Root may write anywhere, and would leave files that whoever began the data cannot read any more."""
    if not written.exists() or written.stat().st_uid == os.geteuid():
        return
    owner, data = owner_of(written), written.parent
    raise CloudError(
        f"{data} is {owner}'s, who started it before: start it as {owner} again, or make all of it yours first:"
        f" chown -R {os.geteuid()} {shlex.quote(str(data))}"
    )


def owner_of(path: Path) -> str:
    try:
        return path.owner()
    except KeyError:
        return f"user {path.stat().st_uid}"
