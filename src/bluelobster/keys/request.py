"""What a request may say of a key."""

from ipaddress import ip_network
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from bluelobster.access.keys import Network
from bluelobster.http.text import RequestBody

TeamRole = Literal["viewer", "member", "admin", "owner"]
AccountRole = Literal["viewer", "member", "admin", "owner", "staff"]
RULE = "Must be an address or a network, such as 198.51.100.7 or 203.0.113.0/24"
MOST_NETWORKS = 50
MOST_HOURS = 30 * 24


def network_of(text: str) -> str:
    """An address or a network as it is written usually. ValueError."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(RULE) from None
    if "%" in text or (network.version == 6 and network.network_address.ipv4_mapped):
        raise ValueError(RULE)
    if "/" in text and text.partition("/")[0] != str(network.network_address):
        raise ValueError(f"Must be a network; did you mean {network}?")
    return str(network)


class KeyRequest(RequestBody):
    """A key to make."""

    name: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        "default", description="What the key is for", json_schema_extra={"example": "ci"}
    )
    expires_in_days: Annotated[int, Field(ge=1, le=3650)] | None = Field(
        None, description="Days until it expires; without, it is valid for as long as the key that makes it"
    )
    allowed_networks: (
        Annotated[
            list[Annotated[str, Field(max_length=64), AfterValidator(network_of)]],
            Field(min_length=1, max_length=MOST_NETWORKS),
        ]
        | None
    ) = Field(
        None,
        description="Addresses and networks that it may be used from; without, those of the key that makes it",
        json_schema_extra={"example": ["203.0.113.0/24"]},
    )

    @property
    def networks(self) -> list[Network] | None:
        return [ip_network(each) for each in self.allowed_networks] if self.allowed_networks else None


class TeamKeyRequest(KeyRequest):
    """A key of a team."""

    role: TeamRole = Field("member", description="What it may do in the team")


class AccountKeyRequest(KeyRequest):
    """A key of the account, or of one of its teams."""

    role: AccountRole = Field("member", description="What it may do")
    team_id: UUID | None = Field(None, description="The team whose instances are all that it sees")


class RotationRequest(RequestBody):
    """Another secret for a key."""

    overlap_hours: int = Field(24, ge=0, le=MOST_HOURS, description="Hours for which the old secret is still good")
