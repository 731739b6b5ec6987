"""A database with a catalogue and accounts, which takes as long to write as most tests take to do what they are for."""

from datetime import UTC, datetime

from psycopg import AsyncConnection

from cloud import Keys, accounts, stock
from databases import FURNISHED, keep, renewed_database

_keys: list[Keys] = []


async def furnished_database() -> tuple[str, Keys]:
    """The address of this process' own, with what a cloud begins with, and the keys of its accounts."""
    if _keys:
        return renewed_database(FURNISHED), _keys[0]
    address = renewed_database()
    async with await AsyncConnection.connect(address) as connection:
        await stock(connection)
        keys = await accounts(connection, datetime.now(UTC))
    keep(FURNISHED)
    _keys.append(keys)
    return address, keys
