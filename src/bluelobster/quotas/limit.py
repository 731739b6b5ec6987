"""The limits: everybody's, and those that single accounts have instead."""

from dataclasses import dataclass
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.db.pool import Tx
from bluelobster.quotas.quota import ITEMS, Item, name_of


@dataclass(frozen=True)
class Limit:
    """The most of something; None is no limit. Without an account it is everybody's."""

    account: str | None
    item: Item
    gpu_model: str | None
    most: int | None

    @property
    def name(self) -> str:
        return name_of(self.item, self.gpu_model)


def parsed(name: str) -> tuple[Item, str | None]:
    """The item and the GPU model of a quota's name. ValueError for a name that no quota has."""
    word, _, gpu_model = name.partition(":")
    item = next((each for each in ITEMS if each == word), None)
    if item is None or (":" in name and (item != "gpus" or not gpu_model)):
        raise ValueError(f"A quota is one of {', '.join(ITEMS)}, or of a GPU model, as gpus:A4000")
    return item, gpu_model or None


async def list_limits(tx: Tx, account_id: UUID | None) -> list[Limit]:
    """Those of an account that are its own, or everybody's."""
    async with tx.cursor(row_factory=class_row(Limit)) as cursor:
        await cursor.execute(
            """select a.name as account, q.item, q.gpu_model, q.most
               from quotas q left join accounts a on a.id = q.account_id
               where q.account_id is not distinct from %s
               order by array_position(%s, q.item), q.gpu_model nulls first""",
            (account_id, list(ITEMS)),
        )
        return await cursor.fetchall()


async def set_limit(tx: Tx, account_id: UUID | None, item: Item, gpu_model: str | None, most: int | None) -> None:
    """Limit an account, or everybody; psycopg's ForeignKeyViolation for a GPU model that nobody knows. What there is
    more of stays."""
    await tx.execute(
        """insert into quotas (account_id, item, gpu_model, most) values (%s, %s, %s, %s)
           on conflict (account_id, item, gpu_model) do update set most = excluded.most""",
        (account_id, item, gpu_model, most),
    )


async def forget_limit(tx: Tx, account_id: UUID | None, item: Item, gpu_model: str | None) -> bool:
    """Let the next wider limit hold; False where there was none of its own."""
    done = await tx.execute(
        """delete from quotas where account_id is not distinct from %s and item = %s
             and gpu_model is not distinct from %s""",
        (account_id, item, gpu_model),
    )
    return done.rowcount == 1
