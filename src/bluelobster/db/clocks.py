"""Whether this machine's clock can be believed: the database's is everybody's measure."""

from datetime import timedelta

from bluelobster.clock import Clock, SystemClock
from bluelobster.db.pool import Connection

# Machines that keep time differ by milliseconds.
TOLERATED = timedelta(seconds=30)
WRONG = "this machine's clock differs from the database's by %.0f s; set both right (NTP)"


async def wrong_by(connection: Connection, clock: Clock) -> timedelta | None:
    """How far a machine's own clock is ahead of the database's; None within what is tolerated."""
    if not isinstance(clock, SystemClock):
        return None
    cursor = await connection.execute("select %s - clock_timestamp()", (clock.now(),))
    row = await cursor.fetchone()
    return row[0] if row and abs(row[0]) > TOLERATED else None
