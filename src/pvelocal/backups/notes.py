"""The template that a backup's notes are made from, as vzdump reads it."""

import re
from collections.abc import Mapping

from pvelocal.errors import bad_parameters

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_VARIABLE = re.compile(r"\{\{([^\s{}]+)\}\}")
_ESCAPES = {"n": "\n", "\\": "\\"}
VARIABLES = ("cluster", "guestname", "node", "vmid")
"""What a template may name as `{{variable}}`."""


def check_template(template: str) -> None:
    """ApiError 400 for a template that names something that there is not."""
    if "\n" in template:
        raise bad_parameters({"notes-template": "contains a line feed\n"})
    problems = [
        f"escape sequence '{match[0]}' at char {match.start()}"
        for match in _ESCAPE.finditer(template)
        if match[1] not in _ESCAPES
    ]
    problems += [
        f"variable '{match[1]}' at char {match.end() - len(match[1])}"
        for match in _VARIABLE.finditer(template)
        if match[1] not in VARIABLES
    ]
    if problems:
        raise bad_parameters({"notes-template": f"found unknown: {', '.join(problems)}\n"})


def render_notes(template: str, values: Mapping[str, str]) -> str:
    """The notes that a checked template makes."""
    text = _ESCAPE.sub(lambda match: _ESCAPES[match[1]], template)
    return _VARIABLE.sub(lambda match: values[match[1]], text)
