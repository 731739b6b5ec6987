"""Ports of a firewall rule: one, a range `low:high`, or a list of both."""

import re

PORT = re.compile(r"[0-9]{1,5}")
HIGHEST = 65535
NUMBERS = 15
FORMS = "give one port (22), a range (8000:9000) or a list (80,443)"


def checked_ports(text: str) -> str:
    """The ports without white space; ValueError says what is wrong and what would be right.

    At most 15 numbers, a range counting as two: more do not fit into one rule of the hypervisor's.
    """
    parts = [part.strip() for part in text.split(",")]
    numbers = [number for part in parts for number in _numbers(part)]
    if len(numbers) > NUMBERS:
        raise ValueError(
            f"{len(numbers)} ports in one list; at most {NUMBERS} fit (a range counts as two): add more rules"
        )
    return ",".join(parts)


def _numbers(part: str) -> list[int]:
    ends = part.split(":")
    if len(ends) > 2 or not all(PORT.fullmatch(end) and 1 <= int(end) <= HIGHEST for end in ends):
        raise ValueError(f"Invalid port format: must be 1-{HIGHEST}, not {part[:32]!a}; {FORMS}")
    numbers = [int(end) for end in ends]
    if numbers != sorted(numbers):
        raise ValueError(f"the range {part} is the wrong way round; write {ends[1]}:{ends[0]}")
    return numbers
