"""Instances as the API shows them. PostgreSQL builds the JSON: a list of hundreds costs us next to nothing."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from bluelobster.access.principal import Sight
from bluelobster.clock import rfc3339, rfc3339_sql
from bluelobster.db.pool import Tx
from bluelobster.http.ids import parsed_id
from bluelobster.instances.find import instance_not_found
from bluelobster.instances.launch import Accepted


class Running(BaseModel):
    """An operation that is under way."""

    task_id: str
    started_at: str
    progress: int


class VMInstance(BaseModel):
    """An instance, as list and details return it."""

    uuid: str
    name: str
    host_id: str
    region: str | None = None
    ip_address: str | None
    internal_ip: str | None = None
    cpu_cores: int
    memory: int
    storage: int
    gpu_count: int = 0
    gpu_model: str | None = None
    power_status: str | None
    created_at: str
    metadata: dict[str, str] | None = None
    instance_type: str | None = None
    price_cents_per_hour: int | None = None
    team_id: str | None = None
    team_name: str | None = None
    access_type: str | None = None
    template_name: str | None = None
    template_display_name: str | None = None
    os_type: str | None = None
    iso_name: str | None = None
    vm_username: str | None = None
    status: str | None = None
    ssh_port: int | None = None
    backup_in_progress: Running | None = None
    restore_in_progress: Running | None = None


RUNNING = f"""json_build_object('task_id', k.id, 'started_at', {rfc3339_sql("k.created_at")},
                              'progress', k.progress)"""
# The operation that holds an instance: there is one at a time.
HOLDING_TASK = "left join tasks k on k.instance_id = i.id and k.ended_at is null and k.holds_instance"
IN_PROGRESS = f"""case when k.operation = 'backup_instance' then {RUNNING} end as backup_in_progress,
                 case when k.operation = 'restore_instance' then {RUNNING} end as restore_in_progress"""
VIEW = f"""
    select i.id as uuid, i.name, i.host_id, i.region, host(a.address) as ip_address, host(n.address) as internal_ip,
           i.vcpus as cpu_cores, i.memory_gb as memory, i.disk_gb as storage, i.gpu_count, g.marketing as gpu_model,
           i.power_status, {rfc3339_sql("i.created_at")} as created_at,
           i.metadata, i.instance_type, i.price_cents_per_hour, i.team_id, m.name as team_name,
           case when %(team_id)s::uuid is null then 'owner' else 'team' end as access_type,
           i.template as template_name, t.display_name as template_display_name, t.os_type,
           i.iso_name,
           i.username as vm_username, i.status, h.ssh_port, {IN_PROGRESS}
    from instances i
    join hosts h on h.id = i.host_id
    left join addresses a on a.instance_id = i.id and a.is_primary
    left join addresses n on n.instance_id = i.id and n.tag is not null
    left join gpu_models g on g.name = i.gpu_model
    left join templates t on t.name = i.template
    left join teams m on m.id = i.team_id
    {HOLDING_TASK}
    where i.account_id = %(account_id)s and i.ended_at is null
      and (%(team_id)s::uuid is null or i.team_id = %(team_id)s)
"""


async def instance_json(tx: Tx, sight: Sight, instance_id: str) -> str:
    """One live instance as JSON text; raises NotFound."""
    cursor = await tx.execute(
        f"select row_to_json(v)::text from ({VIEW} and i.id = %(id)s) v",
        {**vars(sight), "id": parsed_id(instance_id)},
    )
    row = await cursor.fetchone()
    if row is None:
        raise instance_not_found(instance_id)
    return str(row[0])


def standard_answer(accepted: Accepted, now: datetime) -> dict[str, Any]:
    """The answer in both shapes that clients read: under `data`, and the same fields at top level."""
    fields = {"instance_ids": [str(accepted.instance_id)], **accepted_fields(accepted, now)}
    return {"data": fields, **fields, "vm_uuid": str(accepted.instance_id)}


def custom_answer(accepted: Accepted, now: datetime) -> dict[str, Any]:
    """The answer to a custom launch."""
    return {"vm_uuid": str(accepted.instance_id), **accepted_fields(accepted, now)}


def accepted_fields(accepted: Accepted, now: datetime) -> dict[str, Any]:
    status_url = f"/api/v1/tasks/{accepted.task_id}"
    fields: dict[str, Any] = {
        "task_id": str(accepted.task_id),
        "assigned_ip": accepted.address,
        "status": "PENDING",
        "timestamp": rfc3339(now),
        "next_steps": {
            "description": "Your Instance creation request has been queued. "
            "Please check the task status endpoint to monitor progress.",
            "task_status_endpoint": status_url,
            "expected_states": {
                "PENDING": "Task is queued for processing",
                "PROCESSING": "Instance is being created",
                "COMPLETED": "Instance creation successful - instance details will be available",
                "FAILED": "Instance creation failed - check error message for details",
            },
        },
    }
    if accepted.generated_password:
        fields["credentials"] = {
            "username": accepted.username,
            "password": accepted.generated_password,
            "note": "This password is shown only once. Store it securely.",
        }
    return fields
