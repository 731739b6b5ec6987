"""What the database refuses, in an operator's words."""

import re

from psycopg import Error as DatabaseError
from psycopg import OperationalError
from psycopg.errors import CheckViolation, ForeignKeyViolation, NumericValueOutOfRange, UniqueViolation

_KEY = re.compile(r"Key \((?P<columns>.+?)\)=\((?P<values>.+?)\)")
_THINGS = {
    "accounts": "account",
    "address_pools": "internal pool of region",
    "gpu_models": "GPU model",
    "hosts": "host",
    "instance_types": "instance type",
    "regions": "region",
    "templates": "template",
}
_NAME = "a name has 1 to 63 lower-case letters, digits and hyphens, and does not begin with a hyphen"
_RULES = {
    "accounts_name_check": _NAME,
    "regions_name_check": _NAME,
    "hosts_id_check": _NAME,
    "address_pools_tags": "this network is a public pool already",
    "address_pools_gateway": "this network is an internal pool already",
    "hosts_vcpus_fit": "its machines have more vCPUs already than the host would then have to promise",
    "hosts_memory_fits": "its machines have more memory already than the host would then have to promise",
    "hosts_disk_fits": "its machines have more disk already than the host would then have to promise",
}


def refusal(error: DatabaseError) -> str:
    """Why the database did not do what was asked, as one sentence."""
    if isinstance(error, UniqueViolation):
        return f"{_thing(error.diag.table_name)} {_values(error)} exists already"
    if isinstance(error, ForeignKeyViolation):
        return _missing_or_needed(error)
    if isinstance(error, CheckViolation):
        broken = error.diag.constraint_name or ""
        return _RULES.get(broken, f"the database refuses a value ({broken})")
    if isinstance(error, NumericValueOutOfRange):
        return "a number is too large"
    if isinstance(error, OperationalError):
        return f"cannot reach the database: {str(error).strip()}"
    return str(error).strip()


def missing_table(error: DatabaseError) -> str | None:
    """The table that lacks what was referred to; None where that is not why the database refused."""
    detail = error.diag.message_detail or ""
    if not isinstance(error, ForeignKeyViolation) or "is not present" not in detail:
        return None
    return detail.rpartition('in table "')[2].rstrip('".')


def _missing_or_needed(error: ForeignKeyViolation) -> str:
    table = missing_table(error)
    if table is not None:
        return f"there is no {_thing(table)} {_values(error)}"
    detail = error.diag.message_detail or str(error)
    needed_by = detail.rpartition('from table "')[2].rstrip('".').replace("_", " ")
    return f"{_values(error)} cannot be removed: {needed_by} on record still refer to it"


def _thing(table: str | None) -> str:
    return _THINGS.get(table or "", (table or "").replace("_", " "))


def _values(error: DatabaseError) -> str:
    found = _KEY.search(error.diag.message_detail or "")
    return found["values"] if found else ""
