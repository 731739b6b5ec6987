"""Every string of every request, with text that means something to a shell, YAML, Proxmox VE or a terminal.

It is refused, and the refusal names the field; or it comes back as it was sent, and the node got it as a value and
nothing else. Fields are found in the served OpenAPI: one that is added is tried without anybody's asking.
"""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
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
# Of what is kept by name, the next one needs the place.
KEPT = {"create_team": "/teams/{id}", "create_ssh_key": "/ssh-keys/{id}"}
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
    """A cloud in which every path leads to something real, and the bodies of the launches that it accepted."""

    cloud: TestCloud
    real: dict[str, str]
    person: httpx.AsyncClient
    launched: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

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

    async def problem(self, one: Field, text: str) -> str | None:
        """What is wrong with what became of the text; None when all is well."""
        body = one.body(text)
        answer = await self.send(one, body)
        what = f"{one.operation} {one.name} {text[:40]!a}: {answer.status_code} {answer.text[:200]}"
        if answer.status_code >= ACCEPTED:
            return None if refused_well(answer, one.name) else what
        if one.operation in LAUNCHES:
            self.launched.append((answer.json()["vm_uuid"], body))
        elif one.name not in SECRET and not await self.comes_back(one, answer, text):
            return f"not kept: {what}"
        if one.operation in KEPT:
            await self.cloud.customer.delete(KEPT[one.operation].format(**answer.json()))
        return None

    async def comes_back(self, one: Field, answer: httpx.Response, text: str) -> bool:
        if one.operation in SHOWN_AT:
            answer = await self.cloud.customer.get(SHOWN_AT[one.operation].format(**self.real))
        # White space around a rule's fields or a key says nothing.
        return not text.strip() or text.strip() in {each.strip() for each in texts_in(answer.json())}


def refused_well(answer: httpx.Response, name: str) -> bool:
    """A clear refusal, which names the field where it is the field's fault."""
    said = answer.json()
    clear = 400 <= answer.status_code < 500 and {"error", "message"} <= said.keys()
    return clear and (answer.status_code in {404, 409} or said["error"] in OF_ANOTHER_FIELD or name in answer.text)


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts_in(inner)


@pytest.fixture
async def place(database: str, tmp_path: Path) -> AsyncIterator[Place]:
    async with running_cloud(database, tmp_path) as cloud:
        instance_id = await cloud.launched(name="found")
        team_id = (await cloud.customer.post("/teams", json={"name": "Research"})).json()["id"]
        member = await cloud.customer.post(f"/teams/{team_id}/members", json={"email": "bob@example.com"})
        backup = await cloud.customer.post(f"/instances/{instance_id}/backup")
        await cloud.completed(backup.json()["task_id"])
        (volid,) = (each["volid"] for each in (await cloud.customer.get("/backups")).json()["backups"])
        real = {
            "instance_id": instance_id, "vm_uuid": instance_id, "team_id": team_id, "member_id": member.json()["id"],
            "pos": "0", "task_id": instance_id, "prefix": "abcdefgh", "ip_address": "127.64.0.10", "name_or_id": "none",
            "invoice_id": instance_id, "top_up_id": instance_id,
            "host_id": "px1", "template": "NONE", "quota": "vcpus", "item": "v1_cpu_small",
            "account_id": str(await cloud.one("select id from accounts where name = 'customer'")),
            "session_id": instance_id, "user_id": instance_id,
            "volid": volid, "model": "NONE", "mapping": "none", "instance_type": "v1_cpu_small", "region": "mars",
            "pool_id": instance_id, "first": "192.0.2.2", "last": "192.0.2.2",
        }  # fmt: skip
        yield Place(cloud, real, await somebody(cloud, "grace@example.com"))


def in_bodies(cloud: TestCloud) -> list[Field]:
    return [each for each in fields(cloud.app.openapi()) if each.where == "body"]


def test_there_is_a_valid_body_for_each() -> None:
    assert not VALID.keys() & WITHOUT_SCHEMA.keys()


def nasty_for(one: Field) -> Iterator[str]:
    """As it is, or where it would not get past the first check, inside something that does."""
    wrap = WRAPPED.get(one.name, "{}")
    yield from (wrap.replace("{}", text) for text in NASTY)
    yield from () if one.name not in WRAPPED else (*CONTROL, *LENGTHS)


async def test_nasty_text_in_bodies(place: Place) -> None:
    tried = in_bodies(place.cloud)
    assert {each.operation for each in tried} == VALID.keys() | WITHOUT_SCHEMA.keys()
    found = [await place.problem(one, text) for one in tried for text in nasty_for(one)]
    assert [problem for problem in found if problem] == []
    assert len(place.launched) > 50
    await nothing_but_what_was_meant(place)


async def test_nasty_text_in_paths_and_queries(place: Place) -> None:
    tried = [each for each in fields(place.cloud.app.openapi()) if each.where in {"path", "query"}]
    assert len(tried) > 20
    for one in tried:
        for text in IN_URLS:
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
    wrapped = WRAPPED.get(one.name, "{}").replace("{}", text)
    assert await place.problem(one, data.draw(st.sampled_from((text, wrapped)))) is None


async def nothing_but_what_was_meant(place: Place) -> None:
    """The node's virtual machines are as asked for, option by option, and so is what their guests are told."""
    cloud = place.cloud

    async def quiet() -> bool:
        return bool(await cloud.one("select count(*) = 0 from tasks where ended_at is null"))

    await eventually(quiet, 120)
    looked_at = 0
    for instance_id, body in place.launched:
        vmid = await cloud.one("select vmid from instances where id = %s and status = 'rented'", instance_id)
        if body.get("iso_url"):
            assert vmid is None
            continue
        shown = await place.client("launch_custom_instance" if "host" in body else "get_instance").get(
            f"/instances/{instance_id}"
        )
        assert shown.json()["metadata"] == body.get("metadata")
        assert shown.json()["name"] == body.get("name", shown.json()["name"])
        as_meant(cloud.node.node.vms.get(vmid).config, instance_id, shown.json()["name"], body)
        looked_at += 1
    assert looked_at > 40


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
