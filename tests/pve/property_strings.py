"""Checks `key=value,…` strings, such as `net0`, against their description in Proxmox VE's schema."""

import re
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[str, Mapping[str, Any]], list[str]]


def described_problems(value: str, keys: Mapping[str, Any], check: Check) -> list[str]:
    """What is wrong with `value`, whose keys are each described; `check` judges the single values."""
    given: dict[str, str] = {}
    problems: list[str] = []
    for part in value.split(","):
        key, equals, content = part.partition("=")
        if not equals:
            key, content = next((name for name, rule in keys.items() if rule.get("default_key")), ""), part
        for name, text in _resolved(key, content, keys):
            if name not in keys or "alias" in keys[name]:
                problems.append(f"unknown key {name!r}")
            elif name in given:
                problems.append(f"{name} is given twice")
            else:
                given[name] = text
                problems += [f"{name}: {problem}" for problem in check(text, keys[name])]
    needed = [name for name, rule in keys.items() if "alias" not in rule and not rule.get("optional")]
    return problems + [f"{name} is missing" for name in needed if name not in given]


def _resolved(key: str, content: str, keys: Mapping[str, Any]) -> list[tuple[str, str]]:
    rule = keys.get(key, {})
    if "alias" not in rule:
        return [(key, content)]
    named = [(str(rule["keyAlias"]), key)] if "keyAlias" in rule else []
    return [*named, (str(rule["alias"]), content)]


_KEY = re.compile(r"\[?,?\[?(?:\[(?P<default>[\w-]+)=\]|(?P<key>[\w-]+)=)(?P<type><[^>]*(?:\[[^\]]*\][^>]*)?>)")


def outlined_problems(value: str, outline: str) -> list[str]:
    """The same where the schema has only an outline: `[gw=<GatewayIPv4>] [,ip=<IPv4Format/CIDR>]`."""
    found = list(_KEY.finditer(outline))
    default = next((match["default"] for match in found if match["default"]), "")
    types = {match["default"] or match["key"]: match["type"][1:-1] for match in found}
    problems: list[str] = []
    for part in value.split(","):
        key, equals, content = part.partition("=")
        if not equals:
            key, content = default, part
        if key not in types:
            problems.append(f"unknown key {key!r}")
        elif "|" in types[key] and content not in types[key].split("|"):
            problems.append(f"{key}: {content!r} is none of {types[key]}")
    return problems
