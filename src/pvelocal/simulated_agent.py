"""What a simulated guest tells through its agent."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_interface

_KERNEL = {"kernel-release": "6.1.0-56-amd64", "kernel-version": "#1 SMP PREEMPT_DYNAMIC Debian", "machine": "x86_64"}


@dataclass(frozen=True)
class Inside:
    """What a guest knows of itself."""

    name: str
    cores: int
    macs: Sequence[str]
    addresses: Sequence[str | None]
    frozen: bool


def answer(command: str, inside: Inside) -> object:
    """What the agent says to `guest-…`."""
    if command == "guest-network-get-interfaces":
        return [_interface("lo", "00:00:00:00:00:00", ["127.0.0.1/8", "::1/128"]), *_interfaces(inside)]
    answers: dict[str, object] = {
        "guest-get-host-name": {"host-name": inside.name},
        "guest-get-osinfo": _KERNEL,
        "guest-get-time": time.time_ns(),
        "guest-get-timezone": {"zone": "UTC", "offset": 0},
        "guest-get-users": [],
        "guest-get-fsinfo": [],
        "guest-get-vcpus": [{"logical-id": index, "online": True} for index in range(inside.cores)],
        "guest-info": {"version": "9.2.0", "supported_commands": []},
        "guest-fsfreeze-status": "frozen" if inside.frozen else "thawed",
        "guest-fsfreeze-freeze": 1,
        "guest-fsfreeze-thaw": 1,
        "guest-fstrim": {"paths": []},
    }
    return answers.get(command, {})


def balloon(memory: int, used: int) -> dict[str, object]:
    """What the balloon tells of a guest's memory, in bytes."""
    free = memory - used
    return {
        "freemem": free,
        "ballooninfo": {
            "actual": memory, "max_mem": memory, "total_mem": memory, "free_mem": free, "last_update": int(time.time()),
            "major_page_faults": 0, "minor_page_faults": 1742, "mem_swapped_in": 0, "mem_swapped_out": 0,
        },
    }  # fmt: skip


def _interfaces(inside: Inside) -> list[dict[str, object]]:
    cards = enumerate(zip(inside.macs, inside.addresses, strict=True))
    return [
        _interface(f"eth{index}", mac.lower(), [*([address] if address and "/" in address else []), _link_local(mac)])
        for index, (mac, address) in cards
    ]


def _link_local(mac: str) -> str:
    first, *middle, fourth, fifth, sixth = (int(byte, 16) for byte in mac.split(":"))
    parts = bytes([first ^ 2, *middle, 0xFF, 0xFE, fourth, fifth, sixth])
    return f"{IPv6Address(bytes([0xFE, 0x80]) + bytes(6) + parts)}/64"


def _interface(name: str, mac: str, networks: list[str]) -> dict[str, object]:
    addresses = [
        {"ip-address": str(found.ip), "ip-address-type": f"ipv{found.version}", "prefix": found.network.prefixlen}
        for found in map(ip_interface, networks)
    ]
    statistics = {f"{way}-{what}": 0 for way in ("rx", "tx") for what in ("bytes", "dropped", "errs", "packets")}
    return {"name": name, "hardware-address": mac, "ip-addresses": addresses, "statistics": statistics}
