"""Backups as the API shows them."""

from dataclasses import dataclass, field
from datetime import datetime

from bluelobster_client.fields import Fields
from bluelobster_client.models import Raw


@dataclass(frozen=True)
class Backup:
    """A backup; `volid` is what it is restored and deleted by. `size_bytes` is what it would take by itself and is
    billed, `stored_bytes` what it added to the storage. Its instance is told in the account's list only."""

    volid: str
    size_bytes: int
    stored_bytes: int | None
    created_at: datetime | None
    notes: str | None
    scheduled: bool
    protected: bool
    instance_id: str | None
    instance_name: str | None
    instance_deleted: bool
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def parse(cls, data: object) -> "Backup":
        fields = Fields(data, "backup")
        return cls(
            volid=fields.text("volid"),
            size_bytes=fields.whole("size_bytes"),
            stored_bytes=fields.whole_or_none("stored_bytes"),
            created_at=fields.time_or_none("created_at"),
            notes=fields.text_or_none("notes"),
            scheduled=fields.flag("scheduled"),
            protected=fields.flag("protected"),
            instance_id=fields.text_or_none("instance_id"),
            instance_name=fields.text_or_none("instance_name"),
            instance_deleted=fields.flag("instance_deleted"),
            raw=fields.raw,
        )
