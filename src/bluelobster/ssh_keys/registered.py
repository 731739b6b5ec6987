"""Keys that an account registered by name, for its launches to name."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid4

from psycopg.rows import dict_row
from pydantic import AfterValidator, BaseModel, Field

from bluelobster.clock import rfc3339
from bluelobster.db.pool import Tx
from bluelobster.http.errors import Conflict, NotFound
from bluelobster.http.ids import parsed_id
from bluelobster.http.patterns import pattern
from bluelobster.http.text import RequestBody
from bluelobster.ssh_keys.public_key import GivenSshKey, fingerprint_of

MOST_KEYS = 200
MOST_AT_LAUNCH = 20


def no_id(name: str) -> str:
    """A name; ValueError for one that would be taken for an id."""
    if parsed_id(name) is not None:
        raise ValueError("the name must not look like an id")
    return name


KEY_NAME = pattern(
    r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$",
    "Must have 1 to 64 letters, digits, dots, hyphens, underscores or @, beginning with a letter or a digit",
)
KeyName = Annotated[str, Field(pattern=KEY_NAME), AfterValidator(no_id)]
KeyNames = Annotated[list[KeyName], Field(max_length=MOST_AT_LAUNCH)] | None


class NewSshKey(RequestBody):
    """A key to register."""

    name: KeyName = Field(description="What launches call it", json_schema_extra={"example": "laptop"})
    public_key: GivenSshKey = Field(description="SSH public key, one line")


class SshKeyView(BaseModel):
    """A registered key."""

    id: str
    name: str
    fingerprint: str
    public_key: str
    created_at: str


class SshKeys(BaseModel):
    """All keys of an account, by name."""

    ssh_keys: list[SshKeyView]
    total: int


async def list_keys(tx: Tx, account_id: UUID) -> SshKeys:
    async with tx.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            """select id::text, name, fingerprint, public_key, created_at from ssh_keys
               where account_id = %s order by name""",
            (account_id,),
        )
        rows = await cursor.fetchall()
    views = [SshKeyView.model_validate({**row, "created_at": rfc3339(row["created_at"])}) for row in rows]
    return SshKeys(ssh_keys=views, total=len(views))


async def register(tx: Tx, account_id: UUID, new: NewSshKey, now: datetime) -> SshKeyView:
    """Keep a key under a name. Raises Conflict for a name or a key that is there already, and for one too many."""
    await tx.execute("select pg_advisory_xact_lock(hashtextextended('ssh keys of ' || %s, 0))", (str(account_id),))
    known = await list_keys(tx, account_id)
    if known.total >= MOST_KEYS:
        raise Conflict("limit_reached", f"An account keeps at most {MOST_KEYS} SSH keys")
    fingerprint = fingerprint_of(new.public_key)
    for each in known.ssh_keys:
        if each.name == new.name:
            raise Conflict("name_taken", f"An SSH key named {new.name} exists already; choose another name")
        if each.fingerprint == fingerprint:
            raise Conflict("key_exists", f"This SSH key is registered already, as {each.name}")
    key_id = uuid4()
    await tx.execute(
        """insert into ssh_keys (id, account_id, name, public_key, fingerprint, created_at)
           values (%s, %s, %s, %s, %s, %s)""",
        (key_id, account_id, new.name, new.public_key, fingerprint, now),
    )
    return SshKeyView(
        id=str(key_id),
        name=new.name,
        fingerprint=fingerprint,
        public_key=new.public_key,
        created_at=rfc3339(now),
    )


async def remove(tx: Tx, account_id: UUID, name_or_id: str) -> None:
    """Forget a key; machines that were launched with it keep it. Raises NotFound."""
    key_id = parsed_id(name_or_id)
    done = await tx.execute(
        "delete from ssh_keys where account_id = %s and case when %s::uuid is null then name = %s else id = %s end",
        (account_id, key_id, name_or_id, key_id),
    )
    if done.rowcount == 0:
        raise NotFound("ssh_key_not_found", f"SSH key {name_or_id[:64]} not found")


async def keys_of_launch(
    tx: Tx, account_id: UUID, key: str | None, names: Sequence[str] | None
) -> tuple[str | None, dict[str, str]]:
    """All keys that a launch gives or names, one a line, and what is wrong with it, by field."""
    known = await _keys_named(tx, account_id, names) if names else {}
    unknown = [name for name in names or () if name not in known]
    keys = dict.fromkeys(filter(None, (key, *(known.get(name) for name in names or ()))))
    broken = {"ssh_key_names": f"There is no SSH key named {', '.join(unknown)}"} if unknown else {}
    return "\n".join(keys) or None, broken


async def _keys_named(tx: Tx, account_id: UUID, names: Sequence[str]) -> dict[str, str]:
    cursor = await tx.execute(
        "select name, public_key from ssh_keys where account_id = %s and name = any(%s)", (account_id, list(names))
    )
    return dict(await cursor.fetchall())
