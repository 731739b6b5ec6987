"""A firewall as the API shows it."""

from typing import Any

from pydantic import BaseModel, Field

from bluelobster.firewall.wall import Wall
from bluelobster.pve.firewall import FirewallRule

POLICY = "ACCEPT"
SWITCHED_OFF = "no rule acts at the moment: the operator has switched the firewall of the whole data center off"


class FirewallStatus(BaseModel):
    """Whether the firewall acts, what happens to packets that no rule matches, and the rules in their order."""

    enabled: bool
    policy_in: str
    policy_out: str
    rules: list[dict[str, Any]]
    limitations: list[str] | None = Field(None, description="What of this cannot be enforced where the instance runs")


def status_of(wall: Wall, rules_act: bool) -> FirewallStatus:
    """`rules_act` tells whether the data center's firewall is on."""
    limitations = [*wall.options.limitations, *([] if rules_act else [SWITCHED_OFF])]
    return FirewallStatus(
        enabled=wall.enabled,
        policy_in=wall.options.policy_in or POLICY,
        policy_out=wall.options.policy_out or POLICY,
        rules=[rule_json(rule, pos) for pos, rule in enumerate(wall.own)],
        limitations=limitations or None,
    )


def rule_json(rule: FirewallRule, pos: int) -> dict[str, Any]:
    """A rule with its position among the customer's own."""
    return {"pos": pos, "type": rule.type, "action": rule.action, **rule.fields, "enable": int(rule.enabled)}


NEW = FirewallStatus(enabled=True, policy_in=POLICY, policy_out=POLICY, rules=[])
