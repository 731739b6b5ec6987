"""Lists: filtered, by pages, and as a whole when nothing is asked for."""

import base64
import json
from typing import Any
from uuid import UUID

import httpx
import pytest
from starlette.datastructures import QueryParams

from bluelobster.access.principal import Sight
from bluelobster.db.pool import Tx, transaction
from bluelobster.instances.list import list_page, list_query
from cloud import TestCloud

MANY = 400
SOME = UUID(int=7)


async def pages(client: httpx.AsyncClient, url: str) -> list[Any]:
    """The bodies of all pages, by their links."""
    found = []
    while url:
        answer = await client.get(url)
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
        url = answer.links.get("next", {}).get("url", "")
    return found


async def copies(cloud: TestCloud, number: int) -> None:
    """So many more instances like the first one, several at the same moment."""
    async with transaction(cloud.parts.pool) as tx:
        await tx.execute("create temp table one on commit drop as select * from instances limit 1")
        cursor = await tx.execute(
            """select string_agg(column_name, ', ') from information_schema.columns
               where table_name = 'instances' and is_generated = 'NEVER'"""
        )
        ((columns,),) = await cursor.fetchall()
        await tx.execute(
            f"""insert into instances ({columns}) select {columns} from (
                 select (jsonb_populate_record(one, jsonb_build_object('id', gen_random_uuid(), 'name', 'copy-' || n,
                   'vmid', 500000 + n, 'created_at', one.created_at - (n / 3) * interval '1 ms',
                   'metadata', jsonb_build_object('n', (n %% 7)::text)))).*
                 from one, generate_series(1, %s) n) as copies""",
            (number,),
        )


async def test_pages_are_the_list(idle_cloud: TestCloud) -> None:
    await idle_cloud.launch()
    await copies(idle_cloud, MANY)
    whole = (await idle_cloud.customer.get("/instances")).json()
    assert len(whole) == MANY + 1
    for limit in (1, 7, 200):
        url = f"/instances?limit={limit}&_mark_section=x"
        found = await pages(idle_cloud.customer, url if limit > 1 else "/instances?limit=1&metadata.n=3")
        assert all(len(page) == limit for page in found[:-1])
        listed = [each for page in found for each in page]
        assert listed == (whole if limit > 1 else [each for each in whole if (each["metadata"] or {}).get("n") == "3"])
    assert "link" not in (await idle_cloud.customer.get("/instances")).headers


async def test_a_page_holds_its_place_while_the_list_changes(idle_cloud: TestCloud) -> None:
    names = [(await idle_cloud.launch(name=f"web-{number}"))["vm_uuid"] for number in range(4)]
    first = await idle_cloud.customer.get("/instances?limit=2")
    await idle_cloud.launch(name="newest")
    async with transaction(idle_cloud.parts.pool) as tx:
        await tx.execute("update instances set status = 'failed', ended_at = now() where id = %s", (names[2],))
    second = await idle_cloud.customer.get(first.links["next"]["url"])
    assert [each["name"] for each in first.json()] == ["web-3", "web-2"]
    assert [each["name"] for each in second.json()] == ["web-1", "web-0"]


async def test_filters(cloud: TestCloud) -> None:
    await cloud.launched(name="web", metadata={"project": "ml", "stage": "prod"})
    await cloud.launched(name="db", metadata={"project": "ml", "a.b=c&d": "é %"})
    await cloud.launched(name="box")

    async def names(query: dict[str, str]) -> set[str]:
        answer = await cloud.customer.get("/instances", params=query)
        assert answer.status_code == 200, answer.text
        return {each["name"] for each in answer.json()}

    assert await names({"metadata.project": "ml"}) == {"web", "db"}
    assert await names({"metadata.project": "ml", "metadata.stage": "prod"}) == {"web"}
    assert await names({"metadata.stage": ""}) == {"web"}
    assert await names({"metadata.a.b=c&d": "é %"}) == {"db"}
    assert await names({"metadata.project": "m"}) == set()
    assert await names({"metadata.nothing": ""}) == set()
    assert await names({"metadata.project": "ml", "limit": "1", "name": "db"}) == {"db"}
    assert await names({"name": "box"}) == {"box"}
    assert await names({"region": "us-east-1"}) == {"web", "db", "box"}
    assert await names({"region": "nowhere"}) == set()
    assert await names({"status": "rented"}) == {"web", "db", "box"}
    assert await names({"status": "creating"}) == set()
    assert await names({"colour": "red"}) == {"web", "db", "box"}
    assert (await cloud.stranger.get("/instances?metadata.project=ml")).json() == []


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=",
        "limit=%C2%B2",
        "cursor=",
        "cursor=x",
        "cursor=%F0%9F%98%80",
        "cursor=" + "A" * 200,
        "cursor=" + base64.urlsafe_b64encode(b"1.not-a-uuid").decode(),
        "cursor=" + base64.urlsafe_b64encode(b"99999999999999999999." + str(SOME).encode()).decode(),
        "cursor=" + base64.urlsafe_b64encode(b"-1." + str(SOME).encode()).decode(),
        "status=deleted",
        "metadata.=x",
        "metadata.a=%00",
        "name=%00",
        "&".join(f"metadata.k{number}=v" for number in range(21)),
    ],
)
async def test_what_cannot_be_asked(idle_cloud: TestCloud, query: str) -> None:
    answer = await idle_cloud.customer.get(f"/instances?{query}")
    assert (answer.status_code, answer.json()["error"]) == (422, "validation_error")


async def test_tasks_come_in_pages(idle_cloud: TestCloud) -> None:
    for _ in range(5):
        await idle_cloud.launch()
    await idle_cloud.stranger.get("/tasks")
    whole = (await idle_cloud.customer.get("/tasks")).json()
    assert len(whole["tasks"]) == 5
    found = await pages(idle_cloud.customer, "/tasks?limit=2&status=pending")
    assert [each["total"] for each in found] == [2, 2, 1]
    assert [each for page in found for each in page["tasks"]] == whole["tasks"]
    refused = await idle_cloud.customer.get("/tasks?cursor=x")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "cursor")


async def test_a_page_costs_the_same_in_a_long_list(idle_cloud: TestCloud) -> None:
    """By the rows that PostgreSQL reads, which do not depend on how busy the machine is: each of the page once to find
    it and once to show it, and a few of the moment at which it begins."""
    await idle_cloud.launch()
    await copies(idle_cloud, 10_000)
    assert await rows_read_for_the_second_page(idle_cloud) <= 210


async def rows_read_for_the_second_page(cloud: TestCloud) -> int:
    """Rows of `instances` that a page of 100 takes."""
    account_id = await cloud.account_id()
    async with cloud.parts.pool.connection() as connection:
        await connection.execute("vacuum analyze instances")
    async with transaction(cloud.parts.pool) as tx:
        sight = Sight(account_id, None)
        _, place = await list_page(tx, sight, list_query(QueryParams("limit=100")))
        before = await rows_read(tx)
        text, _ = await list_page(tx, sight, list_query(QueryParams(f"limit=100&cursor={place}")))
        assert len(json.loads(text)) == 100
        return await rows_read(tx) - before


async def rows_read(tx: Tx) -> int:
    cursor = await tx.execute(
        "select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables where relname = 'instances'"
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])
