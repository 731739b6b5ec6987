"""What a cloud begins with: a catalogue and accounts. They take as long to write as most tests take to do what they are
for, so that a database which has them is kept."""

from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import NamedTuple

from psycopg import AsyncConnection

from bluelobster.access.accounts import Kind, create_account
from bluelobster.access.keys import create_key
from bluelobster.access.permissions import Role
from bluelobster.catalog.templates import KNOWN, save_template
from bluelobster.db.pool import Tx
from bluelobster.demonstration import seed
from databases import FURNISHED, keep, renewed_database

NETWORK = IPv4Network("127.64.0.0/25")
# So that what a test does not say is no reason to refuse a launch.
PAYS_LATER = "update accounts set pays = 'invoice', credit_limit_cents = 100000000 where id = %s"


class Keys(NamedTuple):
    """API keys of the accounts that every test has."""

    customer: str
    staff: str
    stranger: str


_keys: list[Keys] = []


async def furnished_database() -> tuple[str, Keys]:
    """The address of this process' own, with all this, and the keys of its accounts."""
    if _keys:
        return renewed_database(FURNISHED), _keys[0]
    address = renewed_database()
    async with await AsyncConnection.connect(address) as connection:
        await stock(connection)
        keys = await accounts(connection, datetime.now(UTC))
    keep(FURNISHED)
    _keys.append(keys)
    return address, keys


async def stock(tx: Tx) -> None:
    """A catalogue with a template."""
    await seed(tx, NETWORK)
    await save_template(tx, KNOWN["TINY-LINUX"])


async def accounts(tx: Tx, now: datetime) -> Keys:
    """The accounts that every test has."""
    return Keys(
        await account_with_key(tx, "customer", "customer", "owner", now),
        await account_with_key(tx, "staff", "staff", "staff", now),
        await account_with_key(tx, "stranger", "customer", "owner", now),
    )


async def account_with_key(tx: Tx, name: str, kind: Kind, role: Role, now: datetime) -> str:
    """A new account that pays later, and a key of it."""
    account_id = await create_account(tx, name, kind, now)
    await tx.execute(PAYS_LATER, (account_id,))
    return await create_key(tx, account_id, "test", role, now)
