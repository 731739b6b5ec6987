"""The first line of a backup's notes, by which we know it again; what the customer writes stands below it."""

import re
from dataclasses import dataclass
from uuid import UUID

from bluelobster.http.text import CONTROL

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_MARK = re.compile(rf"bluelobster backup (?P<backup>{_UUID}) of instance (?P<instance>{_UUID})\b.*")


@dataclass(frozen=True)
class Mark:
    """Which backup of ours it is, and of which instance."""

    backup_id: UUID
    instance_id: UUID


def marked(mark: Mark, instance_name: str, account_name: str) -> str:
    """The line, for people too: on the hypervisor it says whose machine this is."""
    names = CONTROL.sub("?", f"{instance_name}, account {account_name}").replace("\n", " ").replace("\t", " ")
    return f"bluelobster backup {mark.backup_id} of instance {mark.instance_id}: {names}"[:400]


def mark_of(notes: str) -> Mark | None:
    """The mark in a backup's notes. Only the first line counts: the others are the customer's."""
    found = _MARK.match(notes)
    return Mark(UUID(found["backup"]), UUID(found["instance"])) if found else None


def without_mark(notes: str) -> str | None:
    """What the customer wrote."""
    return (notes.partition("\n")[2] if mark_of(notes) else notes).strip() or None


def with_notes(line: str, notes: str | None) -> str:
    """The line with what the customer writes below it."""
    return f"{line}\n{notes}" if notes else line
