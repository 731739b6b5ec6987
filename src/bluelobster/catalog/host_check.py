"""A host is looked at before it is believed: whether it serves us, and how much it can promise."""

from collections.abc import Mapping
from dataclasses import dataclass

from bluelobster.access.sealing import Seal
from bluelobster.catalog.asking import asking
from bluelobster.catalog.hosts import Capacity, Host, NewHost
from bluelobster.http.errors import InvalidRequest
from bluelobster.pve import Endpoint, NodeStatus, PveClient, Storage, errors

GIB = 1024**3

# Tried call by call: a role with these on `/` runs everything that we do.
PRIVILEGES = frozenset(
    (
        *("VM.Allocate", "VM.Audit", "VM.Clone", "VM.Config.CDROM", "VM.Config.CPU", "VM.Config.Cloudinit"),
        *("VM.Config.Disk", "VM.Config.HWType", "VM.Config.Memory", "VM.Config.Network", "VM.Config.Options"),
        *("VM.Console", "VM.PowerMgmt", "VM.Backup", "VM.Snapshot", "VM.GuestAgent.Audit"),
        *("Datastore.AllocateSpace", "Datastore.AllocateTemplate", "Datastore.Audit", "Mapping.Use", "SDN.Use"),
        "Sys.Audit",
    )
)
NO_FIREWALL = (
    "the firewall of the data center is off: no customer's rule would act, and guests could send from each other's "
    "addresses. Switch it on with `pvesh set /cluster/firewall/options --enable 1`, once the cluster's own rules let "
    "you in (SSH and port 8006 from your networks)"
)
# What Proxmox asks of somebody who removes an ISO image.
REMOVAL = "Datastore.Allocate"


@dataclass(frozen=True)
class Overcommit:
    """How many times over what a node has may be promised."""

    vcpus: float = 4.0
    memory: float = 1.0
    disk: float = 1.0


@dataclass(frozen=True)
class Wish:
    """A host as the operator wants it. Where no storage for ISO images is named and `isos_anyway`, the storage has them
    if it takes them."""

    id: str
    region: str
    endpoint: Endpoint
    node: str
    storage: str
    bridge: str
    iso_storage: str | None
    backup_storage: str | None
    overcommit: Overcommit = Overcommit()
    isos_anyway: bool = True


def wish_of(host: Host, seal: Seal) -> Wish:
    """A host as it is on record, to be promised once."""
    return Wish(
        id=host.id,
        region=host.region,
        endpoint=host.endpoint(seal),
        node=host.node,
        storage=host.storage,
        bridge=host.bridge,
        iso_storage=host.iso_storage,
        backup_storage=host.backup_storage,
        overcommit=Overcommit(1, 1, 1),
        isos_anyway=False,
    )


@dataclass(frozen=True)
class Checked:
    """A host that serves us, and why machines cannot boot from ISO images there, if they cannot."""

    host: NewHost
    without_isos: str | None


@dataclass(frozen=True)
class Answers:
    """What a node says of itself."""

    status: NodeStatus
    storages: dict[str, Storage]
    granted: Mapping[str, frozenset[str]]
    firewall: bool

    def lacks(self, storage: str, *contents: str) -> str | None:
        """Why a storage cannot take such contents; None when it can."""
        found = self.storages.get(storage)
        if found is None:
            return f"the node has no storage {storage}; it has {', '.join(self.storages)}"
        if lacking := sorted(set(contents) - found.content):
            return f"storage {storage} must allow the content {', '.join(lacking)}"
        return None if found.active else f"storage {storage} is not active on the node"


def unfit(field: str, why: str) -> InvalidRequest:
    return InvalidRequest("host_unfit", why, field=field)


async def check(wish: Wish) -> Checked:
    """Ask the node. Raises InvalidRequest where it cannot serve us, and Conflict where it does not answer."""
    async with asking():
        answers = await ask(wish.endpoint, wish.node)
    if missing := sorted(PRIVILEGES - answers.granted.get("/", frozenset())):
        raise unfit(
            "token",
            f"the token lacks privileges on /: {', '.join(missing)} "
            "(a token with privilege separation needs them itself, besides its user)",
        )
    if why := answers.lacks(wish.storage, "images", "import"):
        raise unfit("storage", why)
    if not answers.firewall:
        raise unfit("api_url", NO_FIREWALL)
    if wish.backup_storage is not None and (why := answers.lacks(wish.backup_storage, "backup")):
        raise unfit("backup_storage", why)
    iso_storage, without = place_for_isos(answers, wish)
    host = NewHost(
        id=wish.id,
        region=wish.region,
        endpoint=wish.endpoint,
        node=wish.node,
        storage=wish.storage,
        bridge=wish.bridge,
        capacity=capacity_of(answers, wish),
        iso_storage=iso_storage,
        backup_storage=wish.backup_storage,
    )
    return Checked(host, without)


async def ask(endpoint: Endpoint, node: str) -> Answers:
    """What a node says. Raises InvalidRequest for another's certificate or node and a token that is not let in, and
    PveError."""
    async with PveClient(endpoint, node) as client:
        try:
            await client.version()
        except errors.CertificateMismatch as error:
            raise unfit("fingerprint", distrust(endpoint, error)) from error
        except errors.Unauthorized as error:
            raise unfit("token", f"the host refuses the token {endpoint.token_id}: {error}") from error
        names = [each.name for each in await client.nodes()]
        if node not in names:
            raise unfit("node", f"the cluster has no node {node}; it has {', '.join(names)}")
        return Answers(
            status=await client.node_status(),
            storages={each.name: each for each in await client.storages()},
            granted=await client.permissions(),
            firewall=await client.datacenter_firewall(),
        )


def distrust(endpoint: Endpoint, error: errors.CertificateMismatch) -> str:
    """Why the host's certificate is not believed, and what to do about it."""
    if endpoint.fingerprint is None:
        return (
            "no authority that this machine knows vouches for the host's certificate: give its fingerprint, "
            "which `pvenode cert info` shows on the host"
        )
    return f"the host is not the one that was meant, or its certificate was renewed: {error}"


def capacity_of(answers: Answers, wish: Wish) -> Capacity:
    """What the node can promise, at least one of each."""
    over = wish.overcommit
    return Capacity(
        vcpus=max(1, int(answers.status.cores * over.vcpus)),
        memory_gb=max(1, int(answers.status.memory_bytes / GIB * over.memory)),
        disk_gb=max(1, int(answers.storages[wish.storage].total_bytes / GIB * over.disk)),
    )


def place_for_isos(answers: Answers, wish: Wish) -> tuple[str | None, str | None]:
    """The storage for ISO images, or why there is none. Raises InvalidRequest when the one that is wanted will not
    do."""
    if wish.iso_storage is None and not wish.isos_anyway:
        return None, "no storage is named for them"
    name = wish.iso_storage or wish.storage
    without = answers.lacks(name, "iso")
    if without is None and not any(REMOVAL in answers.granted.get(path, ()) for path in ("/", f"/storage/{name}")):
        without = f"the token lacks the privilege {REMOVAL} on /storage/{name}, which removing an image takes"
    if wish.iso_storage is not None and without is not None:
        raise unfit("iso_storage", without)
    return (None if without else name), without
