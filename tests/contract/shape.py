"""OpenAPI documents brought into the shape of the contract's copy: without prose, media types directly under codes."""

from collections.abc import Iterator
from typing import Any

PROSE = frozenset({"description", "summary"})
# Response fields that we add to what the contract has; all of them optional.
OUR_LAUNCH_FIELDS = {
    name: frozenset({"ssh_key_names", "user_data"}) for name in ("LaunchInstanceRequest", "CreateVMRequest")
}
OUR_FIELDS = {
    "FirewallStatus": frozenset({"limitations"}),
    "VMInstance": frozenset({"status", "ssh_port", "iso_name", "backup_in_progress", "restore_in_progress"}),
    "BackupScheduleCreate": frozenset({"enabled", "keep_last", "keep_daily", "keep_weekly", "keep_monthly"}),
    **OUR_LAUNCH_FIELDS,
}


def shaped(document: dict[str, Any]) -> dict[str, Any]:
    """The comparable part of a served document."""
    return {
        "paths": {path: {m: operation(o) for m, o in item.items()} for path, item in document["paths"].items()},
        "schemas": {
            name: schema(name, body) for name, body in document.get("components", {}).get("schemas", {}).items()
        },
        "securitySchemes": without_prose(document.get("components", {}).get("securitySchemes", {})),
        "tags": [tag if isinstance(tag, str) else tag["name"] for tag in document["tags"]],
    }


def operation(served: dict[str, Any]) -> dict[str, Any]:
    facts = {key: value for key, value in served.items() if key not in PROSE}
    facts["parameters"] = sorted(map(without_prose, facts.get("parameters", [])), key=lambda each: str(each["name"]))
    facts["responses"] = {
        code: without_prose(answer.get("content", answer)) for code, answer in facts["responses"].items()
    }
    shaped_facts: dict[str, Any] = without_prose(facts)
    return shaped_facts


def schema(name: str, body: dict[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = without_prose(body)
    for field in OUR_FIELDS.get(name, ()):
        facts.get("properties", {}).pop(field, None)
    return facts


def without_prose(value: Any, inside_properties: bool = False) -> Any:
    """The same without descriptions; a property that is itself called `description` stays."""
    if isinstance(value, list):
        return [without_prose(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: inner if key in {"example", "examples"} else without_prose(inner, key == "properties")
        for key, inner in value.items()
        if inside_properties or key not in PROSE
    }


def differences(ours: Any, theirs: Any, where: str = "") -> Iterator[str]:
    """Every place at which two documents differ, either way."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys(), key=str):
            if key not in ours:
                yield f"{where}/{key}: missing"
            elif key not in theirs:
                yield f"{where}/{key}: not in the contract: {ours[key]!r}"
            else:
                yield from differences(ours[key], theirs[key], f"{where}/{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(one, other, f"{where}/{number}")
    elif ours != theirs or type(ours) is not type(theirs):
        yield f"{where}: {ours!r} instead of {theirs!r}"
