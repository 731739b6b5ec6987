"""A machine's firewall as the hypervisor has it, and as its customer sees it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bluelobster.firewall.marks import WAYS, is_mark, mark
from bluelobster.pve import PveClient, errors
from bluelobster.pve.firewall import FirewallOptions, FirewallRule

ATTEMPTS = 8

Find = Callable[["Wall"], FirewallRule | None]
Act = Callable[[FirewallRule], Awaitable[None]]


@dataclass(frozen=True)
class Wall:
    """Options and rules, ours among them."""

    options: FirewallOptions
    rules: tuple[FirewallRule, ...]

    @property
    def marks(self) -> list[FirewallRule]:
        return [rule for rule in self.rules if is_mark(rule)]

    @property
    def own(self) -> list[FirewallRule]:
        """The customer's rules; their positions count these alone."""
        return [rule for rule in self.rules if not is_mark(rule)]

    @property
    def enabled(self) -> bool:
        return self.options.enabled and {rule.type for rule in self.marks} != set(WAYS)

    def misplaced(self) -> FirewallRule | None:
        """A mark that is not in front of all the customer's rules, and would not keep them from acting."""
        first = next((rule.pos for rule in self.rules if not is_mark(rule)), len(self.rules))
        return next((rule for rule in self.marks if rule.pos > first), None)


async def read_wall(pve: PveClient, vmid: int) -> Wall:
    return Wall(await pve.firewall_options(vmid), tuple(await pve.firewall_rules(vmid)))


async def switch_off(pve: PveClient, vmid: int) -> None:
    """Let no rule act; they are kept."""
    there = {rule.type for rule in (await read_wall(pve, vmid)).marks}
    for way in WAYS:
        if way not in there:
            await pve.add_firewall_rule(vmid, mark(way))
    await marks_to_the_front(pve, vmid)


async def switch_on(pve: PveClient, vmid: int) -> None:
    """Let the rules act again."""
    while await once(
        pve,
        vmid,
        lambda wall: next(iter(wall.marks), None),
        lambda rule: pve.delete_firewall_rule(vmid, rule.pos, rule.digest),
    ):
        pass


async def marks_to_the_front(pve: PveClient, vmid: int) -> None:
    """A new rule always comes in front of all others, the marks included: put them back."""
    while await once(
        pve,
        vmid,
        Wall.misplaced,
        lambda rule: pve.change_firewall_rule(vmid, rule.pos, {"moveto": 0, "digest": rule.digest}),
    ):
        pass


async def once(pve: PveClient, vmid: int, find: Find, act: Act) -> bool:
    """Find a rule and act on it with its digest, again as long as others change the firewall in between; whether
    there was one. Raises ConfigChanged when they do not stop."""
    for attempt in range(1, ATTEMPTS + 1):
        rule = find(await read_wall(pve, vmid))
        if rule is None:
            return False
        try:
            await act(rule)
        except (errors.ConfigChanged, errors.FirewallRuleNotFound):
            if attempt == ATTEMPTS:
                raise
        else:
            return True
    return False
