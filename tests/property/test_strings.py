"""Every string of every request, with text that means something to a shell, YAML, Proxmox VE or a terminal.

It is refused, and the refusal names the field; or it comes back as it was sent, and the node got it as a value and
nothing else. Fields are found in the served OpenAPI: one that is added is tried without anybody's asking. What goes on
to a hypervisor is tried with every text; of the other fields each has its share, and together they have every one.
"""

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from passlib.hash import sha512_crypt

from bluelobster.access.permissions import OPERATIONS, PERSONAL, STAFF
from bluelobster.instances.names import hostname_of
from cloud import TestCloud, eventually, running_cloud
from people import member as somebody
from property.conftest import PROFILE
from property.fields import VALID, WITHOUT_SCHEMA, WRAPPED, Field, fields
from property.nasty import CONTROL, IN_URLS, LENGTHS, NASTY
from pvelocal.cloudinit import render_user_data

pytestmark = pytest.mark.long

ACCEPTED = 300
# What is not shown again; the machine itself is looked at instead.
SECRET = frozenset(("password", "ssh_key", "user_data", "iso_url", "token"))
# What is wrong with something else than the field that is tried.
OF_ANOTHER_FIELD = frozenset(("name_taken", "already_member", "invalid_token", "wrong_password"))
LAUNCHES = frozenset(("launch_standard_instance", "launch_custom_instance"))
REACH_THE_HYPERVISOR = LAUNCHES | {
    "rename_instance",
    "add_firewall_rule",
    "update_instance_firewall",
    "update_backup_notes",
    "restore_instance_backup",
}
# What a guest is told besides can only be compared where the customer does not write it.
WITHOUT_USER_DATA = "launch_standard_instance"
TOLD = ("username", "ssh_key", "password")
SHARES = 12
# Of those that differ in their first step only.
AS_STAFF = 4
# What no field may be without.
ALWAYS = ("\x00", "\ud800", "x" * 70_000)
ROOM = """update hosts set disk_gb = case when %s then 100000 else disk_gb_used end, memory_gb = 10000, vcpus = 10000
          returning 1"""
MORE_ADDRESSES = {"region": "us-east-1", "network": "192.0.2.0/24", "gateway": "192.0.2.1"}
# Of what is kept, the next one needs the name or the place.
KEPT = {
    "create_team": "/teams/{id}",
    "create_ssh_key": "/ssh-keys/{id}",
    "add_firewall_rule": "/instances/{instance_id}/firewall/rules/0",
}
# Where to look whether it was kept; for others the answer itself says it.
SHOWN_AT = {
    "rename_instance": "/instances/{instance_id}",
    "invite_team_member": "/teams/{team_id}/members",
    "invite_account_member": "/account/members",
    "create_team_key": "/teams/{team_id}/keys",
    "rename_team": "/teams/{team_id}",
    "update_instance_firewall": "/instances/{instance_id}/firewall",
    "add_firewall_rule": "/instances/{instance_id}/firewall",
}


@dataclass
class Place:
    """A cloud in which every path leads to something real.

    `launches` has, by operation and text, the fields with which a launch would take it, if only there were room.
    """

    cloud: TestCloud
    real: dict[str, str]
    person: httpx.AsyncClient
    launches: defaultdict[tuple[str, str], dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))

    def client(self, operation: str) -> httpx.AsyncClient:
        requirement = OPERATIONS.get(operation)
        if requirement is PERSONAL:
            return self.person
        return self.cloud.staff if requirement is STAFF else self.cloud.customer

    async def send(self, one: Field, body: dict[str, Any]) -> httpx.Response:
        content = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        return await self.client(one.operation).request(
            one.method, one.url(self.real), content=content, headers=headers
        )

    async def problem(self, one: Field, text: str, inside: str = "{}") -> str | None:
        """What is wrong with what became of the text; None when all is well."""
        sent = inside.replace("{}", text)
        body = one.body(sent)
        answer = await self.send(one, body)
        what = f"{one.operation} {one.name} {sent[:40]!a}: {answer.status_code} {answer.text[:200]}"
        if one.operation in LAUNCHES and answer.status_code == HTTPStatus.CONFLICT:
            self.launches[one.operation, text][one.at[0]] = body[one.at[0]]
        if answer.status_code >= ACCEPTED:
            return None if refused_well(answer, one.name) else what
        if one.name not in SECRET and not await self.comes_back(one, answer, sent):
            return f"not kept: {what}"
        if one.operation in KEPT:
            await self.cloud.customer.delete(KEPT[one.operation].format(**self.real, **answer.json()))
        return None

    async def comes_back(self, one: Field, answer: httpx.Response, text: str) -> bool:
        if one.operation in SHOWN_AT:
            answer = await self.cloud.customer.get(SHOWN_AT[one.operation].format(**self.real))
        # White space around a rule's fields or a key says nothing.
        return not text.strip() or text.strip() in {each.strip() for each in texts_in(answer.json())}


def refused_well(answer: httpx.Response, name: str) -> bool:
    """A clear refusal, which names the field where it is the field's fault: a body that is too large is not read."""
    said = answer.json()
    clear = 400 <= answer.status_code < 500 and {"error", "message"} <= said.keys()
    return clear and (answer.status_code in {404, 409, 413} or said["error"] in OF_ANOTHER_FIELD or name in answer.text)


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts_in(inner)


@pytest.fixture
async def place(database: str, tmp_path: Path) -> AsyncIterator[Place]:
    """Without room for another machine, and without a worker."""
    async with running_cloud(database, tmp_path, worker=False) as cloud:
        async with cloud.worker():
            instance_id = await cloud.launched(name="found")
            backup = await cloud.customer.post(f"/instances/{instance_id}/backup")
            await cloud.completed(backup.json()["task_id"])
        team_id = (await cloud.customer.post("/teams", json={"name": "Research"})).json()["id"]
        member = await cloud.customer.post(f"/teams/{team_id}/members", json={"email": "bob@example.com"})
        (volid,) = (each["volid"] for each in (await cloud.customer.get("/backups")).json()["backups"])
        await cloud.one(ROOM, False)
        real = {
            "instance_id": instance_id, "vm_uuid": instance_id, "team_id": team_id, "member_id": member.json()["id"],
            "pos": "0", "task_id": instance_id, "prefix": "abcdefgh", "ip_address": "127.64.0.10", "name_or_id": "none",
            "invoice_id": instance_id, "top_up_id": instance_id,
            "host_id": "px1", "template": "NONE", "quota": "vcpus", "item": "v1_cpu_small",
            "account_id": str(await cloud.account_id()),
            "session_id": instance_id, "user_id": instance_id,
            "volid": volid, "model": "NONE", "mapping": "none", "instance_type": "v1_cpu_small", "region": "mars",
            "pool_id": instance_id, "first": "192.0.2.2", "last": "192.0.2.2",
        }  # fmt: skip
        yield Place(cloud, real, await somebody(cloud, "grace@example.com"))


def in_bodies(cloud: TestCloud) -> list[Field]:
    return [each for each in fields(cloud.app.openapi()) if each.where == "body"]


def test_there_is_a_valid_body_for_each() -> None:
    assert not VALID.keys() & WITHOUT_SCHEMA.keys()


def nasty_for(one: Field, number: int) -> Iterator[tuple[str, str]]:
    """Texts, and what each is put inside of, where it would not get past the first check by itself."""
    inside = WRAPPED.get(one.name, "{}")
    texts: tuple[str, ...]
    bare: tuple[str, ...]
    if one.operation not in REACH_THE_HYPERVISOR:
        texts, bare = NASTY[number % SHARES :: SHARES], ALWAYS
    elif one.operation in LAUNCHES and one.operation != WITHOUT_USER_DATA:
        texts, bare = NASTY[number % AS_STAFF :: AS_STAFF], ALWAYS
    else:
        texts, bare = NASTY, (*CONTROL, *LENGTHS) if inside != "{}" else ()
    yield from ((text, inside) for text in texts)
    yield from ((text, "{}") for text in bare)


async def problems(place: Place, tried: Sequence[Field]) -> list[str]:
    found = [
        await place.problem(one, text, inside)
        for number, one in enumerate(tried)
        for text, inside in nasty_for(one, number)
    ]
    return [problem for problem in found if problem]


async def test_nasty_text_in_launches(place: Place) -> None:
    tried = [each for each in in_bodies(place.cloud) if each.operation in LAUNCHES]
    assert await problems(place, tried) == []
    assert len(place.launches) > 1.5 * len(NASTY)
    await nothing_but_what_was_meant(place)


async def test_nasty_text_in_other_bodies(place: Place) -> None:
    tried = in_bodies(place.cloud)
    assert {each.operation for each in tried} == VALID.keys() | WITHOUT_SCHEMA.keys()
    assert await problems(place, [each for each in tried if each.operation not in LAUNCHES]) == []


async def test_nasty_text_in_paths_and_queries(place: Place) -> None:
    tried = [each for each in fields(place.cloud.app.openapi()) if each.where in {"path", "query"}]
    assert len(tried) > 20
    for number, one in enumerate(tried):
        for text in IN_URLS[number % 2 :: 2]:
            url = one.url(place.real, text)
            url += ("&" if "?" in url else "?") + "stream=false" if one.operation == "list_events" else ""
            answer = await place.client(one.operation).request(one.method, url, json=VALID.get(one.operation))
            assert answer.status_code in {200, 400, 404, 405, 409, 422}, (one, text, answer.text)
            if answer.status_code >= ACCEPTED:
                assert {"error", "message"} <= answer.json().keys(), (one, text)


@settings(PROFILE, max_examples=4 * PROFILE.max_examples)
@given(data=st.data(), text=st.text(max_size=80))
async def test_any_text_in_bodies(place: Place, data: st.DataObject, text: str) -> None:
    one = data.draw(st.sampled_from(in_bodies(place.cloud)))
    inside = data.draw(st.sampled_from(("{}", WRAPPED.get(one.name, "{}"))))
    assert await place.problem(one, text, inside) is None


async def nothing_but_what_was_meant(place: Place) -> None:
    """Machines with a text wherever a launch takes it, at once: the node's are as asked for, option by option, and so
    is what their guests are told."""
    cloud = place.cloud
    await cloud.one(ROOM, True)
    assert (await cloud.staff.post("/admin/pools", json=MORE_ADDRESSES)).status_code == HTTPStatus.CREATED
    paths = {each.operation: each.path.removeprefix("/api/v1") for each in in_bodies(cloud)}
    launched: list[tuple[str, Any, dict[str, Any]]] = []
    async with cloud.worker():
        for number, ((operation, _), nasty) in enumerate(place.launches.items()):
            if operation != WITHOUT_USER_DATA and number % AS_STAFF:
                continue
            body = {**VALID[operation], "name": f"machine-{len(launched)}", **nasty}
            if operation == WITHOUT_USER_DATA:
                body.pop("user_data", None)
            answer = await place.client(operation).post(paths[operation], json=body)
            assert answer.status_code == HTTPStatus.OK, (body, answer.text)
            launched.append((operation, answer.json(), body))
        for operation, accepted, body in launched:
            instance_id = accepted["vm_uuid"]
            shown = await eventually(partial(rented, place.client(operation), f"/instances/{instance_id}"), 60)
            assert (shown["name"], shown["metadata"]) == (body["name"], body.get("metadata"))
            vmid = await cloud.one("select vmid from instances where id = %s", instance_id)
            as_meant(cloud.node.node.vms.get(vmid).config, instance_id, shown["name"], body)
    compared = [body for operation, _, body in launched if operation == WITHOUT_USER_DATA]
    assert len(compared) > len(NASTY) - 10
    assert all(any(body.get(name) != VALID[WITHOUT_USER_DATA].get(name) for body in compared) for name in TOLD)


async def rented(client: httpx.AsyncClient, path: str) -> Any:
    """An instance, once it is ready."""
    shown = (await client.get(path)).json()
    return shown if shown["status"] == "rented" else None


def as_meant(config: dict[str, Any], instance_id: str, name: str, body: dict[str, Any]) -> None:
    expected = {"name": hostname_of(name), "description": f"bluelobster instance {instance_id}", "tags": "bluelobster"}
    assert {key: config[key] for key in expected} == expected
    assert config["smbios1"] == f"uuid={instance_id}"
    unasked = {"args", "hookscript", "cicustom", "lock", "protection", "onboot", "startup"} & config.keys()
    assert unasked == set(), config
    if body.get("user_data", "").strip():
        return
    key, password = body.get("ssh_key"), body.get("password")
    told = yaml.safe_load(render_user_data(str(config["name"]), config))
    assert told == {
        "hostname": hostname_of(name),
        "fqdn": hostname_of(name),
        "manage_etc_hosts": True,
        "user": body["username"],
        "chpasswd": {"expire": False},
        "users": ["default"],
        **({"ssh_authorized_keys": [key.strip()]} if key else {}),
        **({"password": config["cipassword"]} if password else {}),
    }
    assert unquote(str(config.get("sshkeys", ""))).strip() == (key or "").strip()
    if password:
        assert sha512_crypt.verify(password, str(config["cipassword"]))
