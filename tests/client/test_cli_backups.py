"""`backup list`, `backup create`, `backup restore`, `backup note` and `backup delete`."""

import json

import pytest

from client import answers
from client.answers import HELLO, TASK
from client.fake_api import FakeApi, Reply
from client.shell import Shell

VOLID = "backup:backup/vm/100001/2026-11-23T10:00:00Z"
BACKUP = {
    "volid": VOLID,
    "size_bytes": 42949672960,
    "size_human": "40.0 GB",
    "stored_bytes": 88080384,
    "created_at": "2026-11-23T10:00:00Z",
    "format": "pbs-vm",
    "notes": "before the upgrade\nof everything",
    "scheduled": True,
    "protected": False,
    "deleting": False,
}
OLDER = VOLID.replace("23T", "22T")
OLD = {**BACKUP, "volid": OLDER, "stored_bytes": None, "notes": None, "scheduled": False}


@pytest.fixture
def one(api: FakeApi) -> FakeApi:
    """A cloud with one machine, which has a backup."""
    api.give("/instances", [answers.instance()])
    api.give(f"/instances/{HELLO}", answers.instance())
    api.give(f"/tasks/{TASK}", answers.task("COMPLETED", "Done"))
    api.give(f"/instances/{HELLO}/backups", {"instance_id": HELLO, "backups": [BACKUP], "total": 1})
    return api


def test_backups_of_an_instance_are_listed(one: FakeApi, shell: Shell) -> None:
    (line,) = (line for line in shell.run("backup", "list", "hello").stdout.splitlines() if VOLID in line)
    assert line.split() == [
        *(VOLID, "hello", "2026-11-23", "10:00", "UTC", "40.0", "GiB", "84.0", "MiB"),
        *("scheduled,", "before", "the", "upgrade,", "of", "everything"),
    ]
    assert json.loads(shell.run("backup", "list", "hello", "--json").stdout)["total"] == 1


def test_all_backups_are_listed(one: FakeApi, shell: Shell) -> None:
    gone = {**OLD, "instance_id": HELLO, "instance_name": "old", "instance_deleted": True}
    one.give("/backups", {"backups": [gone], "total": 1, "total_size_bytes": 42949672960})
    (line,) = (line for line in shell.run("backup", "list").stdout.splitlines() if OLDER in line)
    assert line.split() == [OLDER, "old", "(deleted)", "2026-11-23", "10:00", "UTC", "40.0", "GiB"]


def test_one_is_made(one: FakeApi, shell: Shell) -> None:
    one.on("POST", f"/instances/{HELLO}/backup", Reply(body=answers.accepted()))
    result = shell.run("backup", "create", "hello")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == "hello is backed up."


def test_one_is_restored(one: FakeApi, shell: Shell) -> None:
    one.on("POST", "/backups/restore", Reply(body=answers.accepted()))
    refused = shell.run("backup", "restore", "hello", VOLID)
    assert (refused.exit_code, "--yes" in refused.stderr) == (2, True)
    result = shell.run("backup", "restore", "hello", VOLID, "--yes")
    assert result.stdout.splitlines()[-1] == "hello is restored."
    (asked,) = one.requests("POST", "/backups/restore")
    assert asked.query == {"volid": VOLID, "target_vm_uuid": HELLO}
    assert "idempotency-key" in asked.headers


def test_one_is_described(one: FakeApi, shell: Shell) -> None:
    one.on("PUT", "/backups/notes", Reply(body={"message": "Backup notes updated"}))
    assert shell.run("backup", "note", VOLID, "the last one").exit_code == 0
    (asked,) = one.requests("PUT", "/backups/notes")
    assert (asked.query, asked.body) == ({"volid": VOLID}, {"notes": "the last one"})


def test_one_is_deleted(one: FakeApi, shell: Shell) -> None:
    one.on("DELETE", "/backups", Reply(body=answers.accepted(backup_volid=VOLID)))
    refused = shell.run("backup", "delete", VOLID)
    assert (refused.exit_code, "--yes" in refused.stderr, one.requests("DELETE", "/backups")) == (2, True, [])
    result = shell.run("backup", "delete", VOLID, "--yes")
    assert result.stdout.splitlines()[-1] == f"{VOLID} is deleted."
    assert [each.query for each in one.requests("DELETE", "/backups")] == [{"volid": VOLID}]
    accepted = shell.run("backup", "delete", VOLID, "--yes", "--no-wait")
    assert accepted.stdout.splitlines()[-1].startswith("Accepted. Follow it with")
