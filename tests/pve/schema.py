"""Judges requests by the parameter schema of the real server, as far as the schema tells."""

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pve.property_strings import described_problems, outlined_problems

_PATHS: dict[str, Any] = json.loads((Path(__file__).parent / "api-schema.json").read_text())["paths"]
_NUMBERED = re.compile(r"(.+?)\d+")

_VOLUME = r"[a-zA-Z][a-zA-Z0-9\-_.]*[a-zA-Z0-9]:\S+"
_WORD = r"[a-zA-Z][a-zA-Z0-9\-_]*"
_NAME = r"[a-zA-Z0-9](?:[a-zA-Z0-9\-]*[a-zA-Z0-9])?"
_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

# The formats that Proxmox only names; what a request uses and is missing here fails as unknown.
_FORMATS = {
    "dns-name": rf"{_NAME}(?:\.{_NAME})*",
    "disk-size": r"\d+(?:\.\d+)?[KMGT]?",
    "mac-addr": r"[0-9a-fA-F][02468aceACE](?::[0-9a-fA-F]{2}){5}",
    "pve-bridge-id": r"[a-zA-Z0-9](?:[a-zA-Z0-9_.\-]*[a-zA-Z0-9])?",
    "pve-configid-list": rf"{_WORD}(?:[,; ]{_WORD})*",
    "pve-fw-icmp-type-spec": r"[a-z0-9-]+(?:/\d+)?",
    "pve-fw-protocol-spec": r"tcp|udp|icmp|icmpv6|ipv6-icmp|esp|ah|gre|sctp|\d+",
    "pve-iface": _WORD,
    "pve-node": _NAME,
    "pve-qm-boot": rf"order={_WORD}(?:;{_WORD})*",
    "pve-qm-hostpci": r".+",
    "pve-qm-ipconfig": r".+",
    "pve-qm-smbios1": rf"(?:.*,)?uuid={_UUID}(?:,.*)?",
    "pve-storage-content": r"[a-z]+",
    "pve-storage-id": r"[a-zA-Z][a-zA-Z0-9\-_.]*[a-zA-Z0-9]",
    "pve-tag-list": r"[a-zA-Z0-9_][a-zA-Z0-9_\-+.]*(?:[;, ][a-zA-Z0-9_][a-zA-Z0-9_\-+.]*)*",
    "pve-vmid": r"[1-9][0-9]{2,8}",
    "pve-vmid-list": r"[1-9][0-9]{2,8}(?:[,; ][1-9][0-9]{2,8})*",
    "pve-volume-id-or-absolute-path": rf"{_VOLUME}|/\S+",
    "pve-volume-id-or-qm-path": rf"none|cdrom|/\S+|{_VOLUME}",
    "urlencoded": r"[-%a-zA-Z0-9_.!~*'()]*",
}


def operation(method: str, path: str) -> tuple[str, dict[str, str], Mapping[str, Any]]:
    """The path template, the parameters in the path and the schema; `path` is still escaped. Raises LookupError."""
    for template, methods in _PATHS.items():
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
        found = re.fullmatch(pattern, path)
        if found and method in methods:
            return template, {name: unquote(value) for name, value in found.groupdict().items()}, methods[method]
    raise LookupError(f"the server has no {method} {path}")


def problems(method: str, path: str, parameters: Mapping[str, str]) -> list[str]:
    """What the server would refuse about a request."""
    _, in_path, schema = operation(method, path)
    properties: Mapping[str, Any] = schema["parameters"]["properties"]
    given = {**in_path, **parameters}
    found = [f"{name} is given in the path too" for name in in_path if name in parameters]
    for name, value in given.items():
        rule = _rule(name, properties)
        if rule is None:
            found.append(f"unknown parameter {name!r}")
            continue
        found += [f"{name}: {problem}" for problem in value_problems(value, rule)]
        if "requires" in rule and rule["requires"] not in given:
            found.append(f"{name} needs {rule['requires']}")
    needed = [name for name, rule in properties.items() if not rule.get("optional")]
    return found + [f"{name} is missing" for name in needed if name not in given]


def _rule(name: str, properties: Mapping[str, Any]) -> Mapping[str, Any] | None:
    numbered = _NUMBERED.fullmatch(name)
    return properties.get(name) or (properties.get(f"{numbered[1]}[n]") if numbered else None)


def value_problems(value: str, rule: Mapping[str, Any]) -> list[str]:
    """What is wrong with one value."""
    checks = (_type_problem, _enum_problem, _pattern_problem, _length_problem)
    found = [problem for check in checks if (problem := check(value, rule))]
    return found or _format_problems(value, rule)


def _type_problem(value: str, rule: Mapping[str, Any]) -> str | None:
    kind = rule["type"]
    if kind == "boolean":
        return None if value in ("0", "1") else f"{value!r} is no boolean"
    if kind not in ("integer", "number"):
        return None
    if not re.fullmatch(r"-?\d+" if kind == "integer" else r"-?\d+(\.\d+)?", value):
        return f"{value!r} is no {kind}"
    low, high = float(rule.get("minimum", "-inf")), float(rule.get("maximum", "inf"))
    return None if low <= float(value) <= high else f"{value} is not between {low:g} and {high:g}"


def _enum_problem(value: str, rule: Mapping[str, Any]) -> str | None:
    return f"{value!r} is none of {rule['enum']}" if "enum" in rule and value not in rule["enum"] else None


def _pattern_problem(value: str, rule: Mapping[str, Any]) -> str | None:
    pattern = rule.get("pattern", ".*").replace("(?^:", "(?:")
    return None if re.fullmatch(pattern, value, re.DOTALL) else f"{value!r} does not match {pattern}"


def _length_problem(value: str, rule: Mapping[str, Any]) -> str | None:
    return f"longer than {rule['maxLength']}" if len(value) > rule.get("maxLength", len(value)) else None


def _format_problems(value: str, rule: Mapping[str, Any]) -> list[str]:
    kind = rule.get("format")
    if kind is None:
        return []
    if isinstance(kind, dict):
        return described_problems(value, kind, value_problems)
    if kind in _ADDRESSES:
        separator, parse = _ADDRESSES[kind]
        return [f"{part!r} is no address" for part in re.split(separator, value) if not _is_address(part, parse)]
    if kind in ("pve-fw-dport-spec", "pve-fw-sport-spec"):
        return [f"{part!r} is no port" for part in value.split(",") if not _are_ports(part)]
    if kind not in _FORMATS:
        return [f"the format {kind} is not known here"]
    if not re.fullmatch(_FORMATS[kind], value):
        return [f"{value!r} is no {kind}"]
    outline = rule.get("typetext", "")
    return outlined_problems(value, outline) if "=" in outline else []


def _is_address(value: str, parse: Callable[[str], object]) -> bool:
    try:
        parse(value)
    except ValueError:
        return False
    return True


def _are_ports(value: str) -> bool:
    numbers = [int(part) if part.isdecimal() else -1 for part in value.split(":")]
    return len(numbers) <= 2 and all(0 <= number <= 65535 for number in numbers) and numbers == sorted(numbers)


_ADDRESSES: dict[str, tuple[str, Callable[[str], object]]] = {
    "address-list": ("[,; ]+", ipaddress.ip_address),
    "IPorCIDRorAlias": ("\0", ipaddress.ip_network),
    "pve-fw-addr-spec": (",", ipaddress.ip_network),
}
