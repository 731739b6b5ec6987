"""Quotas: how much an account may have of each thing, and how much it has.

An account's own limits go before everybody's, and of GPUs those of a model before those of each model. Accounts of
staff have their own limits only. What counts is what there is: instances from the moment that their launch is
accepted, additional public addresses, backups until they are gone.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.db.pool import Tx

Item = Literal["instances", "vcpus", "memory_gb", "gpus", "addresses", "backups"]
ITEMS: tuple[Item, ...] = get_args(Item)


@dataclass(frozen=True)
class Quota:
    """How much is used of something, and how much may be; None is no limit. GPUs are counted by model."""

    item: Item
    gpu_model: str | None
    used: int
    most: int | None

    @property
    def name(self) -> str:
        return name_of(self.item, self.gpu_model)


def name_of(item: Item, gpu_model: str | None) -> str:
    """`vcpus`, or `gpus:A4000`."""
    return item if gpu_model is None else f"{item}:{gpu_model}"


LIVE = "from instances i where i.account_id = %(account_id)s and i.ended_at is null"
USED = {
    "instances": f"select null::text as gpu_model, count(*) as used {LIVE}",
    "vcpus": f"select null, sum(i.vcpus) {LIVE}",
    "memory_gb": f"select null, sum(i.memory_gb) {LIVE}",
    "gpus": f"""select m.name, sum(i.gpu_count) from gpu_models m
                left join (select i.gpu_model, i.gpu_count {LIVE}) i on i.gpu_model = m.name group by m.name""",
    "addresses": f"""select null, count(*) from addresses a
                     where not a.is_primary and a.tag is null and a.instance_id in (select i.id {LIVE})""",
    "backups": "select null, count(*) from backups where account_id = %(account_id)s and ended_at is null",
}


async def read_quotas(
    tx: Tx, account_id: UUID, items: Collection[Item] = ITEMS, *, of_closed: bool = True
) -> list[Quota]:
    """Each quota of an account, in the order of ITEMS, GPUs by model. Without `of_closed`, one that was closed has
    none."""
    used = " union all ".join(
        f"select {position} as position, '{item}' as item, {item}.* from ({USED[item]}) {item}"
        for position, item in enumerate(items)
    )
    async with tx.cursor(row_factory=class_row(Quota)) as cursor:
        await cursor.execute(
            f"""select u.item, u.gpu_model, coalesce(u.used, 0)::bigint as used, q.most
                from accounts a cross join ({used}) u (position, item, gpu_model, used)
                left join lateral (
                  select most from quotas q
                  where q.item = u.item and (q.gpu_model is null or q.gpu_model = u.gpu_model)
                    and (q.account_id = a.id or q.account_id is null and a.role <> 'staff')
                  order by q.account_id nulls last, q.gpu_model nulls last limit 1) q on true
                where a.id = %(account_id)s and (a.closed_at is null or %(of_closed)s)
                order by u.position, u.gpu_model""",
            {"account_id": account_id, "of_closed": of_closed},
        )
        return await cursor.fetchall()
