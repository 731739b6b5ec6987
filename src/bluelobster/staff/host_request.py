"""What staff says of a host: how it is reached, and what may be promised on it."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from bluelobster.access.sealing import Seal
from bluelobster.catalog.host_check import Overcommit, Wish
from bluelobster.catalog.hosts import Capacity, Host
from bluelobster.http.errors import InvalidRequest
from bluelobster.http.text import RequestBody
from bluelobster.pve import Endpoint
from bluelobster.pve.endpoint import plain_fingerprint, well_formed_token, well_formed_url
from bluelobster.staff.views import Use
from bluelobster.staff.words import Identifier, Name

LONGEST = 300


def sealed_away(token: SecretStr) -> SecretStr:
    """ValueError for what is no token; its words tell nothing of it."""
    well_formed_token(token.get_secret_value())
    return token


Url = Annotated[str, Field(max_length=LONGEST), AfterValidator(well_formed_url)]
Token = Annotated[SecretStr, Field(max_length=LONGEST), AfterValidator(sealed_away)]
Fingerprint = Annotated[str, Field(max_length=LONGEST), AfterValidator(plain_fingerprint)]
Times = Annotated[float, Field(ge=1, le=100, allow_inf_nan=False)]


class NewHostRequest(RequestBody):
    """A Proxmox VE node that is to run machines."""

    id: Name = Field(description="Its name, for good")
    region: Name
    api_url: Url = Field(
        description="Where its API is", json_schema_extra={"example": "https://gpu-01.example.com:8006"}
    )
    token: Token = Field(description="API token, as user@realm!name=secret; it is sealed, and never shown again")
    fingerprint: Fingerprint | None = Field(
        None, description="SHA-256 of its certificate in hex; else a known authority must vouch for it"
    )
    node: Identifier | None = Field(None, description="The node's name in its cluster, if it is not the host's")
    storage: Identifier = Field(description="Where disks and images go")
    iso_storage: Identifier | None = Field(None, description="Where ISO images go; else the storage, if it takes them")
    backup_storage: Identifier | None = Field(None, description="Where machines are backed up to; else they cannot be")
    bridge: Identifier = Field("vmbr0", description="The bridge that public addresses are on")
    internal_bridge: Identifier | None = Field(None, description="A VLAN-aware bridge for private networks")
    vcpu_overcommit: Times = Field(4.0, description="How many times over its processors may be promised")
    memory_overcommit: Times = 1.0
    disk_overcommit: Times = 1.0

    def wish(self) -> Wish:
        """What is to be checked."""
        return Wish(
            id=self.id,
            region=self.region,
            endpoint=Endpoint(self.api_url, self.token.get_secret_value(), self.fingerprint),
            node=self.node or self.id,
            storage=self.storage,
            bridge=self.bridge,
            iso_storage=self.iso_storage,
            backup_storage=self.backup_storage,
            overcommit=Overcommit(self.vcpu_overcommit, self.memory_overcommit, self.disk_overcommit),
        )


# What changes without the host's being asked.
UNASKED = frozenset(("status", "internal_bridge"))


class HostRequest(RequestBody):
    """What is to be different about a host; what is not said stays."""

    status: Use | None = None
    region: Name | None = None
    api_url: Url | None = None
    token: Token | None = None
    fingerprint: Fingerprint | None = Field(None, description="null: a known authority vouches for it")
    node: Identifier | None = None
    storage: Identifier | None = None
    iso_storage: Identifier | None = Field(None, description="null: machines do not boot from ISO images there")
    backup_storage: Identifier | None = Field(None, description="null: machines cannot be backed up")
    bridge: Identifier | None = None
    internal_bridge: Identifier | None = Field(None, description="null: no private networks for new machines")
    vcpu_overcommit: Times | None = None
    memory_overcommit: Times | None = None
    disk_overcommit: Times | None = None

    @property
    def asks(self) -> bool:
        """Whether the host has to be asked about it."""
        return not self.model_fields_set <= UNASKED

    def wish(self, host: Host, seal: Seal) -> Wish:
        """What is to be checked. Raises InvalidRequest."""
        said = self.model_fields_set
        old = host.endpoint(seal)
        if self.storage not in (None, host.storage) and self.disk_overcommit is None:
            raise InvalidRequest("invalid_request", "disk_overcommit: say it together with another storage")
        return Wish(
            id=host.id,
            region=self.region or host.region,
            endpoint=Endpoint(
                url=self.api_url or old.url,
                token=self.token.get_secret_value() if self.token else old.token,
                fingerprint=self.fingerprint if "fingerprint" in said else old.fingerprint,
            ),
            node=self.node or host.node,
            storage=self.storage or host.storage,
            bridge=self.bridge or host.bridge,
            iso_storage=self.iso_storage if "iso_storage" in said else host.iso_storage,
            backup_storage=self.backup_storage if "backup_storage" in said else host.backup_storage,
            overcommit=Overcommit(self.vcpu_overcommit or 1, self.memory_overcommit or 1, self.disk_overcommit or 1),
            isos_anyway=False,
        )

    def promised(self, host: Host, asked: Capacity) -> Capacity:
        """What may be promised: what was, where nothing else is said."""
        return Capacity(
            vcpus=host.vcpus if self.vcpu_overcommit is None else asked.vcpus,
            memory_gb=host.memory_gb if self.memory_overcommit is None else asked.memory_gb,
            disk_gb=host.disk_gb if self.disk_overcommit is None else asked.disk_gb,
        )
