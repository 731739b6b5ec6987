"""A request that names itself with `Idempotency-Key` is carried out once, however often it is sent."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import Request, Response

from backed_up import backed_up
from bluelobster.access.once import ABANDONED, Once, around, forget_old_answers
from bluelobster.access.principal import Principal
from bluelobster.access.shown_once import NOTE, without_secrets
from bluelobster.clock import SystemClock
from bluelobster.http.errors import Conflict
from bluelobster.http.handlers import JsonResponse
from cloud import LAUNCH, TestCloud, eventually
from flow.test_windows import WINDOWS, offer_windows
from flow.traces import traces
from pvelocal.faults import Fault

PATH = "/instances/launch-instance"
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


async def launch(client: httpx.AsyncClient, key: Any, **changes: Any) -> httpx.Response:
    return await client.post(PATH, json={**LAUNCH, **changes}, headers={"Idempotency-Key": key})


async def instances(cloud: TestCloud) -> int:
    return int(await cloud.one("select count(*) from instances"))


async def test_the_second_is_answered_like_the_first(idle_cloud: TestCloud) -> None:
    first = await launch(idle_cloud.customer, "once")
    again = await launch(idle_cloud.customer, "once")
    assert first.status_code == again.status_code == 200
    assert again.json() == first.json()
    assert again.headers["Content-Type"] == first.headers["Content-Type"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["X-Request-Id"] != first.headers["X-Request-Id"]
    assert await instances(idle_cloud) == 1


async def test_without_it_or_with_another_every_request_counts(idle_cloud: TestCloud) -> None:
    await launch(idle_cloud.customer, "one")
    await launch(idle_cloud.customer, "two")
    await idle_cloud.launch()
    await idle_cloud.launch()
    assert await instances(idle_cloud) == 4


async def test_another_request_under_the_same_name_is_refused(idle_cloud: TestCloud) -> None:
    await launch(idle_cloud.customer, "once", name="first")
    refused = await launch(idle_cloud.customer, "once", name="second")
    assert (refused.status_code, refused.json()["error"]) == (409, "idempotency_key_reused")
    assert await instances(idle_cloud) == 1


async def test_names_belong_to_a_key_and_a_path(idle_cloud: TestCloud) -> None:
    mine = await launch(idle_cloud.customer, "once")
    theirs = await launch(idle_cloud.stranger, "once")
    assert theirs.json()["task_id"] != mine.json()["task_id"]
    elsewhere = f"/instances/{mine.json()['vm_uuid']}/shutdown"
    answer = await idle_cloud.customer.post(elsewhere, headers={"Idempotency-Key": "once"})
    assert answer.json()["error"] == "invalid_state"
    assert (await launch(idle_cloud.customer, "once")).json() == mine.json()


@pytest.mark.parametrize("name", ["", " ", "two words", "x" * 256, "nül".encode()])
async def test_what_is_no_name_is_refused(idle_cloud: TestCloud, name: Any) -> None:
    refused = await launch(idle_cloud.customer, name)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_idempotency_key")
    assert await instances(idle_cloud) == 0
    assert (await launch(idle_cloud.customer, "x" * 255)).status_code == 200


async def test_a_stranger_s_name_is_not_looked_at(idle_cloud: TestCloud) -> None:
    idle_cloud.customer.headers["X-API-Key"] = "nonsense"
    assert (await launch(idle_cloud.customer, "")).status_code == 401


@pytest.mark.parametrize(
    ("wrong", "status"), [({"username": "-"}, 422), ({"region": "nowhere"}, 400), ({"ssh_key": None}, 400)]
)
async def test_what_was_refused_may_be_corrected(idle_cloud: TestCloud, wrong: dict[str, Any], status: int) -> None:
    assert (await launch(idle_cloud.customer, "once", **wrong)).status_code == status
    assert (await launch(idle_cloud.customer, "once")).status_code == 200
    assert await idle_cloud.one("select count(*) from request_answers") == 1


async def test_no_room_now_is_not_no_room_for_ever(idle_cloud: TestCloud) -> None:
    async with idle_cloud.parts.pool.connection() as connection:
        await connection.execute("update hosts set status = 'draining'")
        assert (await launch(idle_cloud.customer, "once")).json()["error"] == "resource_conflict"
        await connection.execute("update hosts set status = 'active'")
    assert (await launch(idle_cloud.customer, "once")).status_code == 200


async def test_of_many_at_once_one_is_carried_out(idle_cloud: TestCloud) -> None:
    answers = await asyncio.gather(*(launch(idle_cloud.customer, "once") for _ in range(20)))
    assert await instances(idle_cloud) == 1
    accepted = {answer.json()["task_id"] for answer in answers if answer.status_code == 200}
    assert len(accepted) == 1
    for refused in (answer for answer in answers if answer.status_code != 200):
        assert (refused.status_code, refused.json()["error"]) == (409, "request_in_progress")
        assert refused.headers["Retry-After"] == "1"


async def test_only_a_keyed_hash_of_the_body_is_kept(idle_cloud: TestCloud, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await launch(idle_cloud.customer, "once", password="Correct-Horse-7", metadata={"note": "in-confidence"})
    kept = await idle_cloud.one("select r::text from request_answers r")
    assert "Correct-Horse-7" not in kept
    assert "in-confidence" not in kept
    assert await traces(idle_cloud, caplog.text, ["Correct-Horse-7"]) == []


async def test_a_password_is_shown_once_only(idle_cloud: TestCloud, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await offer_windows(idle_cloud)
    first = (await launch(idle_cloud.customer, "once", **WINDOWS)).json()
    again = (await launch(idle_cloud.customer, "once", **WINDOWS)).json()
    password = first["credentials"].pop("password")
    first["data"]["credentials"].pop("password")
    for answer in (again, again["data"]):
        assert answer["credentials"]["note"] == NOTE
    for answer in (first, first["data"], again, again["data"]):
        del answer["credentials"]["note"]
    assert again == first
    assert await traces(idle_cloud, caplog.text, [password]) == []


def test_what_is_a_secret_is_known_by_its_name_and_wherever_it_is_said_again() -> None:
    key = "bl_abcdefgh_" + "x" * 40
    answer = {
        "id": 7,
        "ticket": "t0p-s3cret",
        "port": "t0p",
        "url": "wss://console/?t=t0p-s3cret",
        "made": [{"name": "ci", "value": key, "public_key": "ssh-ed25519 AAAA"}],
    }
    assert without_secrets(answer) == {
        "id": 7,
        "port": "t0p",
        "made": [{"name": "ci", "public_key": "ssh-ed25519 AAAA", "note": NOTE}],
        "note": NOTE,
    }
    assert without_secrets({"id": 7, "password": None}) == {"id": 7, "password": None}


async def test_answers_are_forgotten_after_a_day(idle_cloud: TestCloud) -> None:
    await launch(idle_cloud.customer, "once")

    class Tomorrow:
        def __init__(self, early: timedelta) -> None:
            self.early = early

        def now(self) -> Any:
            return SystemClock().now() + DAY - self.early

    await forget_old_answers(idle_cloud.parts.pool, Tomorrow(MINUTE), DAY)
    assert await idle_cloud.one("select count(*) from request_answers") == 1
    idle_cloud.app.state.clock = Tomorrow(-MINUTE / 2)
    again = await launch(idle_cloud.customer, "once")
    assert "Idempotency-Replayed" not in again.headers
    assert await instances(idle_cloud) == 2
    await forget_old_answers(idle_cloud.parts.pool, Tomorrow(-DAY - MINUTE), DAY)
    assert await idle_cloud.one("select count(*) from request_answers") == 0


async def test_a_reboot_happens_once_and_its_end_is_the_answer(cloud: TestCloud) -> None:
    path = f"/instances/{await cloud.launched()}/reboot"
    named = {"Idempotency-Key": "once"}
    first = await cloud.customer.post(path, headers=named)
    again = await cloud.customer.post(path, headers=named)
    assert first.json()["status"] == "success"
    assert again.json() == first.json()
    assert await cloud.one("select count(*) from tasks where operation = 'reboot_instance'") == 1


async def test_while_a_reboot_runs_the_second_is_told_its_task(idle_cloud: TestCloud) -> None:
    async with idle_cloud.worker():
        path = f"/instances/{await idle_cloud.launched()}/reboot"
    named = {"Idempotency-Key": "once"}
    rebooting = asyncio.create_task(idle_cloud.customer.post(path, headers=named))

    async def queued() -> Any:
        return await idle_cloud.one("select id::text from tasks where operation = 'reboot_instance'")

    task_id = await eventually(queued)
    again = (await idle_cloud.customer.post(path, headers=named)).json()
    assert (again["status"], again["task_id"]) == ("PENDING", task_id)
    async with idle_cloud.worker():
        first = await rebooting
    assert (first.json()["status"], first.json()["task_id"]) == ("success", task_id)
    assert (await idle_cloud.customer.post(path, headers=named)).json() == first.json()


async def test_a_reboot_that_failed_is_not_done_again(cloud: TestCloud) -> None:
    path = f"/instances/{await cloud.launched()}/reboot"
    cloud.node.faults.add(Fault("error", "POST", r"/status/reset$", times=None, message="no such device"))
    first = await cloud.customer.post(path, headers={"Idempotency-Key": "once"})
    again = await cloud.customer.post(path, headers={"Idempotency-Key": "once"})
    assert (first.status_code, first.json()["error"]) == (500, "reboot_failed")
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert await cloud.one("select count(*) from tasks where operation = 'reboot_instance'") == 1


async def test_what_reads_is_not_kept(idle_cloud: TestCloud) -> None:
    span = {"start_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-02T00:00:00Z"}
    await idle_cloud.customer.post("/instances/log", json=span, headers={"Idempotency-Key": "once"})
    assert await idle_cloud.one("select count(*) from request_answers") == 0


async def test_a_body_that_is_too_large_is_not_hashed(idle_cloud: TestCloud) -> None:
    async def unannounced() -> Any:
        for _ in range(2):
            yield b" " * (1 << 20)

    answer = await idle_cloud.customer.post(PATH, content=unannounced(), headers={"Idempotency-Key": "once"})
    assert (answer.status_code, answer.json()["error"]) == (413, "request_too_large")


REQUEST = Request({"type": "http"})


async def a_request(cloud: TestCloud, later: timedelta = timedelta()) -> Once:
    account: UUID = await cloud.account_id()
    now = SystemClock().now() + later
    return Once(Principal(account, "owner", "abcdefgh"), "POST", "/rules", "once", b"digest", now, now - DAY)


async def test_a_route_with_its_own_transactions_is_not_entered_twice(idle_cloud: TestCloud) -> None:
    pool, once = idle_cloud.parts.pool, await a_request(idle_cloud)
    entered = 0

    async def make(_request: Request) -> Response:
        nonlocal entered
        entered += 1
        with pytest.raises(Conflict, match="still being answered"):
            await around(once, pool, REQUEST, make)
        return JsonResponse({"position": 0})

    first = await around(once, pool, REQUEST, make)
    again = await around(once, pool, REQUEST, make)
    assert (entered, again.body) == (1, first.body)


async def test_a_route_with_its_own_transactions_may_be_tried_again_after_an_error(idle_cloud: TestCloud) -> None:
    pool, once = idle_cloud.parts.pool, await a_request(idle_cloud)

    async def fail(_request: Request) -> Response:
        raise ZeroDivisionError

    async def refuse(_request: Request) -> Response:
        return JsonResponse({"error": "invalid_rule"}, status_code=400)

    async def make(_request: Request) -> Response:
        return JsonResponse({"position": 0})

    with pytest.raises(ZeroDivisionError):
        await around(once, pool, REQUEST, fail)
    for answer, status in ((refuse, 400), (make, 200), (refuse, 200)):
        assert (await around(once, pool, REQUEST, answer)).status_code == status


async def test_what_a_dead_process_began_is_carried_out_again_after_a_while(idle_cloud: TestCloud) -> None:
    pool = idle_cloud.parts.pool

    async def make(_request: Request) -> Response:
        return JsonResponse({"position": 0})

    once = await a_request(idle_cloud)
    async with pool.connection() as connection:
        await once.keep(connection, None)
    with pytest.raises(Conflict):
        await around(await a_request(idle_cloud, ABANDONED / 2), pool, REQUEST, make)
    assert (await around(await a_request(idle_cloud, ABANDONED * 2), pool, REQUEST, make)).status_code == 200


async def test_what_stands_in_the_address_is_part_of_what_is_asked(cloud: TestCloud) -> None:
    machines = [await cloud.launched(name=name) for name in ("one", "two")]
    volid = await backed_up(cloud, machines[0])

    async def restore(target: str) -> httpx.Response:
        wanted = {"volid": volid, "target_vm_uuid": target}
        headers = {"Idempotency-Key": "restore"}
        return await cloud.customer.post("/backups/restore", params=wanted, headers=headers)

    first, again = await restore(machines[0]), await restore(machines[0])
    assert first.status_code == 200
    assert again.json() == first.json()
    assert (await restore(machines[1])).status_code == 409
