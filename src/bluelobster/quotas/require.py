"""Take from an account's quotas: in the transaction that reserves, after its rows are written."""

from collections.abc import Mapping
from typing import ClassVar
from uuid import UUID

from bluelobster.db.pool import Tx
from bluelobster.http.errors import ApiError, Unauthorized
from bluelobster.quotas.quota import Item, Quota, read_quotas


class QuotaExceeded(ApiError):
    """The account may not have that much."""

    status: ClassVar[int] = 403

    def __init__(self, quota: Quota, wanted: int) -> None:
        used = quota.used - wanted
        super().__init__(
            "quota_exceeded",
            f"The quota {quota.name} is {quota.most} and {used} are used; this needs {wanted} more",
            quota=quota.name,
            limit=quota.most,
            used=used,
            wanted=wanted,
        )


async def hold_quotas(tx: Tx, account_id: UUID) -> None:
    """Nobody else takes from the account's quotas, or closes it, until the end of `tx`. Comes after instances and
    addresses in the order of locks, and before the account's row.

    A lock of its own: the account's row is held while its use is charged, and launches would wait for that."""
    await tx.execute("select pg_advisory_xact_lock(hashtextextended('quotas of ' || %s, 0))", (str(account_id),))


async def require_quotas(tx: Tx, account_id: UUID, wanted: Mapping[Item, int], gpu_model: str | None = None) -> None:
    """Raises QuotaExceeded if what `tx` has just added to an account is more than it may have, and Unauthorized if the
    account was closed meanwhile. Two at once cannot pass each other: each writes its rows, then waits for its turn, and
    then counts the rows of whoever came before."""
    wanted = {item: count for item, count in wanted.items() if count}
    await hold_quotas(tx, account_id)
    quotas = await read_quotas(tx, account_id, wanted, of_closed=False)
    if not quotas:
        raise Unauthorized
    for quota in quotas:
        concerned = quota.gpu_model is None or quota.gpu_model == gpu_model
        if concerned and quota.most is not None and quota.used > quota.most:
            raise QuotaExceeded(quota, wanted[quota.item])
