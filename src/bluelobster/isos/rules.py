"""What an operator decides about ISO images, each by an environment variable (`BLUELOBSTER_ISO_` and its name)."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Network = IPv4Network | IPv6Network


class IsoRules(BaseSettings):
    """Where ISO images may come from, and what fetching one may cost."""

    model_config = SettingsConfigDict(env_prefix="BLUELOBSTER_ISO_")

    allowed_networks: Annotated[tuple[Network, ...], NoDecode] = Field(
        default=(), description="Networks that are not public and allowed all the same, on any port, by comma"
    )
    max_bytes: int = Field(default=4 << 30, ge=1, description="The biggest image that is taken")
    max_seconds: float = Field(default=2400.0, gt=0, description="The longest that fetching one may take")
    idle_seconds: float = Field(default=30.0, gt=0, description="How long a source may send nothing")
    fetches: int = Field(default=8, ge=1, description="Images that one worker fetches at once, two of one account")
    folder: Path = Field(
        default=Path("/var/tmp"),  # noqa: S108 - only files without a name are made in it
        description="Where an image lies between its source and the host",
    )

    @field_validator("allowed_networks", mode="before")
    @classmethod
    def _by_comma(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return [ip_network(part.strip()) for part in value.split(",") if part.strip()]
