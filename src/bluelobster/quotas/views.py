"""Quotas as the API shows them."""

from collections.abc import Iterable

from pydantic import BaseModel, Field

from bluelobster.quotas.quota import Quota


class QuotaView(BaseModel):
    """One thing that is counted."""

    quota: str = Field(description="What it is called, and for GPUs of which model", examples=["gpus:A4000"])
    used: int
    limit: int | None = Field(description="The most that the account may have; null: no limit")


class Quotas(BaseModel):
    """What an account has, and may have."""

    quotas: list[QuotaView]


def quotas_view(quotas: Iterable[Quota]) -> Quotas:
    return Quotas(quotas=[QuotaView(quota=each.name, used=each.used, limit=each.most) for each in quotas])
