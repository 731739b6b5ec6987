"""The node's machine: its state and its PCI devices."""

from pvelocal.node import REPOSITORY, VERSION
from pvelocal.routing import Call, Route, needs

_VENDOR_NAME = "NVIDIA Corporation"
_DISPLAY_CLASS = "0x030000"


async def show_status(call: Call) -> object:
    """What the machine has and how busy it is."""
    return {**call.node.machine.describe(), "pveversion": f"pve-manager/{VERSION}/{REPOSITORY}"}


async def list_pci(call: Call) -> object:
    """The devices that can be given to guests."""
    devices = []
    for gpu in call.node.gpus.all():
        vendor, device = (f"0x{part}" for part in gpu.device_id.split(":"))
        devices.append(
            {
                "id": gpu.path,
                "class": _DISPLAY_CLASS,
                "vendor": vendor,
                "device": device,
                "vendor_name": _VENDOR_NAME,
                "device_name": gpu.model,
                "subsystem_vendor": vendor,
                "subsystem_device": device,
                "subsystem_vendor_name": _VENDOR_NAME,
                "iommugroup": gpu.group,
            }
        )
    return devices


ROUTES = (
    Route("GET", "/nodes/{node}/status", show_status, needs("/nodes/{node}", "Sys.Audit")),
    Route("GET", "/nodes/{node}/hardware/pci", list_pci, needs("/", "Sys.Audit", "Sys.Modify")),
)
