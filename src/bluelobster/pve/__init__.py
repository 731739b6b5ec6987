"""Typed client for the part of the Proxmox VE API that a VM cloud needs."""

from bluelobster.pve import errors
from bluelobster.pve.backups import BackupVolume, VolumeAttributes, backup_failure
from bluelobster.pve.client import PveClient
from bluelobster.pve.consoles import VncTicket
from bluelobster.pve.endpoint import Endpoint
from bluelobster.pve.tasks import TaskStatus
from bluelobster.pve.types import NodeStatus, NodeSummary, PciMapping, Storage, VmConfig, VmStatus, VmSummary, Volume
from bluelobster.pve.upid import Upid
from bluelobster.pve.vms import encode_ssh_keys
from bluelobster.pve.websocket import WebSocket

__all__ = [
    "BackupVolume",
    "Endpoint",
    "NodeStatus",
    "NodeSummary",
    "PciMapping",
    "PveClient",
    "Storage",
    "TaskStatus",
    "Upid",
    "VmConfig",
    "VmStatus",
    "VmSummary",
    "VncTicket",
    "Volume",
    "VolumeAttributes",
    "WebSocket",
    "backup_failure",
    "encode_ssh_keys",
    "errors",
]
