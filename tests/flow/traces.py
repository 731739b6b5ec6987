"""Where a secret might have left a trace: the log, every row of the database, every file of the node."""

import base64
from collections.abc import Iterable

from cloud import TestCloud

TABLES = """
    select schemaname || '.' || tablename from pg_tables where schemaname in ('public', 'absurd') order by 1"""


async def traces(cloud: TestCloud, log: str, secrets: Iterable[str]) -> list[str]:
    """The places that hold one of the secrets, in clear or merely encoded."""
    places = {"the log": log, **await rows_by_table(cloud), **files_of_node(cloud)}
    forms = [form for secret in secrets for form in (secret, secret.encode().hex(), base64_of(secret))]
    return [place for place, text in places.items() if any(form in text for form in forms)]


def base64_of(secret: str) -> str:
    """Without its end, which depends on what follows."""
    return base64.b64encode(secret.encode()).decode().rstrip("=")[:-1]


async def rows_by_table(cloud: TestCloud) -> dict[str, str]:
    found = {}
    async with cloud.parts.pool.connection() as connection:
        tables = [row[0] for row in await (await connection.execute(TABLES)).fetchall()]
        for table in tables:
            cursor = await connection.execute(f"select coalesce(string_agg(t::text, E'\\n'), '') from {table} t")
            row = await cursor.fetchone()
            found[f"table {table}"] = row[0] if row else ""
    return found


def files_of_node(cloud: TestCloud) -> dict[str, str]:
    """What the node keeps of its machines; its own token is its own business."""
    data = cloud.node.node.settings.data
    files = [path for path in data.rglob("*") if path.is_file() and path.name != "token"]
    return {f"file {path.relative_to(data)}": path.read_text(errors="replace") for path in files}
