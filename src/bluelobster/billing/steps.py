"""How use is counted: in steps of so many seconds, to the nearest, at least so many.

Kept beside the prices, so that all processes count alike, and copied to each period when it begins.
"""

from bluelobster.db.pool import Tx


async def list_steps(tx: Tx) -> list[tuple[str, int, int]]:
    """Each kind of use, with the seconds of its step and the least number of steps."""
    cursor = await tx.execute("select kind, step_seconds, least_steps from billing_steps order by kind")
    return [(kind, seconds, least) for kind, seconds, least in await cursor.fetchall()]


async def set_steps(tx: Tx, kind: str, step_seconds: int, least_steps: int) -> None:
    """For what is begun from now on."""
    await tx.execute(
        "update billing_steps set step_seconds = %s, least_steps = %s where kind = %s",
        (step_seconds, least_steps, kind),
    )
