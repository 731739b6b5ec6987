"""Write down what happened, in the transaction that makes it true."""

from datetime import datetime
from typing import Any, Literal, LiteralString
from uuid import UUID

from psycopg.types.json import Jsonb

from bluelobster.db.pool import Tx

InstanceKind = Literal[
    "instance.created",
    "instance.ready",
    "instance.failed",
    "instance.power",
    "instance.renamed",
    "instance.restored",
    "instance.team",
    "instance.maintenance",
    "instance.terminating",
    "instance.deleted",
]
# Of an instance, too: what became of its backups, and of those that its schedule asks for.
BackupKind = Literal[
    "backup.completed", "backup.failed", "backup.missed", "backup.deleted", "backup.lost", "backup.found"
]
# Of an account: how it stands with what it has to pay.
StandingKind = Literal[
    "billing.low_credit",
    "billing.past_due",
    "billing.suspended",
    "billing.terminated",
    "billing.good_standing",
    "billing.spending_limit",
]
# Of an account, too: money that came in, and that was handed back.
PaymentKind = Literal["billing.payment", "billing.refund"]
TaskKind = Literal["task.created", "task.processing", "task.completed", "task.failed"]
Kind = Literal[InstanceKind, BackupKind, StandingKind, PaymentKind, TaskKind]

WAKE = "events_recorded"
SYSTEM = "system"

# Progress waits for the next look: a notification makes commits queue up, and there are many of these.
_TELL = f"select pg_notify('{WAKE}', '') from recorded where kind <> 'task.processing'"
_COLUMNS = "account_id, team_id, instance_id, task_id, kind, data, actor, created_at"

INSTANCE: LiteralString = f"""
    with recorded as (
      insert into events ({_COLUMNS})
      select i.account_id, i.team_id, i.id, t.id, %(kind)s,
             jsonb_build_object('name', i.name, 'status', i.status, 'power_status', i.power_status) || %(more)s,
             coalesce(%(actor)s, t.key_prefix, '{SYSTEM}'), %(now)s
      from instances i left join tasks t on t.instance_id = i.id and t.ended_at is null and t.holds_instance
      where i.id = %(instance_id)s returning kind)
    {_TELL}"""

ACCOUNT: LiteralString = f"""
    with recorded as (
      insert into events ({_COLUMNS})
      values (%(account_id)s, %(team_id)s, null, null, %(kind)s, %(data)s, '{SYSTEM}', %(now)s) returning kind)
    {_TELL}"""


def recorded_task(change: LiteralString) -> LiteralString:
    """A statement that makes or changes a task, and records what the task became, if it did. `change` inserts into or
    updates `tasks`; the statement takes its values, and `now`."""
    return f"""
    with t as ({change} returning tasks.*),
    recorded as (
      insert into events ({_COLUMNS})
      select coalesce(i.account_id, t.account_id), i.team_id, t.instance_id, t.id,
             case t.status when 'PENDING' then 'task.created' else 'task.' || lower(t.status) end,
             jsonb_build_object('operation', t.operation, 'status', t.status, 'message', t.message,
                                'progress', t.progress),
             coalesce(t.key_prefix, '{SYSTEM}'), %(now)s
      from t left join instances i on i.id = t.instance_id returning kind)
    {_TELL}"""


async def record_instance(
    tx: Tx, kind: InstanceKind | BackupKind, instance_id: UUID, now: datetime, actor: str | None = None, **more: Any
) -> None:
    """An instance became what its row says now. Without `actor`, whoever asked for the operation on it did it."""
    values = {"kind": kind, "instance_id": instance_id, "now": now, "actor": actor, "more": Jsonb(more)}
    await tx.execute(INSTANCE, values)


async def record_account(
    tx: Tx,
    kind: StandingKind | PaymentKind,
    account_id: UUID,
    now: datetime,
    *,
    team_id: UUID | None = None,
    **data: Any,
) -> None:
    """Something became true of an account, or of one of its teams, without anybody's doing."""
    values = {"kind": kind, "account_id": account_id, "team_id": team_id, "now": now, "data": Jsonb(data)}
    await tx.execute(ACCOUNT, values)
