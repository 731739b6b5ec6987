"""Whether this machine can run guests on its own processor (KVM) or must emulate one (TCG)."""

import asyncio
import tempfile
from pathlib import Path

from pvelocal.qemu.command import Accelerator

_DEVICE = Path("/dev/kvm")
_SECONDS = 5.0
_ROM_BYTES = 65536
_RESET_VECTOR = _ROM_BYTES - 16
# mov dx, 0x501; mov al, 0x31; out dx, al; hlt; jmp to the hlt. The debug device ends QEMU with status 2 * 0x31 + 1.
_PROGRAM = bytes([0xBA, 0x01, 0x05, 0xB0, 0x31, 0xEE, 0xF4, 0xEB, 0xFD])
_STATUS = 2 * 0x31 + 1


async def detect(qemu: str) -> Accelerator:
    """`kvm` when a guest really runs on it: a device file that can be opened proves nothing in nested machines."""
    if not _DEVICE.exists():
        return "tcg"
    with tempfile.TemporaryDirectory(prefix="pvelocal-") as directory:
        rom = Path(directory) / "probe.bin"
        rom.write_bytes(bytes(_RESET_VECTOR) + _PROGRAM.ljust(_ROM_BYTES - _RESET_VECTOR, b"\xf4"))
        return "kvm" if await _runs(qemu, rom) else "tcg"


async def _runs(qemu: str, rom: Path) -> bool:
    machine = ["-accel", "kvm", "-cpu", "host", "-machine", "q35", "-m", "16", "-bios", str(rom)]
    quiet = ["-nodefaults", "-no-user-config", "-display", "none"]
    nothing = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *(qemu, *machine, *quiet, "-device", "isa-debug-exit,iobase=0x501,iosize=1"),
        stdin=nothing,
        stdout=nothing,
        stderr=nothing,
    )
    try:
        async with asyncio.timeout(_SECONDS):
            return await process.wait() == _STATUS
    except TimeoutError:
        return False
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
