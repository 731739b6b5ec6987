"""Real guests: QEMU on this machine."""
