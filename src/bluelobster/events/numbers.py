"""Numbers in an order that readers can trust: who has read up to a number has missed nothing below it.

Transactions commit in another order than they take identities, so events get theirs afterwards, by one transaction at
a time: when it is over, every number up to the last one can be seen, and later ones are higher.
"""

from bluelobster.db.pool import Tx

LOCK = 7_013_220_942  # one at a time
BATCH = 1000


async def number_events(tx: Tx) -> int:
    """Number what has been committed, and hold the order until `tx` ends; the highest number given so far."""
    await tx.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
    while await _number_some(tx) == BATCH:
        pass
    cursor = await tx.execute("select case when is_called then last_value else 0 end from event_numbers")
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def _number_some(tx: Tx) -> int:
    # Materialized: a plan that asked for numbers anew for each event would give them in the order of the table's pages.
    done = await tx.execute(
        """with given as materialized (
             select id, nextval('event_numbers') as number from (
               select id from events where number is null order by id limit %s) as waiting)
           update events set number = given.number from given where events.id = given.id""",
        (BATCH,),
    )
    return done.rowcount
