"""Credit that is bought, as the API shows it."""

from dataclasses import dataclass, field
from datetime import datetime

from bluelobster_client.fields import Fields
from bluelobster_client.models import Raw


@dataclass(frozen=True)
class TopUp:
    """Credit that can be paid for at `url` until `expires_at`; it is in the balance once its status is `paid`."""

    id: str
    status: str
    amount_cents: int
    refunded_cents: int
    url: str | None
    created_at: datetime | None
    expires_at: datetime | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def parse(cls, data: object) -> "TopUp":
        fields = Fields(data, "top-up")
        return cls(
            id=fields.text("id"),
            status=fields.text("status"),
            amount_cents=fields.whole("amount_cents"),
            refunded_cents=fields.whole_or_none("refunded_cents") or 0,
            url=fields.text_or_none("url"),
            created_at=fields.time_or_none("created_at"),
            expires_at=fields.time_or_none("expires_at"),
            raw=fields.raw,
        )
