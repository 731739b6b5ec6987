"""Calls about the firewall of a virtual machine, and the datacenter's switch without which no rule acts."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bluelobster.pve.calls import Calls, node_path
from bluelobster.pve.errors import InvalidParameter
from bluelobster.pve.fields import Fields, flag, integer, mapping, mappings, optional_text, text


@dataclass(frozen=True)
class FirewallOptions:
    """A machine's firewall without its rules; None for a policy that was never set. `limitations` is what the local
    node says it cannot enforce; Proxmox VE itself never says such a thing."""

    enabled: bool
    policy_in: str | None
    policy_out: str | None
    mac_filter: bool
    ip_filter: bool
    digest: str
    limitations: tuple[str, ...]

    @classmethod
    def parse(cls, fields: Fields) -> "FirewallOptions":
        said = fields.get("limitations")
        return cls(
            enabled=flag(fields, "enable"),
            policy_in=optional_text(fields, "policy_in"),
            policy_out=optional_text(fields, "policy_out"),
            mac_filter="macfilter" not in fields or flag(fields, "macfilter"),
            ip_filter=flag(fields, "ipfilter"),
            digest=text(fields, "digest"),
            limitations=tuple(str(each) for each in said) if isinstance(said, list) else (),
        )


@dataclass(frozen=True)
class FirewallRule:
    """A rule at its position. `digest` changes with every change of the machine's firewall."""

    pos: int
    type: str
    action: str
    enabled: bool
    fields: Mapping[str, str]
    digest: str

    @classmethod
    def parse(cls, fields: Fields) -> "FirewallRule":
        return cls(
            pos=integer(fields, "pos"),
            type=text(fields, "type"),
            action=text(fields, "action"),
            enabled=integer(fields, "enable", 0) != 0,
            fields=MappingProxyType(
                {name: text(fields, name) for name in _RULE_FIELDS if fields.get(name) is not None}
            ),
            digest=text(fields, "digest"),
        )


_RULE_FIELDS = ("source", "dest", "proto", "dport", "sport", "icmp-type", "iface", "macro", "log", "comment")


class FirewallCalls(Calls):
    """The machine need not exist for these calls: rules for a missing one leave a stray file."""

    async def datacenter_firewall(self) -> bool:
        """Whether firewall rules act at all: the operator's decision."""
        return flag(mapping(await self._transport.get("/cluster/firewall/options")), "enable")

    async def firewall_options(self, vmid: int) -> FirewallOptions:
        """Policies and filters."""
        return FirewallOptions.parse(mapping(await self._transport.get(self._firewall(vmid, "options"))))

    async def set_firewall_options(self, vmid: int, options: Mapping[str, str | int]) -> None:
        """Set options and leave the others as they are. With `digest` among them, a firewall that changed since is
        left alone: ConfigChanged."""
        await self._transport.put(self._firewall(vmid, "options"), options, repeatable="digest" not in options)

    async def firewall_rules(self, vmid: int) -> list[FirewallRule]:
        """All rules in their order: the first that matches decides."""
        answer = mappings(await self._transport.get(self._firewall(vmid, "rules")))
        return sorted((FirewallRule.parse(fields) for fields in answer), key=lambda rule: rule.pos)

    async def add_firewall_rule(self, vmid: int, rule: Mapping[str, str | int]) -> None:
        """Add a rule in front of all others. It acts only with `enable=1`. Raises InvalidParameter."""
        await self._transport.post(self._firewall(vmid, "rules"), rule)

    async def change_firewall_rule(self, vmid: int, pos: int, changes: Mapping[str, str | int]) -> None:
        """Change a rule; with `moveto=N` put it in front of the one at N, which leaves its fields as they are. With
        `digest`, ConfigChanged as above. Raises FirewallRuleNotFound."""
        await self._transport.put(self._firewall(vmid, "rules", pos), changes)

    async def delete_firewall_rule(self, vmid: int, pos: int, digest: str) -> None:
        """Remove a rule; those behind it move up. Raises ConfigChanged when the firewall is not the one of `digest`,
        and FirewallRuleNotFound."""
        await self._transport.delete(self._firewall(vmid, "rules", pos), {"digest": digest})

    async def make_ip_set(self, vmid: int, name: str) -> None:
        """Make an empty set of addresses, unless there is one of this name."""
        await self._unless_there(self._firewall(vmid, "ipset"), {"name": name})

    async def ip_sets(self, vmid: int) -> list[str]:
        """The names of all sets."""
        answer = mappings(await self._transport.get(self._firewall(vmid, "ipset")))
        return [text(fields, "name") for fields in answer]

    async def ip_set(self, vmid: int, name: str) -> list[str]:
        """The addresses and networks in a set."""
        answer = mappings(await self._transport.get(self._firewall(vmid, "ipset", name)))
        return [text(fields, "cidr") for fields in answer]

    async def add_to_ip_set(self, vmid: int, name: str, cidr: str) -> None:
        """Put an address into a set, unless it is in it."""
        await self._unless_there(self._firewall(vmid, "ipset", name), {"cidr": cidr})

    async def remove_from_ip_set(self, vmid: int, name: str, cidr: str) -> None:
        """Take an address out of a set."""
        await self._transport.delete(self._firewall(vmid, "ipset", name, cidr))

    async def delete_ip_set(self, vmid: int, name: str) -> None:
        """Remove a set with all that is in it."""
        await self._transport.delete(self._firewall(vmid, "ipset", name), {"force": 1})

    async def _unless_there(self, path: str, parameters: Mapping[str, str]) -> None:
        try:
            await self._transport.post(path, parameters)
        except InvalidParameter as error:
            if not any("already exists" in why for why in error.errors.values()):
                raise

    def _firewall(self, vmid: int, *parts: str | int) -> str:
        return node_path(self._node, "qemu", vmid, "firewall", *parts)
