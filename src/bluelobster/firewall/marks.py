"""How a firewall is switched off without letting anybody spoof.

The hypervisor's own switch would take the filters of addresses with it. So the firewall stays on, and two rules in
front of all others accept everything, in and out: no rule behind them acts, and no policy. They are the record of the
customer's wish, kept by the hypervisor together with the rules, and never shown.
"""

from bluelobster.pve.firewall import FirewallRule

RESERVED = "bluelobster:"
COMMENT = f"{RESERVED} switched off"
WAYS = ("in", "out")


def mark(way: str) -> dict[str, str | int]:
    """The rule that lets everything `in` or `out`."""
    return {"type": way, "action": "ACCEPT", "enable": 1, "comment": COMMENT}


def is_mark(rule: FirewallRule) -> bool:
    """Whether a rule is one of ours, and no customer's."""
    return rule.fields.get("comment", "").startswith(RESERVED)
