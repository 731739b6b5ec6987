"""Python client of the Blue Lobster API: launch virtual machines, look after them, delete them.

with Client("http://127.0.0.1:8000", api_key) as client:
    launch = client.launch(region="us-east-1", instance_type="v1_cpu_small", username="ada", ssh_key=public_key)
    client.wait(launch.task_id)
    print(client.instance(launch.instance_id).ip_address)
"""

from bluelobster_client.backups import Backup
from bluelobster_client.client import Client
from bluelobster_client.clock import Clock
from bluelobster_client.errors import (
    AnswerLost,
    ApiError,
    BlueLobsterError,
    CannotConnect,
    Conflict,
    FieldProblem,
    Forbidden,
    InvalidRequest,
    NotFound,
    ServerFault,
    TooManyRequests,
    Unauthorized,
    UnexpectedAnswer,
)
from bluelobster_client.events import Event, EventPage
from bluelobster_client.models import (
    Address,
    Credentials,
    Health,
    Instance,
    InstanceType,
    Launch,
    Operation,
    Region,
    SshKey,
    Stats,
    Task,
    Template,
)
from bluelobster_client.top_ups import TopUp
from bluelobster_client.waiting import TaskFailed, WaitTimedOut

__all__ = [
    "Address",
    "AnswerLost",
    "ApiError",
    "Backup",
    "BlueLobsterError",
    "CannotConnect",
    "Client",
    "Clock",
    "Conflict",
    "Credentials",
    "Event",
    "EventPage",
    "FieldProblem",
    "Forbidden",
    "Health",
    "Instance",
    "InstanceType",
    "InvalidRequest",
    "Launch",
    "NotFound",
    "Operation",
    "Region",
    "ServerFault",
    "SshKey",
    "Stats",
    "Task",
    "TaskFailed",
    "Template",
    "TooManyRequests",
    "TopUp",
    "Unauthorized",
    "UnexpectedAnswer",
    "WaitTimedOut",
]
