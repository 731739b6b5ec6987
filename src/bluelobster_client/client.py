"""The client: one method for each operation of the API."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

import httpx

from bluelobster_client.backups import Backup
from bluelobster_client.clock import Clock
from bluelobster_client.events import Event, EventPage, event_query, follow_events
from bluelobster_client.fields import Fields
from bluelobster_client.models import (
    Address,
    Console,
    Health,
    Instance,
    InstanceType,
    Launch,
    Operation,
    SshKey,
    Stats,
    Task,
    Template,
)
from bluelobster_client.top_ups import TopUp
from bluelobster_client.waiting import wait_for_end
from bluelobster_client.wire import Wire, segment

# Deleting and rebooting answer when they are done, which may take 20 s.
ANSWER_SECONDS = 60.0
WAIT_SECONDS = 1800.0
# A stream says at least every 15 s that it lives.
QUIET_SECONDS = 45.0


class Client:
    """A connection to the API at `api_url`, to be closed after use or used in a `with` statement.

    `timeout` is how many seconds one answer may take. Every method raises `ApiError` where the API refuses,
    `CannotConnect` where it is not reached, `UnexpectedAnswer` where its answer makes no sense; a wrong `api_url`,
    `api_key` or id is a ValueError.
    """

    def __init__(
        self,
        api_url: str,
        api_key: str | None = None,
        *,
        timeout: float = ANSWER_SECONDS,
        clock: Clock | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._clock = clock or Clock()
        self._wire = Wire(api_url, api_key, timeout=timeout, clock=self._clock, transport=transport)

    @property
    def api_url(self) -> str:
        return self._wire.api_url

    def close(self) -> None:
        self._wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, path: str, **params: str | int | bool) -> object:
        """The JSON at `path` below `/api/v1`, as it comes: `read("/instances")`."""
        return self._wire.send("GET", path, params=params)

    def health(self) -> Health:
        """Needs no key; an unhealthy API is an answer, not an error."""
        return Health.parse(self.read_health())

    def read_health(self) -> object:
        """The JSON of `health`."""
        return self._wire.send("GET", "/health", accept={503})

    def templates(self) -> list[Template]:
        answer = Fields(self.read("/instances/templates"), "list of templates")
        return [Template.parse(template) for template in answer.items("templates")]

    def types(self) -> list[InstanceType]:
        """All instance types; one that is sold out everywhere has no regions."""
        answer = Fields(self.read("/instances/available"), "list of instance types")
        return [InstanceType.parse(entry) for entry in answer.items("data")]

    def instances(self) -> list[Instance]:
        """Newest first."""
        answer = Fields({"instances": self.read("/instances")}, "list of instances")
        return [Instance.parse(instance) for instance in answer.items("instances")]

    def instance(self, instance_id: str) -> Instance:
        return Instance.parse(self.read(f"/instances/{segment(instance_id)}"))

    def stats(self, instance_id: str) -> Stats:
        return Stats.parse(self.read(f"/instances/{segment(instance_id)}/stats"))

    def console(self, instance_id: str) -> Console:
        """A ticket for the screen of a running machine: it opens once, within 30 s."""
        return Console.parse(self._wire.send("POST", f"/instances/{segment(instance_id)}/console"))

    def launch(
        self,
        *,
        region: str,
        instance_type: str,
        username: str,
        name: str | None = None,
        ssh_key: str | None = None,
        ssh_key_names: Sequence[str] | None = None,
        user_data: str | None = None,
        password: str | None = None,
        template_name: str | None = None,
        iso_url: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Launch:
        """Starts a launch and returns at once: `wait(launch.task_id)` returns when the machine is ready.

        A Linux machine needs `ssh_key` (the text of a public key), `ssh_key_names` (of registered ones) or `password`.
        `user_data` is what cloud-init shall do. A lost connection cannot make two machines of one launch.
        """
        body = {
            "region": region,
            "instance_type": instance_type,
            "username": username,
            "name": name,
            "ssh_key": ssh_key,
            "ssh_key_names": list(ssh_key_names) if ssh_key_names else None,
            "user_data": user_data,
            "password": password,
            "template_name": template_name,
            "iso_url": iso_url,
            "metadata": dict(metadata) if metadata else None,
        }
        given = {key: value for key, value in body.items() if value is not None}
        return Launch.parse(self._wire.send("POST", "/instances/launch-instance", body=given, once=True))

    def delete(self, instance_id: str) -> Operation:
        """Deletes the machine and all its data, for good."""
        return Operation.parse(self._wire.send("DELETE", f"/instances/{segment(instance_id)}"))

    def reboot(self, instance_id: str) -> Operation:
        """Resets the machine, as by its reset button."""
        return self._power(instance_id, "reboot")

    def shutdown(self, instance_id: str) -> Operation:
        """Asks the guest to shut down."""
        return self._power(instance_id, "shutdown")

    def force_shutdown(self, instance_id: str) -> Operation:
        """Switches the machine off, as by pulling its plug."""
        return self._power(instance_id, "force-shutdown")

    def power_on(self, instance_id: str) -> Operation:
        return self._power(instance_id, "power-on")

    def power_cycle(self, instance_id: str) -> Operation:
        """Switches the machine off and on; a new name reaches the guest this way."""
        return self._power(instance_id, "power-cycle")

    def rename(self, instance_id: str, name: str) -> str:
        """Returns the new name."""
        path = f"/instances/{segment(instance_id)}/rename"
        return Fields(self._wire.send("PUT", path, body={"name": name}), "renaming").text("new_name")

    def ips(self, instance_id: str) -> list[Address]:
        """The primary address first."""
        answer = Fields(self.read(f"/instances/{segment(instance_id)}/ips"), "list of addresses")
        return [Address.parse(address) for address in answer.items("ips")]

    def assign_ip(self, instance_id: str) -> Operation:
        """One more address; which one is in the answer's `raw`."""
        return Operation.parse(self._wire.send("POST", f"/instances/{segment(instance_id)}/ips"))

    def release_ip(self, instance_id: str, address: str) -> Operation:
        path = f"/instances/{segment(instance_id)}/ips/{segment(address)}"
        return Operation.parse(self._wire.send("DELETE", path))

    def backups(self, instance_id: str | None = None) -> list[Backup]:
        """Of an instance, or all of the account: those of deleted instances too. Newest first."""
        path = "/backups" if instance_id is None else f"/instances/{segment(instance_id)}/backups"
        return [Backup.parse(backup) for backup in Fields(self.read(path), "list of backups").items("backups")]

    def back_up(self, instance_id: str) -> Operation:
        """Makes a backup of a machine, which goes on running."""
        return Operation.parse(self._wire.send("POST", f"/instances/{segment(instance_id)}/backup", once=True))

    def restore(self, volid: str, instance_id: str) -> Operation:
        """Replaces what is on an instance's disk with a backup, of this or of another instance, and starts it."""
        query = {"volid": volid, "target_vm_uuid": instance_id}
        return Operation.parse(self._wire.send("POST", "/backups/restore", params=query, once=True))

    def note_backup(self, volid: str, notes: str) -> None:
        """Replaces the notes of a backup."""
        self._wire.send("PUT", "/backups/notes", params={"volid": volid}, body={"notes": notes})

    def delete_backup(self, volid: str) -> Operation:
        """Deletes a backup for good."""
        return Operation.parse(self._wire.send("DELETE", "/backups", params={"volid": volid}))

    def ssh_keys(self) -> list[SshKey]:
        """The account's registered keys, by name."""
        answer = Fields(self.read("/ssh-keys"), "list of SSH keys")
        return [SshKey.parse(key) for key in answer.items("ssh_keys")]

    def add_ssh_key(self, name: str, public_key: str) -> SshKey:
        """Registers a key under a name for later launches."""
        body = {"name": name, "public_key": public_key}
        return SshKey.parse(self._wire.send("POST", "/ssh-keys", body=body, once=True))

    def remove_ssh_key(self, name_or_id: str) -> None:
        """Machines that have the key keep it."""
        self._wire.send("DELETE", f"/ssh-keys/{segment(name_or_id)}")

    def top_up(self, amount_cents: int) -> TopUp:
        """Begins to buy credit, which somebody has to pay for at the `url` that comes back."""
        return TopUp.parse(self._wire.send("POST", "/billing/top-ups", body={"amount_cents": amount_cents}, once=True))

    def top_ups(self) -> list[TopUp]:
        """The last hundred, newest first."""
        answer = Fields(self.read("/billing/top-ups", limit=100), "list of top-ups")
        return [TopUp.parse(each) for each in answer.items("top_ups")]

    def task(self, task_id: str) -> Task:
        return Task.parse(self.read(f"/tasks/{segment(task_id)}"))

    def tasks(self, *, limit: int | None = None, days: int | None = None, status: str | None = None) -> list[Task]:
        """Newest first; by default up to 50 of the last day."""
        answer = Fields(self.read("/tasks", **task_query(limit, days, status)), "list of tasks")
        return [Task.parse(task) for task in answer.items("tasks")]

    def recent_events(
        self, *, after: int | None = None, instance_id: str | None = None, kinds: Sequence[str] = (), limit: int = 100
    ) -> EventPage:
        """The latest events of what this key may see, or those behind `after`; oldest first."""
        query = event_query(after, instance_id, kinds, limit)
        return EventPage.parse(self._wire.send("GET", "/events", params=query))

    def events(
        self, *, after: int | None = None, instance_id: str | None = None, kinds: Sequence[str] = ()
    ) -> Iterator[Event]:
        """Events as they happen, without end: from now on, or behind `after`. Connections that break are made again,
        and nothing is missed in between."""
        query = event_query(after, instance_id, kinds)
        return follow_events(lambda last: self._wire.lines("/events", query, last, QUIET_SECONDS), self._clock)

    def wait(
        self, task_id: str, *, on_change: Callable[[Task], None] | None = None, timeout: float | None = WAIT_SECONDS
    ) -> Task:
        """Returns the task when it is COMPLETED. `on_change` is called with it at first and whenever it moved on.

        Short failures of the connection are waited out. Raises `TaskFailed`, and `WaitTimedOut` after `timeout`
        seconds (None: never).
        """
        return wait_for_end(task_id, self.task, on_change, timeout, self._clock)

    def _power(self, instance_id: str, operation: str) -> Operation:
        return Operation.parse(self._wire.send("POST", f"/instances/{segment(instance_id)}/{operation}", once=True))


def task_query(limit: int | None, days: int | None, status: str | None) -> dict[str, str | int | bool]:
    """The query of a list of tasks: only what is given."""
    query: dict[str, str | int | None] = {"limit": limit, "days": days, "status": status}
    return {key: value for key, value in query.items() if value is not None}
