"""Checks the parameters of a call, and refuses them in the words of Proxmox VE.

`parameters.json` holds the parameters of the calls this node answers: names, types, formats, enumerations and limits
of the API schema of pve-manager 9.2.11, qemu-server 9.2.6 and pve-storage 9.1.7. It is read once, at import.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvelocal.errors import bad_parameters
from pvelocal.formats import CHECKS, STRUCTURES, FormatCheck

Value = str | int | float

_INDEXED = {
    "hostpci": 16, "ide": 4, "ipconfig": 32, "net": 32, "numa": 8, "parallel": 3, "sata": 6, "scsi": 31, "serial": 4,
    "unused": 256, "usb": 14, "virtio": 16, "virtiofs": 10,
}  # fmt: skip
_TRUE = frozenset({"1", "on", "yes", "true"})
_FALSE = frozenset({"0", "off", "no", "false"})
_INTEGER = re.compile(r"[+-]?\d+")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_UNDEFINED = "property is not defined in schema and the schema does not allow additional properties"
_MISSING = "property is missing and it is not optional"


@dataclass(frozen=True)
class Property:
    """One parameter, or one part of a property string."""

    type: str
    optional: bool
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None
    enum: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None
    check: FormatCheck | None = None
    structure: "Structure | None" = None
    requires: str | None = None

    def read(self, name: str, text: str) -> Value:
        """The value of `text`; ValueError says what is wrong with it."""
        if self.type == "string":
            self._check_text(name, text)
            return text
        number = self._read_number(text)
        if self.minimum is not None and number < self.minimum:
            raise ValueError(f"value must have a minimum value of {self.minimum:g}")
        if self.maximum is not None and number > self.maximum:
            raise ValueError(f"value must have a maximum value of {self.maximum:.10g}")
        return number

    def _read_number(self, text: str) -> int | float:
        if self.type == "boolean":
            if text.lower() in _TRUE:
                return 1
            if text.lower() in _FALSE:
                return 0
        elif self.type == "integer" and _INTEGER.fullmatch(text):
            return int(text)
        elif self.type == "number" and _NUMBER.fullmatch(text):
            number = float(text)
            return int(number) if number.is_integer() else number
        raise ValueError(f"type check ('{self.type}') failed - got '{text}'")

    def _check_text(self, name: str, text: str) -> None:
        try:
            if self.check is not None:
                self.check(text)
            if self.structure is not None:
                self.structure.parse(name, text)
        except ValueError as error:
            raise ValueError(f"invalid format - {error}") from None
        if self.pattern is not None and self.pattern.fullmatch(text) is None:
            raise ValueError("value does not match the regex pattern")
        if self.max_length is not None and len(text) > self.max_length:
            raise ValueError(f"value may only be {self.max_length} characters long")
        if self.enum and text not in self.enum:
            raise ValueError(f"value '{text}' does not have a value in the enumeration '{', '.join(self.enum)}'")


@dataclass(frozen=True)
class Structure:
    """A property string: `virtio=BC:24:11:00:00:01,bridge=vmbr0`."""

    parts: Mapping[str, Property]
    default_key: str | None
    aliases: Mapping[str, tuple[str, str | None]]

    def parse(self, name: str, text: str) -> dict[str, Value]:
        """Its parts by name; ValueError in the words of Proxmox VE."""
        texts = self._split(text)
        values: dict[str, Value] = {}
        errors: list[str] = []
        for key, value in texts.items():
            try:
                values[key] = self.parts[key].read(f"{name}.{key}", value)
            except ValueError as error:
                errors.append(f"{name}.{key}: {error}\n")
        for key, part in self.parts.items():
            if not part.optional and key not in texts:
                errors.append(f"{name}.{key}: {_MISSING}\n")
            if part.requires is not None and key in texts and part.requires not in texts:
                errors.append(f"{name}.{part.requires}: missing property - '{key}' requires this property\n")
        if errors:
            raise ValueError("format error\n" + "".join(errors))
        return values

    def _split(self, text: str) -> dict[str, str]:
        texts: dict[str, str] = {}
        for part in text.split(","):
            if not part.strip():
                continue
            key, equals, value = part.partition("=")
            if not equals:
                if self.default_key is None:
                    raise ValueError("value without key, but schema does not define a default key\n")
                key, value = self.default_key, part
            elif key in self.aliases:
                key = self._follow_alias(key, texts)
            if key not in self.parts:
                raise ValueError(f"invalid key in comma-separated list property: {key}\n")
            if key in texts:
                raise ValueError(f"duplicate key in comma-separated list property: {key}\n")
            texts[key] = value
        return texts

    def _follow_alias(self, key: str, texts: dict[str, str]) -> str:
        target, named_by = self.aliases[key]
        if named_by is not None:
            if named_by in texts:
                raise ValueError(f"key alias '{named_by}' is already defined\n")
            texts[named_by] = key
        return target

    def render(self, values: Mapping[str, Value]) -> str:
        """The property string of `values`: the default key first and bare, the others by name."""
        rest = dict(values)
        first: list[str] = []
        model = next((named_by for _, named_by in self.aliases.values() if named_by is not None), None)
        if model is not None and "macaddr" in rest:
            first.append(f"{rest.pop(model)}={rest.pop('macaddr')}")
        elif self.default_key is not None and self.default_key in rest:
            first.append(str(rest.pop(self.default_key)))
        return ",".join([*first, *(f"{key}={rest[key]}" for key in sorted(rest))])


def _property(facts: Mapping[str, Any]) -> Property:
    named = facts.get("format")
    structure = named if isinstance(named, dict) else STRUCTURES.get(named or "")
    return Property(
        type=facts.get("type", "string"),
        optional=facts.get("optional", False),
        minimum=None if "minimum" not in facts else float(facts["minimum"]),
        maximum=facts.get("maximum"),
        max_length=facts.get("maxLength"),
        enum=tuple(str(item) for item in facts.get("enum", ())),
        pattern=re.compile(facts["pattern"]) if "pattern" in facts else None,
        check=CHECKS.get(named) if isinstance(named, str) else None,
        structure=None if structure is None else _structure(structure),
        requires=facts.get("requires"),
    )


def _structure(facts: Mapping[str, Mapping[str, Any]]) -> Structure:
    return Structure(
        parts={name: _property(part) for name, part in facts.items() if "alias" not in part},
        default_key=next((name for name, part in facts.items() if part.get("default_key")), None),
        aliases={name: (part["alias"], part.get("keyAlias")) for name, part in facts.items() if "alias" in part},
    )


def _expand(name: str, value: Property) -> dict[str, Property]:
    if not name.endswith("[n]"):
        return {name: value}
    return {f"{name[:-3]}{index}": value for index in range(_INDEXED[name[:-3]])}


def _load() -> dict[str, dict[str, Property]]:
    document = json.loads((Path(__file__).parent / "parameters.json").read_bytes())
    shared = {name: _expand(name, _property(facts)) for name, facts in document["shared"].items()}
    calls: dict[str, dict[str, Property]] = {}
    for call, names in document["calls"].items():
        properties: dict[str, Property] = {}
        for name in names["shared"]:
            properties |= shared[name]
        for name, facts in names["own"].items():
            properties |= _expand(name, _property(facts))
        calls[call] = properties
    return calls


PARAMETERS = _load()
"""The parameters of each call, by `METHOD /path/{template}`."""

OPTIONS = PARAMETERS["PUT /nodes/{node}/qemu/{vmid}/config"]
"""The options of a VM's configuration (with a few parameters of the call itself)."""

_REQUIRED = {
    call: frozenset(name for name, prop in properties.items() if not prop.optional)
    for call, properties in PARAMETERS.items()
}


def verify(call: str, parameters: Mapping[str, str]) -> dict[str, Value]:
    """The typed parameters of a call; ApiError 400 names every one that is wrong."""
    properties = PARAMETERS[call]
    values: dict[str, Value] = {}
    errors: dict[str, str] = {}
    for name, text in parameters.items():
        known = properties.get(name)
        if known is None:
            errors[name] = _UNDEFINED
            continue
        try:
            values[name] = known.read(name, text)
        except ValueError as error:
            errors[name] = str(error)
        if known.requires is not None and known.requires not in parameters:
            errors[known.requires] = f"missing property - '{name}' requires this property"
    for name in _REQUIRED[call] - parameters.keys():
        errors[name] = _MISSING
    if errors:
        raise bad_parameters(errors)
    return values


def parse_option(name: str, text: str) -> dict[str, Value]:
    """The parts of an option that is a property string (`net0`, `scsi0`, `ipconfig0` …), known to be valid."""
    structure = OPTIONS[name].structure
    if structure is None:
        raise TypeError(f"{name} is not a property string")
    return structure.parse(name, text)


def render_option(name: str, parts: Mapping[str, Value]) -> str:
    """The property string of such an option."""
    structure = OPTIONS[name].structure
    if structure is None:
        raise TypeError(f"{name} is not a property string")
    return structure.render(parts)
