"""Tasks: `/cluster/tasks` and `/nodes/{node}/tasks`."""

from pvelocal.access import Token
from pvelocal.errors import ApiError, forbidden
from pvelocal.routing import Call, Listing, Route
from pvelocal.tasks import Task

_CLUSTER_LIMIT = 25


def _may_see(token: Token, task: Task, node: str) -> bool:
    return task.token_id == token.id or token.may(f"/nodes/{node}", "Sys.Audit")


def _find(call: Call) -> Task:
    task = call.node.tasks.get(call.text("upid"))
    if not _may_see(call.token, task, call.node.name):
        raise forbidden(f"/nodes/{call.node.name}, Sys.Audit")
    return task


async def show_status(call: Call) -> object:
    """Whether a task runs, and how it ended."""
    task = _find(call)
    status: dict[str, object] = {**task.describe(), **task.process(), "status": "running"}
    if not task.running:
        status |= {"status": "stopped", "exitstatus": task.exit_status}
    return status


async def show_log(call: Call) -> object:
    """The lines of a task's log; a limit of 0 means all."""
    lines = _find(call).lines or ["no content"]
    start, limit = call.number("start"), call.number("limit", 50)
    chosen = lines[start : start + limit] if limit else lines[start:]
    return Listing([{"n": start + index, "t": line} for index, line in enumerate(chosen, 1)], len(lines))


async def stop(call: Call) -> None:
    """Interrupt a task."""
    call.node.tasks.stop(_find(call).upid)


async def list_cluster(call: Call) -> object:
    """The tasks of late: those that run, then those that ended."""
    tasks = [task for task in call.node.tasks.newest() if _may_see(call.token, task, call.node.name)]
    running = [{**task.describe(), **task.process()} for task in tasks if task.running]
    ended = [
        {**task.describe(), "status": task.exit_status, "endtime": task.ended, "saved": "1"}
        for task in tasks[:_CLUSTER_LIMIT]
        if not task.running
    ]
    return [*running, *ended]


def _matches(call: Call, task: Task) -> bool:
    wanted = call.parameters
    return (
        ("vmid" not in wanted or task.subject == str(wanted["vmid"]))
        and ("typefilter" not in wanted or task.type == wanted["typefilter"])
        and ("userfilter" not in wanted or str(wanted["userfilter"]) in task.token_id)
        and ("since" not in wanted or task.started >= int(wanted["since"]))
        and ("until" not in wanted or task.started <= int(wanted["until"]))
        and (not call.flag("errors") or task.exit_status not in (None, "OK"))
    )


async def list_node(call: Call) -> object:
    """Ended tasks, or with `source` also those that run, the newest first."""
    source = call.text("source", "archive")
    if source not in ("archive", "active", "all"):
        raise ApiError("invalid source\n")
    tasks = [
        task
        for task in call.node.tasks.newest()
        if (source == "all" or task.running == (source == "active"))
        and _matches(call, task)
        and _may_see(call.token, task, call.node.name)
    ]
    start, limit = call.number("start"), call.number("limit", 50)
    return Listing([_entry(task) for task in tasks[start : start + limit]], len(tasks))


def _entry(task: Task) -> dict[str, object]:
    entry = {**task.describe(), **task.process()}
    if not task.running:
        entry |= {"status": task.exit_status, "endtime": task.ended}
    return entry


ROUTES = (
    Route("GET", "/cluster/tasks", list_cluster),
    Route("GET", "/nodes/{node}/tasks", list_node),
    Route("DELETE", "/nodes/{node}/tasks/{upid}", stop),
    Route("GET", "/nodes/{node}/tasks/{upid}/status", show_status),
    Route("GET", "/nodes/{node}/tasks/{upid}/log", show_log),
)
