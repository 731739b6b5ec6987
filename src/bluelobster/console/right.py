"""Whether whoever opened a console may still have it."""

from datetime import datetime

from bluelobster.access.permissions import OPERATIONS, Role
from bluelobster.console.tickets import Screen
from bluelobster.db.pool import Pool, Tx

OF_A_KEY = """
select k.role from api_keys k join accounts a on a.id = k.account_id
where k.prefix = %(key_prefix)s and k.account_id = %(account_id)s and k.team_id is not distinct from %(team_id)s
  and k.revoked_at is null and a.closed_at is null and (k.expires_at is null or k.expires_at > %(now)s)
"""
OF_SOMEBODY = """
select p.role from sessions s join users u on u.id = s.user_id join places p on p.user_id = u.id
where s.id = %(session_id)s and s.expires_at > %(now)s and u.disabled_at is null
  and p.account_id = %(account_id)s and p.team_id is not distinct from %(team_id)s
"""
IN_SIGHT = """
select exists (select from instances where id = %(instance_id)s and account_id = %(account_id)s
               and (%(team_id)s::uuid is null or team_id = %(team_id)s))
"""


async def may_still(pool: Pool, screen: Screen, now: datetime) -> bool:
    """The key is good or the person signed in, may open consoles, and sees the machine."""
    async with pool.connection() as connection:
        role = await _role(connection, screen, now)
        if role is None or OPERATIONS["get_console_ticket"].refuses(role, screen.team_id is not None):
            return False
        cursor = await connection.execute(IN_SIGHT, vars(screen))
        row = await cursor.fetchone()
        return bool(row and row[0])


async def _role(tx: Tx, screen: Screen, now: datetime) -> Role | None:
    query = OF_A_KEY if screen.session_id is None else OF_SOMEBODY
    cursor = await tx.execute(query, {**vars(screen), "now": now})
    row = await cursor.fetchone()
    return row[0] if row else None
