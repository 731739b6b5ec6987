"""Answers as the API gives them, for tests to vary."""

import json
from pathlib import Path
from typing import Any

CONTRACT = json.loads((Path(__file__).parents[1] / "contract" / "contract.json").read_bytes())

HELLO = "0d1e7a52-6c4e-4f0b-9a3d-2f1c5b7e8a90"
OTHER = "9b2c4d6e-1a3f-4c5d-8e7f-0a1b2c3d4e5f"
TASK = "5f0c2a41-77aa-4a9e-b1f2-3c4d5e6f7a8b"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGkN1l6v3Q0mXoYqf1rVgY6rJ4w2cXk0lq3h5n7p9r1s ada@laptop"


def example(method: str, path: str, status: int = 200) -> Any:
    """The contract's own example."""
    return CONTRACT["paths"][path][method]["responses"][str(status)]["application/json"]["example"]


def instance(uuid: str = HELLO, name: str = "hello", **fields: object) -> dict[str, object]:
    return {
        "uuid": uuid,
        "name": name,
        "host_id": "px1",
        "region": "us-east-1",
        "ip_address": "127.64.0.10",
        "internal_ip": None,
        "cpu_cores": 2,
        "memory": 8,
        "storage": 250,
        "gpu_count": 0,
        "gpu_model": None,
        "power_status": "running",
        "status": "rented",
        "created_at": "2026-11-23T10:00:00Z",
        "metadata": {},
        "instance_type": "v1_cpu_small",
        "price_cents_per_hour": 3,
        "template_name": "TINY-LINUX",
        "template_display_name": "Tiny Linux",
        "os_type": "linux",
        "vm_username": "ada",
        "ssh_port": 2222,
        **fields,
    }


def task(status: str = "PROCESSING", message: str = "Starting the machine", **fields: object) -> dict[str, object]:
    return {
        "task_id": TASK,
        "status": status,
        "operation": "create_instance",
        "params": {"vm_uuid": HELLO},
        "created_at": "2026-11-23T10:00:00Z",
        "updated_at": "2026-11-23T10:00:05Z",
        "message": message,
        **fields,
    }


def launched(**fields: object) -> dict[str, object]:
    data = {"instance_ids": [HELLO], "task_id": TASK, "assigned_ip": "127.64.0.10", "status": "PENDING"}
    return {"data": data, "vm_uuid": HELLO, **data, **fields}


def instance_type(name: str, cents: int, *regions: str) -> dict[str, object]:
    specs = {"vcpus": 2, "memory_gib": 8, "storage_gib": 250, "gpus": 0}
    return {
        "id": name,
        "instance_type": {"name": name, "description": "CPU", "price_cents_per_hour": cents, "specs": specs},
        "regions_with_capacity_available": [{"name": region, "description": region} for region in regions],
    }


def template(name: str, username: str | None, os_type: str = "linux") -> dict[str, object]:
    return {
        "name": name,
        "display_name": name.title(),
        "os_type": os_type,
        "has_docker": False,
        "has_nvidia_driver": False,
        "min_disk_gb": 1,
        "default_username": username,
    }


def accepted(status: str = "PENDING", **fields: object) -> dict[str, object]:
    return {"task_id": TASK, "status": status, "message": "queued", "instance_id": HELLO, "host": "px1", **fields}


def stats(**fields: object) -> dict[str, object]:
    answer = example("get", "/api/v1/instances/{instance_id}/stats")
    return {**answer, "instance_id": HELLO, **fields}
