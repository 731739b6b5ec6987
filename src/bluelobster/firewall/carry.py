"""A firewall becomes that of the machine that takes another's place. Firewalls belong to the hypervisor's numbers, and
a backup brings the one that its machine had."""

from collections.abc import Callable, Mapping, Sequence

from bluelobster.firewall.status import POLICY
from bluelobster.firewall.wall import read_wall
from bluelobster.instances.protection import FILTERS
from bluelobster.pve import PveClient
from bluelobster.pve.firewall import FirewallRule

# The client, which whoever may not act any more does not get.
Reach = Callable[[], PveClient]
Said = tuple[str, str, bool, dict[str, str]]


async def carry(reach: Reach, source: int, target: int) -> None:
    """Give `target`, whose guest does not run, the options, addresses and rules of `source`, our own rules that no
    customer sees among them, and nothing else. Safe to repeat. Nobody may change either of them meanwhile."""
    wall = await read_wall(reach(), source)
    policies = {"policy_in": wall.options.policy_in or POLICY, "policy_out": wall.options.policy_out or POLICY}
    await reach().set_firewall_options(target, {**FILTERS, **policies})
    await _set_ip_sets(
        reach, target, {name: await reach().ip_set(source, name) for name in await reach().ip_sets(source)}
    )
    await _set_rules(reach, target, wall.rules)


async def clear(reach: Reach, vmid: int) -> None:
    """Leave no address and no rule."""
    await _set_ip_sets(reach, vmid, {})
    await _set_rules(reach, vmid, ())


async def _set_ip_sets(reach: Reach, vmid: int, wanted: Mapping[str, Sequence[str]]) -> None:
    for name in await reach().ip_sets(vmid):
        if name not in wanted:
            await reach().delete_ip_set(vmid, name)
    for name, addresses in wanted.items():
        await reach().make_ip_set(vmid, name)
        there = await reach().ip_set(vmid, name)
        for foreign in [each for each in there if each not in addresses]:
            await reach().remove_from_ip_set(vmid, name, foreign)
        for missing in [each for each in addresses if each not in there]:
            await reach().add_to_ip_set(vmid, name, missing)


async def _set_rules(reach: Reach, vmid: int, wanted: Sequence[FirewallRule]) -> None:
    """A new rule always comes in front of all others: the last one is written first."""
    if _said(await reach().firewall_rules(vmid)) == _said(wanted):
        return
    while left := await reach().firewall_rules(vmid):
        await reach().delete_firewall_rule(vmid, left[0].pos, left[0].digest)
    for rule in reversed(wanted):
        acts: dict[str, str | int] = {"type": rule.type, "action": rule.action, "enable": int(rule.enabled)}
        await reach().add_firewall_rule(vmid, {**acts, **rule.fields})


def _said(rules: Sequence[FirewallRule]) -> list[Said]:
    """The rules in their order, without where they are written."""
    return [(rule.type, rule.action, rule.enabled, dict(rule.fields)) for rule in rules]
