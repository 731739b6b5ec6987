"""The firewall of a VM, and the switch of the datacenter without which no rule acts."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pvelocal.errors import bad_parameters, failed
from pvelocal.firewall import RULE_FIELDS, Firewall, IpSet, Rule, canonical, rule_of
from pvelocal.formats import split_list
from pvelocal.routing import Call, Route, needs
from pvelocal.verification import Value

_ACTIONS = ("ACCEPT", "DROP", "REJECT")
_READ = needs("/vms/{vmid}", "VM.Audit")
_CHANGE = needs("/vms/{vmid}", "VM.Config.Network")
_CALL_PARAMETERS = frozenset({"node", "vmid", "digest", "delete"})


def _firewall(call: Call) -> Firewall:
    """As it is; ApiError when the caller saw another one."""
    firewall = call.node.firewalls.get(call.vmid)
    digest = call.text("digest")
    if digest and digest != firewall.digest:
        raise failed("detected modified configuration - file changed by other user? Try again.")
    return firewall


async def _change(call: Call, firewall: Firewall) -> None:
    call.node.firewalls.save(call.vmid, firewall)
    await call.node.apply_firewall(call.vmid)


async def show_datacenter(call: Call) -> object:
    """Whether any rule acts at all."""
    return {**({"enable": 1} if call.node.settings.firewall else {}), "digest": Firewall().digest}


async def show_options(call: Call) -> object:
    """The options. What this node cannot enforce is said in `limitations`, which the real one does not have."""
    firewall = call.node.firewalls.get(call.vmid)
    limitations = call.node.hypervisor.firewall_limitations(firewall)
    extension = {"limitations": list(limitations)} if limitations else {}
    return {**firewall.options, **extension, "digest": firewall.digest}


async def set_options(call: Call) -> None:
    """Set options and take others away."""
    changes = {name: value for name, value in call.parameters.items() if name not in _CALL_PARAMETERS}
    await _change(call, _firewall(call).with_options(changes, split_list(call.text("delete"))))


def _shown(rule: Rule, pos: int | str, digest: str) -> dict[str, Any]:
    return {**rule.describe(), "pos": pos, "digest": digest}


async def list_rules(call: Call) -> object:
    """The rules in their order."""
    firewall = call.node.firewalls.get(call.vmid)
    return [_shown(rule, pos, firewall.digest) for pos, rule in enumerate(firewall.rules)]


def _position(call: Call, firewall: Firewall) -> int:
    pos = call.number("pos")
    if pos >= len(firewall.rules):
        raise failed(f"no rule at position {pos}")
    return pos


async def show_rule(call: Call) -> object:
    """One rule. Its position is text here, and a number in the list."""
    firewall = call.node.firewalls.get(call.vmid)
    pos = _position(call, firewall)
    return _shown(firewall.rules[pos], str(pos), firewall.digest)


async def add_rule(call: Call) -> None:
    """Add a rule: always before all others, whatever `pos` says."""
    firewall = _firewall(call)
    _check_rule(call.parameters)
    await _change(call, replace(firewall, rules=(rule_of(call.parameters), *firewall.rules)))


def _check_rule(parts: Mapping[str, Value]) -> None:
    errors: dict[str, str] = {}
    if parts["type"] in ("in", "out") and parts["action"] not in _ACTIONS:
        errors["action"] = f"unknown action '{parts['action']}'"
    for name in ("dport", "sport"):
        if name in parts and "proto" not in parts:
            errors["proto"] = f"missing property - '{name}' requires this property"
    if errors:
        raise bad_parameters(errors)


async def change_rule(call: Call) -> None:
    """Change a rule, or with `moveto` put it in front of another one, which leaves all else as it is."""
    firewall = _firewall(call)
    pos, rules = _position(call, firewall), list(firewall.rules)
    if "moveto" in call.parameters:
        target = call.number("moveto")
        rule = rules.pop(pos)
        rules.insert(target - 1 if target > pos else target, rule)
    else:
        rules[pos] = _changed(rules[pos], call.parameters)
    await _change(call, replace(firewall, rules=tuple(rules)))


def _changed(rule: Rule, parameters: Mapping[str, Value]) -> Rule:
    deleted = split_list(str(parameters.get("delete", "")))
    kept = {name: value for name, value in rule.describe().items() if name not in deleted}
    changes = {name: value for name, value in parameters.items() if name in RULE_FIELDS}
    parts = kept | changes
    _check_rule(parts)
    return rule_of(parts)


async def delete_rule(call: Call) -> None:
    """Remove a rule; those behind it move up."""
    firewall = _firewall(call)
    pos = _position(call, firewall)
    await _change(call, replace(firewall, rules=firewall.rules[:pos] + firewall.rules[pos + 1 :]))


async def list_sets(call: Call) -> object:
    """The sets of addresses."""
    firewall = call.node.firewalls.get(call.vmid)
    return [
        {"name": name, "digest": firewall.digest, **({"comment": found.comment} if found.comment else {})}
        for name, found in sorted(firewall.ip_sets.items())
    ]


async def make_set(call: Call) -> None:
    """Make an empty set."""
    firewall, name = _firewall(call), call.text("name")
    if name in firewall.ip_sets:
        raise bad_parameters({"name": f"IPSet '{name}' already exists"})
    await _change(call, firewall.with_set(name, IpSet(comment=call.text("comment") or None)))


def _set(call: Call, firewall: Firewall) -> IpSet:
    found = firewall.ip_sets.get(call.text("name"))
    if found is None:
        raise failed(f"no such IPSet '{call.text('name')}'")
    return found


async def list_members(call: Call) -> object:
    """What is in a set."""
    firewall = call.node.firewalls.get(call.vmid)
    return [{"cidr": member, "digest": firewall.digest} for member in _set(call, firewall).members]


async def add_member(call: Call) -> None:
    """Put an address or network into a set."""
    firewall, cidr = _firewall(call), canonical(call.text("cidr"))
    found = _set(call, firewall)
    if cidr in found.members:
        raise bad_parameters({"cidr": f"address '{cidr}' already exists"})
    await _change(call, firewall.with_set(call.text("name"), replace(found, members=(*found.members, cidr))))


async def remove_member(call: Call) -> None:
    """Take an address or network out of a set; nothing happens when it is not in it."""
    firewall, cidr = _firewall(call), canonical(call.text("cidr"))
    found = _set(call, firewall)
    kept = tuple(member for member in found.members if member != cidr)
    await _change(call, firewall.with_set(call.text("name"), replace(found, members=kept)))


async def delete_set(call: Call) -> None:
    """Remove a set, with `force` a filled one too."""
    firewall = _firewall(call)
    if _set(call, firewall).members and not call.flag("force"):
        raise failed(f"IPSet '{call.text('name')}' is not empty")
    await _change(call, firewall.with_set(call.text("name"), None))


_FIREWALL = "/nodes/{node}/qemu/{vmid}/firewall"
ROUTES = (
    Route("GET", "/cluster/firewall/options", show_datacenter, needs("/", "Sys.Audit")),
    Route("GET", f"{_FIREWALL}/options", show_options, _READ),
    Route("PUT", f"{_FIREWALL}/options", set_options, _CHANGE),
    Route("GET", f"{_FIREWALL}/rules", list_rules, _READ),
    Route("POST", f"{_FIREWALL}/rules", add_rule, _CHANGE),
    Route("GET", f"{_FIREWALL}/rules/{{pos}}", show_rule, _READ),
    Route("PUT", f"{_FIREWALL}/rules/{{pos}}", change_rule, _CHANGE),
    Route("DELETE", f"{_FIREWALL}/rules/{{pos}}", delete_rule, _CHANGE),
    Route("GET", f"{_FIREWALL}/ipset", list_sets, _READ),
    Route("POST", f"{_FIREWALL}/ipset", make_set, _CHANGE),
    Route("GET", f"{_FIREWALL}/ipset/{{name}}", list_members, _READ),
    Route("POST", f"{_FIREWALL}/ipset/{{name}}", add_member, _CHANGE),
    Route("DELETE", f"{_FIREWALL}/ipset/{{name}}", delete_set, _CHANGE),
    Route("DELETE", f"{_FIREWALL}/ipset/{{name}}/{{cidr}}", remove_member, _CHANGE),
)
