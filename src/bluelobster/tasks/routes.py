"""Tasks as the API shows them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from psycopg.rows import class_row

from bluelobster.access.route import MARKED, Caller, IdentifiedRoute, Reading, Time
from bluelobster.clock import rfc3339
from bluelobster.http.errors import Forbidden, NotFound
from bluelobster.http.ids import parsed_id
from bluelobster.http.paging import Place, next_link, place_of, unfit
from bluelobster.tasks.task import COLUMNS, Task

router = APIRouter(prefix="/api/v1", tags=["TASKS"], route_class=IdentifiedRoute)

STATUSES = ("PENDING", "PROCESSING", "COMPLETED", "FAILED")
MOST = 100
LONGEST_DAYS = 7
# Within a caller's sight: the account's, or those that are about instances of the team.
VISIBLE = """account_id = %(account_id)s and (%(team_id)s::uuid is null
    or exists (select from instances i where i.id = tasks.instance_id and i.team_id = %(team_id)s))"""


@router.get("/tasks/{task_id}", summary="Status of a task", dependencies=MARKED)
async def get_task_status(task_id: str, caller: Caller, tx: Reading) -> Any:
    """How far an operation is and how it ended. Poll it every second or two; it is kept for seven days."""
    async with tx.cursor(row_factory=class_row(Task)) as cursor:
        await cursor.execute(
            f"select {COLUMNS} from tasks where id = %(id)s and (({VISIBLE}) or %(everyone)s)",
            {**vars(caller.sight), "id": parsed_id(task_id), "everyone": caller.is_staff},
        )
        task = await cursor.fetchone()
    if task is None:
        raise NotFound("task_not_found", "Task not found", task_id=task_id[:64])
    return task_view(task)


@router.get("/tasks", summary="Recent tasks", dependencies=MARKED)
async def list_tasks(
    request: Request,
    caller: Caller,
    tx: Reading,
    clock: Time,
    response: Response,
    limit: int = 50,
    days: int = 1,
    status: str | None = None,
) -> Any:
    """Tasks of the account, newest first. `limit` is 1 to 100, `days` 1 to 7, `status` one of the four states.
    Where there are more, the `Link` header leads to the next page. Staff may add `all_accounts=true`."""
    check_range("limit", limit, MOST)
    check_range("days", days, LONGEST_DAYS)
    wanted = status.upper() if status else None
    if wanted is not None and wanted not in STATUSES:
        raise unfit("status", f"Must be one of {', '.join(STATUSES)}")
    behind = place_of(request.query_params["cursor"], UUID) if "cursor" in request.query_params else None
    everyone = request.query_params.get("all_accounts", "").lower() in {"true", "1"}
    if everyone and not caller.is_staff:
        raise Forbidden("Staff permission required to view all accounts")
    async with tx.cursor(row_factory=class_row(Task)) as cursor:
        await cursor.execute(
            f"""select {COLUMNS} from tasks
                where (({VISIBLE}) or %(everyone)s) and created_at >= %(since)s
                  and (%(status)s::text is null or status = %(status)s)
                  and (%(last_at)s::timestamptz is null or created_at <= %(last_at)s
                       and (created_at < %(last_at)s or id > %(last_id)s))
                order by created_at desc, id limit %(limit)s""",
            {
                **vars(caller.sight),
                "everyone": everyone,
                "since": clock.now() - timedelta(days=days),
                "status": wanted,
                "limit": limit + 1,
                "last_at": behind.at if behind else None,
                "last_id": behind.id if behind else None,
            },
        )
        found = await cursor.fetchall()
    tasks = found[:limit]
    if len(found) > limit:
        response.headers["Link"] = next_link(request, Place(tasks[-1].created_at, tasks[-1].id).cursor())
    return {"tasks": [row_view(task) for task in tasks], "total": len(tasks), "limit": limit, "days": days}


def check_range(field: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise unfit(field, f"Must be between 1 and {most}")


def task_view(task: Task) -> dict[str, Any]:
    """A task by itself."""
    return {**summary(task), "params": dict(task.params), "account_id": str(task.account_id)}


def summary(task: Task) -> dict[str, Any]:
    return {
        "task_id": str(task.id),
        "status": task.status,
        "operation": task.operation,
        "created_at": rfc3339(task.created_at),
        "updated_at": rfc3339(task.updated_at),
        "message": task.message,
        "progress": task.progress,
    }


def row_view(task: Task) -> dict[str, Any]:
    """A task in a list: with who asked, without what for."""
    return {**summary(task), "auth_token_partial": task.key_prefix, "client_ip": task.client_ip}
