"""The list of instances: whole, or filtered, or by pages."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from starlette.datastructures import QueryParams

from bluelobster.access.principal import Sight
from bluelobster.db.pool import Tx
from bluelobster.http.paging import Place, place_of, unfit
from bluelobster.http.text import is_clean
from bluelobster.instances.views import VIEW

METADATA = "metadata."
STATES = ("creating", "rented", "terminating")
MOST = 200
USUAL = 100
MOST_FILTERS = 20


@dataclass(frozen=True)
class ListQuery:
    """Which instances, by SQL conditions and their values, and which page of them; without `limit`, all."""

    conditions: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    limit: int | None = None

    @property
    def where(self) -> str:
        return "".join(f" and {condition}" for condition in self.conditions)


def list_query(params: QueryParams) -> ListQuery:
    """What a request's query asks for: `name`, `status`, `region`, `metadata.<key>=<value>` (without a value: that the
    key is there), `limit` and `cursor`. Raises RequestValidationError. Parameters that it does not know are none of
    its business."""
    must_be_clean(params)
    conditions: list[str] = []
    values: dict[str, Any] = {}
    for column in ("name", "status", "region"):
        if column in params:
            conditions.append(f"i.{column} = %({column})s")
            values[column] = params[column]
    if params.get("status", STATES[0]) not in STATES:
        raise unfit("status", f"Must be one of {', '.join(STATES)}")
    for number, (key, value) in enumerate(metadata_filters(params)):
        conditions.append(f"i.metadata @> %(metadata_{number})s" if value else f"i.metadata ? %(metadata_{number})s")
        values[f"metadata_{number}"] = Jsonb({key: value}) if value else key
    if "cursor" in params:
        place = place_of(params["cursor"], UUID)
        conditions.append("i.created_at <= %(last_at)s and (i.created_at < %(last_at)s or i.id > %(last_id)s)")
        values |= {"last_at": place.at, "last_id": place.id}
    return ListQuery(conditions, values, limit_of(params))


def must_be_clean(params: QueryParams) -> None:
    for name, value in params.multi_items():
        try:
            is_clean(name + value)
        except ValueError as error:
            raise unfit("query", str(error)) from None


def metadata_filters(params: QueryParams) -> Iterator[tuple[str, str]]:
    filters = [
        (name.removeprefix(METADATA), value) for name, value in params.multi_items() if name.startswith(METADATA)
    ]
    if len(filters) > MOST_FILTERS:
        raise unfit("metadata", f"At most {MOST_FILTERS} filters")
    for key, value in filters:
        if not key:
            raise unfit("metadata.", "Name the key, as in metadata.project=ml")
        yield key, value


def limit_of(params: QueryParams) -> int | None:
    """How many a page has; None for all, which is what who asks for no page gets."""
    if "limit" not in params:
        return USUAL if "cursor" in params else None
    text = params["limit"]
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MOST)) and 1 <= int(text) <= MOST):
        raise unfit("limit", f"Must be between 1 and {MOST}")
    return int(text)


async def list_page(tx: Tx, sight: Sight, query: ListQuery) -> tuple[str, str | None]:
    """Instances within the caller's sight, newest first, as JSON text, and the cursor of the page behind them."""
    values = {**vars(sight), **query.values}
    if query.limit is None:
        return await _json(tx, query.where, values), None
    cursor = await tx.execute(
        f"""select i.id, i.created_at from instances i
            where i.account_id = %(account_id)s and i.ended_at is null
              and (%(team_id)s::uuid is null or i.team_id = %(team_id)s) {query.where}
            order by i.created_at desc, i.id limit %(most)s""",
        {**values, "most": query.limit + 1},
    )
    rows = await cursor.fetchall()
    page = rows[: query.limit]
    text = await _json(tx, " and i.id = any(%(ids)s)", {**vars(sight), "ids": [row[0] for row in page]})
    if len(rows) <= query.limit:
        return text, None
    last_id, last_at = page[-1]
    return text, Place(last_at, last_id).cursor()


async def _json(tx: Tx, where: str, values: dict[str, Any]) -> str:
    cursor = await tx.execute(
        f"select coalesce(json_agg(v), '[]')::text from ({VIEW} {where} order by i.created_at desc, i.id) v", values
    )
    row = await cursor.fetchone()
    return str(row[0]) if row else "[]"
