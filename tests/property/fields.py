"""Every string that a request may carry, found in the served OpenAPI, and an otherwise valid request for each."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from cloud import LAUNCH, SSH_KEY

Path = tuple[str, ...]
ITEM, VALUE = "[]", "{}"
BARE_KEY = SSH_KEY.rpartition(" ")[0]

# By operation; one with a body that is not here fails the test.
VALID: dict[str, dict[str, Any]] = {
    "launch_standard_instance": LAUNCH,
    "launch_custom_instance": {
        "name": "web-1", "instance_type": "v1_cpu_small", "host": "px1", "cores": 1, "memory": 8, "disk_size": 40,
        "gpu_count": 0, "username": "lobster", "ssh_key": SSH_KEY, "template_name": "TINY-LINUX",
    },
    "get_instance_log": {"start_time": "2026-11-01T00:00:00Z", "end_time": "2026-11-02T00:00:00Z"},
    "add_firewall_rule": {"type": "in", "action": "ACCEPT"},
    "update_instance_firewall": {"enable": True},
    "create_backup_schedule": {"frequency": "daily", "hour_utc": 3},
    "update_backup_notes": {"notes": "before the upgrade"},
    "create_ssh_key": {"name": "laptop", "public_key": SSH_KEY},
    "create_team": {"name": "Sales"},
    "admin_set_account_terms": {"pays": "invoice", "credit_limit_cents": 50000},
    "rename_team": {"name": "Marketing"},
    "invite_team_member": {"email": "ada@example.com"},
    "change_team_member": {"role": "viewer"},
    "create_team_key": {"name": "deploy"},
    "create_key": {"name": "deploy", "role": "viewer"},
    "close_account": {"name": "not-this-one"},
    "invite_account_member": {"email": "ada@example.com"},
    "change_account_member": {"role": "viewer"},
    "sign_in": {"email": "ada@example.com", "password": "correct horse battery"},
    "accept_invitation": {"token": "blt_none", "password": "correct horse battery"},
    "change_my_password": {"current_password": "a guess", "new_password": "another long password"},
    "admin_create_user": {"email": "joan@example.com", "account": "customer"},
    "admin_create_account": {"name": "acme"},
    "admin_credit_account": {"amount_cents": 1, "reason": "welcome"},
    "admin_create_key": {"name": "deploy", "role": "viewer"},
    "admin_save_region": {
        "name": "eu-1", "description": "Oslo, NO", "city": "Oslo", "state": "-", "country": "NO",
    },
    "admin_change_host": {"status": "active"},
    # The name is taken, which is found before anybody is asked.
    "admin_add_host": {
        "id": "px1", "region": "us-east-1", "api_url": "https://127.0.0.1:1", "token": "root@pam!ci=secret",
        "storage": "local",
    },
    "admin_set_maintenance": {"reason": "new firmware", "expected_end_at": "2199-01-01T00:00:00Z"},
    "admin_save_gpu_model": {"name": "H900", "marketing": "H900", "description": "NVIDIA H900"},
    "admin_add_gpus": {"model": "A4000", "mappings": ["a4000-0"]},
    "admin_create_type": {
        "name": "small", "description": "Small", "price_cents_per_hour": 1, "vcpus": 1, "memory_gb": 1, "disk_gb": 9,
    },
    "admin_change_type": {"disk_gb": 10},
    "admin_add_pool": {"region": "us-east-1", "network": "192.0.2.0/29", "gateway": "192.0.2.1"},
    "admin_add_internal_pool": {
        "region": "us-east-1", "network": "10.91.0.0/29", "first_tag": 9, "last_tag": 19,
    },
    "admin_place_template": {"volume": "local:import/none.qcow2"},
    "admin_change_price": {"cents": 3},
}  # fmt: skip
# Bodies that the contract leaves without a schema.
WITHOUT_SCHEMA = {
    "rename_instance": ("name",),
    "assign_vm_to_team": ("team_id",),
    "restore_instance_backup": ("backup_volid",),
}
# What of their query has to be there beside a body.
NEEDED = {"update_backup_notes": ("volid",), "admin_remove_addresses": ("first", "last")}
# How to get nasty text past a field's first check.
WRAPPED = {
    "ssh_key": f"{BARE_KEY} {{}}",
    "public_key": f"{BARE_KEY} {{}}",
    "password": "Aa1-{}-tail",
    "username": "a{}",
    "name": "a{}z",
    "email": "a{}@example.com",
    "iso_url": "http://127.0.0.1:9/{}.iso",
    "source": "10.0.0.1{}",
    "dport": "22{}",
    "template_name": "TINY-LINUX{}",
    "user_data": "#!/bin/sh\n: {}",
}


@dataclass(frozen=True)
class Field:
    """A string in a body, or in a path or a query."""

    operation: str
    method: str
    path: str
    where: str
    at: Path

    @property
    def name(self) -> str:
        return next(each for each in reversed(self.at) if each not in {ITEM, VALUE})

    def body(self, text: str) -> dict[str, Any]:
        """A valid body with this text in the field."""
        body = copy.deepcopy(VALID.get(self.operation, {}))
        inner: Any = text
        for step in reversed(self.at[1:]):
            inner = [inner] if step == ITEM else {"note" if step == VALUE else step: inner}
        return {**body, self.at[0]: inner}

    def url(self, real: dict[str, str], text: str | None = None) -> str:
        """The path with what is real, and with this text in the field."""
        values = {**real, **({self.name: text} if text is not None and self.where == "path" else {})}
        path = self.path.removeprefix("/api/v1")
        for name, value in values.items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        query = {name: real[name] for name in NEEDED.get(self.operation, ())}
        if text is not None and self.where == "query":
            query[self.name] = text
        return f"{path}?{urlencode(query, quote_via=quote)}" if query else path


def fields(document: dict[str, Any]) -> Iterator[Field]:
    """All of them."""
    schemas = document["components"]["schemas"]
    for path, item in document["paths"].items():
        for method, facts in item.items():
            name = facts["operationId"].partition("_api_v1_")[0]
            body = facts.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            for at in strings(body, schemas):
                yield Field(name, method, path, "body", at)
            for field in WITHOUT_SCHEMA.get(name, ()):
                yield Field(name, method, path, "body", (field,))
            for parameter in facts.get("parameters", ()):
                for at in strings(parameter["schema"], schemas, (parameter["name"],)):
                    yield Field(name, method, path, parameter["in"], at)


def strings(schema: Any, schemas: dict[str, Any], at: Path = ()) -> Iterator[Path]:
    """Where strings may be in a schema."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    found = {at} if schema.get("type") == "string" else set()
    for each in schema.get("anyOf", ()):
        found |= set(strings(each, schemas, at))
    for name, inner in schema.get("properties", {}).items():
        found |= set(strings(inner, schemas, (*at, name)))
    for step, keyword in ((ITEM, "items"), (VALUE, "additionalProperties")):
        if isinstance(schema.get(keyword), dict):
            found |= set(strings(schema[keyword], schemas, (*at, step)))
    yield from sorted(found)
