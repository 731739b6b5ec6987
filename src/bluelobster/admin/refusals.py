"""What the database refuses, in the operator's words."""

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
    "regions": "region",
    "templates": "template",
}
_ADDED_BY = {"accounts": "account add", "gpu_models": "gpu model", "hosts": "host add", "regions": "region add"}
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


def _missing_or_needed(error: ForeignKeyViolation) -> str:
    detail = error.diag.message_detail or str(error)
    if "is not present" in detail:
        table = detail.rpartition('in table "')[2].rstrip('".')
        added = f"; add it with `bluelobster admin {_ADDED_BY[table]}`" if table in _ADDED_BY else ""
        return f"there is no {_thing(table)} {_values(error)}{added}"
    needed_by = detail.rpartition('from table "')[2].rstrip('".').replace("_", " ")
    return f"{_values(error)} cannot be removed: {needed_by} on record still refer to it"


def _thing(table: str | None) -> str:
    return _THINGS.get(table or "", (table or "").replace("_", " "))


def _values(error: DatabaseError) -> str:
    found = _KEY.search(error.diag.message_detail or "")
    return found["values"] if found else ""
