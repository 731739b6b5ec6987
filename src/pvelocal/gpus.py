"""GPUs by resource mapping: which there are, and which running guest holds which."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pvelocal.errors import failed
from pvelocal.verification import Value, parse_option

_VENDOR = "10de"
_DEVICES = {
    "A4000": "24b0", "A5000": "2231", "A6000": "2230", "L40S": "26b9", "H100": "2331", "4090": "2684",
    "5090": "2b85",
}  # fmt: skip
_OTHER_DEVICE = "2204"


@dataclass(frozen=True)
class GpuMapping:
    """A resource mapping `name` with `count` GPUs of one model."""

    name: str
    model: str
    count: int = 1


@dataclass(frozen=True)
class Gpu:
    """One device: its PCI address and its ids (`vendor:device`)."""

    path: str
    device_id: str
    model: str
    group: int


class Gpus:
    """The GPUs of the node. A guest holds its devices while it runs; the caller says who runs."""

    def __init__(self, mappings: Iterable[GpuMapping]) -> None:
        self._mappings: dict[str, tuple[Gpu, ...]] = {}
        self._models: dict[str, str] = {}
        self._held: dict[str, int] = {}
        number = 0
        for mapping in mappings:
            numbers = range(number, number + mapping.count)
            self._mappings[mapping.name] = tuple(_device(mapping.model, index) for index in numbers)
            self._models[mapping.name] = mapping.model
            number += mapping.count

    def all(self) -> list[Gpu]:
        """Every device."""
        return [gpu for gpus in self._mappings.values() for gpu in gpus]

    def holders(self) -> set[int]:
        """The VMs that were given devices, whether they still run or not."""
        return set(self._held.values())

    def names(self) -> list[str]:
        """The names of the mappings."""
        return list(self._mappings)

    def describe(self, name: str, node: str) -> dict[str, object]:
        """A mapping as `GET /cluster/mapping/pci` shows it."""
        return {
            "id": name,
            "description": self._models[name],
            "map": [_entry(gpu, node) for gpu in self._mappings[name]],
        }

    def claim(self, vmid: int, config: Mapping[str, Value], running: Iterable[int]) -> int:
        """Give a VM that is about to start the devices its configuration asks for; how many they are.

        ApiError for a mapping that does not exist or has no free device.
        """
        alive = {*running}
        held = {path: owner for path, owner in self._held.items() if owner in alive and owner != vmid}
        chosen: dict[str, int] = {}
        for slot in (f"hostpci{index}" for index in range(16)):
            if slot in config:
                name = str(parse_option(slot, str(config[slot])).get("mapping", ""))
                chosen[self._choose(slot, name, held | chosen, vmid)] = vmid
        self._held = held | chosen
        return len(chosen)

    def _choose(self, slot: str, name: str, held: Mapping[str, int], vmid: int) -> str:
        devices = self._mappings.get(name, ())
        if not devices:
            raise failed(f"PCI device mapping not found for '{name}'")
        free = next((gpu.path for gpu in devices if gpu.path not in held), None)
        if free is not None:
            return free
        path = devices[0].path
        if len(devices) > 1:
            raise failed(f"could not find a free device for '{slot}'")
        if held[path] == vmid:
            raise failed(f"device '{path}' assigned more than once")
        raise failed(f"PCI device '{path}' already in use by VMID '{held[path]}'")

    def restore(self, vmid: int, config: Mapping[str, Value]) -> None:
        """Note the devices of a guest that was running when the node started."""
        self.claim(vmid, config, {*self._held.values(), vmid})


def _device(model: str, number: int) -> Gpu:
    device = _DEVICES.get(model.upper().removeprefix("RTX").strip(), _OTHER_DEVICE)
    return Gpu(path=f"0000:{number + 1:02x}:00.0", device_id=f"{_VENDOR}:{device}", model=model, group=number + 14)


def _entry(gpu: Gpu, node: str) -> str:
    return f"id={gpu.device_id},iommugroup={gpu.group},node={node},path={gpu.path},subsystem-id={gpu.device_id}"
