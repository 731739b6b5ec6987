"""The firewall of each VM: options, rules and sets of addresses, one file a VM as on the real node."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from pvelocal.files import DamagedFile, remove_torn, write_atomically
from pvelocal.verification import Value


@dataclass(frozen=True)
class Rule:
    """One rule. It acts when `enable` is not 0; addresses and ports are in the words of the API."""

    type: str
    action: str
    enable: int = 0
    source: str | None = None
    dest: str | None = None
    proto: str | None = None
    dport: str | None = None
    sport: str | None = None
    icmp_type: str | None = None
    iface: str | None = None
    macro: str | None = None
    log: str | None = None
    comment: str | None = None

    @property
    def ip_version(self) -> int | None:
        """4 or 6 where an address or the protocol says it."""
        for text in (self.source, self.dest):
            if text:
                return 6 if ":" in text else 4
        return {"icmp": 4, "ipv6-icmp": 6, "icmpv6": 6}.get(self.proto or "")

    def describe(self) -> dict[str, Value]:
        """As the API shows it, without its position."""
        shown: dict[str, Value] = {
            name.replace("_", "-"): value for name, value in asdict(self).items() if value is not None
        }
        if self.ip_version is not None:
            shown["ipversion"] = self.ip_version
        return shown


RULE_FIELDS = frozenset(item.name.replace("_", "-") for item in fields(Rule))
"""The parameters of a call that are parts of a rule."""


def rule_of(parts: Mapping[str, Value]) -> Rule:
    """A rule from the parameters of a call; a comment ends with its first line, as in the real node's file."""
    values: dict[str, Any] = {name.replace("-", "_"): value for name, value in parts.items() if name in RULE_FIELDS}
    if "comment" in values:
        values["comment"] = str(values["comment"]).partition("\n")[0] or None
    return Rule(**values)


@dataclass(frozen=True)
class IpSet:
    """A named set of addresses and networks."""

    members: tuple[str, ...] = ()
    comment: str | None = None


@dataclass(frozen=True)
class Firewall:
    """All of one VM's firewall. It acts on cards with `firewall=1` when its option `enable` is set."""

    options: Mapping[str, Value] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    ip_sets: Mapping[str, IpSet] = field(default_factory=dict)

    @property
    def enabled(self) -> bool:
        """Whether it acts."""
        return bool(self.options.get("enable", 0))

    def policy(self, way: str) -> str:
        """What happens to packets `in` or `out` that no rule matches."""
        return str(self.options.get(f"policy_{way}", "DROP" if way == "in" else "ACCEPT"))

    @property
    def mac_filter(self) -> bool:
        """Whether a guest may send from its own MAC addresses only."""
        return bool(self.options.get("macfilter", 1))

    def own_addresses(self, card: int) -> tuple[str, ...] | None:
        """The addresses that a card may send from; None when it may from all."""
        named = self.ip_sets.get(f"ipfilter-net{card}")
        if named is not None:
            return named.members
        return () if self.options.get("ipfilter", 0) else None

    def acting(self, way: str) -> tuple[Rule, ...]:
        """The rules for packets `in` or `out` that act, in their order."""
        return tuple(rule for rule in self.rules if rule.type == way and rule.enable)

    def document(self) -> str:
        """What its file holds; nothing for an empty one."""
        return json.dumps(asdict(self), sort_keys=True) if self != Firewall() else ""

    @property
    def digest(self) -> str:
        """Changes with every change."""
        return hashlib.sha1(self.document().encode(), usedforsecurity=False).hexdigest()

    def with_options(self, changes: Mapping[str, Value], deletions: list[str]) -> "Firewall":
        """With options set and others taken away."""
        kept = {name: value for name, value in self.options.items() if name not in deletions}
        return replace(self, options=kept | dict(changes))

    def with_set(self, name: str, ip_set: IpSet | None) -> "Firewall":
        """With a set made or changed, or without it."""
        kept = {other: value for other, value in self.ip_sets.items() if other != name}
        return replace(self, ip_sets=kept if ip_set is None else kept | {name: ip_set})


def canonical(cidr: str) -> str:
    """An address or network as a set shows it: a single address without its prefix."""
    network = ip_network(cidr, strict=False)
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


class Firewalls:
    """The firewalls by VMID. The VM need not exist: the real node does not look, either."""

    def __init__(self, directory: Path, *, durable: bool) -> None:
        self._directory = directory
        self._durable = durable
        remove_torn(directory)
        self._known: dict[int, Firewall] = {int(path.stem): _read_file(path) for path in directory.glob("[0-9]*.json")}

    def get(self, vmid: int) -> Firewall:
        """The firewall of a VM, empty where nothing was ever set."""
        return self._known.get(vmid, Firewall())

    def save(self, vmid: int, firewall: Firewall) -> None:
        """Keep what was changed."""
        self._known[vmid] = firewall
        write_atomically(self._directory / f"{vmid}.json", firewall.document() or "{}", durable=self._durable)

    def remove(self, vmid: int) -> None:
        """Forget a VM's firewall."""
        self._known.pop(vmid, None)
        (self._directory / f"{vmid}.json").unlink(missing_ok=True)


def _read_file(path: Path) -> Firewall:
    try:
        return read_firewall(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedFile(
            f"{path} is damaged: {error}. Put it back from a backup, or move it away: machine {path.stem} then has no"
            " firewall"
        ) from error


def read_firewall(text: str) -> Firewall:
    """The firewall that a document tells of."""
    document: dict[str, Any] = json.loads(text)
    return Firewall(
        options=document.get("options", {}),
        rules=tuple(Rule(**rule) for rule in document.get("rules", [])),
        ip_sets={
            name: IpSet(tuple(ip_set["members"]), ip_set["comment"])
            for name, ip_set in document.get("ip_sets", {}).items()
        },
    )
