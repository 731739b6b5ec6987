"""The console: tickets, and the gateway that they open, with simulated guests."""

import asyncio
import contextlib
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bluelobster.access.keys import create_key
from bluelobster.console import attempts, gateway, session, viewer
from bluelobster.console.stream import Ended, TcpStream
from bluelobster.db.pool import transaction
from cloud import LAUNCH, TestCloud, api_client, eventually, running_cloud
from people import member
from viewers import NotLetIn, Viewer, plain_viewer, web_viewer


@pytest.fixture
async def instance(cloud: TestCloud) -> str:
    return await cloud.launched(name="seen")


async def ticket_for(cloud: TestCloud, instance: str) -> dict[str, Any]:
    answer = await cloud.customer.post(f"/instances/{instance}/console")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def refusal_of(cloud: TestCloud, instance: str) -> tuple[int, str]:
    answer = await cloud.customer.post(f"/instances/{instance}/console")
    return answer.status_code, answer.json()["error"]


async def vmid_of(cloud: TestCloud, instance: str) -> int:
    vmid: int = await cloud.one("select vmid from instances where id = %s", instance)
    return vmid


async def typing_shows(viewer: Viewer) -> None:
    before = viewer.picture
    await viewer.press("ls")
    await viewer.look()
    assert viewer.picture != before


async def test_a_ticket_leads_to_the_gateway_alone(cloud: TestCloud, instance: str) -> None:
    ticket = await ticket_for(cloud, instance)
    assert ticket["instance_id"] == instance
    assert (ticket["host"], len(ticket["password"])) == ("127.0.0.1", 8)
    assert ticket["ticket"].startswith(ticket["password"])
    assert ticket["websocket_url"].startswith(f"ws://127.0.0.1:{ticket['port']}/console/websocket?ticket=")
    assert ticket["console_url"] == f"http://api/console/#{ticket['ticket']}"
    node_port = cloud.node.url.rpartition(":")[2]
    assert not any(word in str(ticket) for word in (node_port, "px1", "PVEVNC"))


async def test_vnc_viewers_of_all_versions_type_and_see(cloud: TestCloud, instance: str) -> None:
    for version, secret in ((3, "password"), (7, "password"), (8, "password"), (8, "ticket")):
        ticket = await ticket_for(cloud, instance)
        async with plain_viewer(ticket["host"], ticket["port"], ticket[secret], version) as viewer:
            assert viewer.name == "seen"
            await typing_shows(viewer)
    assert cloud.hypervisor.screen(await vmid_of(cloud, instance)).keys == [ord("l"), ord("s")] * 4


async def test_a_websocket_types_and_sees(cloud: TestCloud, instance: str) -> None:
    async with web_viewer((await ticket_for(cloud, instance))["websocket_url"]) as viewer:
        await typing_shows(viewer)
        async with web_viewer((await ticket_for(cloud, instance))["websocket_url"]) as second:
            assert second.picture == viewer.picture


async def test_a_ticket_works_once(cloud: TestCloud, instance: str) -> None:
    ticket = await ticket_for(cloud, instance)

    async def look() -> bool:
        try:
            async with web_viewer(ticket["websocket_url"]):
                return True
        except NotLetIn as refusal:
            return str(refusal) != "4401"

    assert sum(await asyncio.gather(*(look() for _ in range(5)))) == 1
    with pytest.raises(NotLetIn, match="Wrong password"):
        async with plain_viewer(ticket["host"], ticket["port"], ticket["password"]):
            pass


async def test_a_ticket_is_short_lived(cloud: TestCloud, instance: str) -> None:
    ticket = await ticket_for(cloud, instance)
    assert await cloud.one("select expires_at between now() + '28 s' and now() + '30 s' from console_tickets")
    await cloud.one("update console_tickets set expires_at = now() - interval '1 s' returning 1")
    with pytest.raises(NotLetIn, match="4401"):
        async with web_viewer(ticket["websocket_url"]):
            pass
    with pytest.raises(NotLetIn, match="30 seconds are over"):
        async with plain_viewer(ticket["host"], ticket["port"], ticket["password"]):
            pass
    await ticket_for(cloud, instance)
    assert await cloud.one("select count(*) from console_tickets") == 1


async def test_who_may(cloud: TestCloud, instance: str) -> None:
    path = f"/instances/{instance}/console"
    strange = await cloud.stranger.post(path)
    assert (strange.status_code, strange.json()) == (404, {"error": "not_found", "message": "Instance not found"})
    assert (await cloud.customer.post("/instances/nothing/console")).status_code == 404
    account_id = await cloud.one("select account_id from instances where id = %s", instance)
    async with transaction(cloud.parts.pool) as tx:
        key = await create_key(tx, account_id, "for looking", "viewer", cloud.parts.clock.now())
    refused = await cloud.customer.post(path, headers={"X-API-Key": key})
    assert (refused.status_code, refused.json()["message"]) == (403, "Write permission required")
    assert (await cloud.customer.post(path, headers={"X-API-Key": "bl_nobody00_x"})).status_code == 401


async def test_a_stopped_machine_has_no_console(cloud: TestCloud, instance: str) -> None:
    waiting = await ticket_for(cloud, instance)
    answer = await cloud.customer.post(f"/instances/{instance}/force-shutdown")
    await cloud.completed(answer.json()["task_id"])
    assert await refusal_of(cloud, instance) == (400, "invalid_state")
    with pytest.raises(NotLetIn, match="4409"):
        async with web_viewer(waiting["websocket_url"]):
            pass


async def test_switching_off_ends_a_console(cloud: TestCloud, instance: str) -> None:
    async with web_viewer((await ticket_for(cloud, instance))["websocket_url"]) as viewer:
        await cloud.hypervisor.stop(await vmid_of(cloud, instance))
        with pytest.raises(Ended):
            await viewer.look()


async def test_a_hypervisor_that_does_not_answer(cloud: TestCloud, instance: str) -> None:
    first, second = await ticket_for(cloud, instance), await ticket_for(cloud, instance)
    cloud.node.faults.offline = True
    with pytest.raises(NotLetIn, match="4502"):
        async with web_viewer(first["websocket_url"]):
            pass
    with pytest.raises(NotLetIn, match="does not answer at the moment") as refused:
        async with plain_viewer(second["host"], second["port"], second["password"]):
            pass
    assert "127.0.0.1" not in str(refused.value)


async def test_another_machine_under_the_number_is_not_shown(cloud: TestCloud, instance: str) -> None:
    ticket = await ticket_for(cloud, instance)
    config = cloud.node.node.vms.get(await vmid_of(cloud, instance)).config
    config["smbios1"] = "uuid=00000000-0000-4000-8000-000000000000"
    config["description"] = "somebody else's"
    with pytest.raises(NotLetIn, match="4409"):
        async with web_viewer(ticket["websocket_url"]):
            pass


async def test_passwords_cannot_be_tried(cloud: TestCloud, instance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MOST_WRONG", 2)
    ticket = await ticket_for(cloud, instance)
    for message in ("Wrong password", "Wrong password", "Too many"):
        with pytest.raises(NotLetIn, match=message):
            async with plain_viewer(ticket["host"], ticket["port"], "12345678"):
                pass
    with pytest.raises(NotLetIn, match="Too many"):
        async with plain_viewer(ticket["host"], ticket["port"], ticket["password"], 3):
            pass


@pytest.mark.parametrize("limit", ["MOST_SESSIONS", "MOST_OF_AN_ACCOUNT"])
async def test_consoles_are_limited(
    cloud: TestCloud, instance: str, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(session, limit, 1)
    first, second = await ticket_for(cloud, instance), await ticket_for(cloud, instance)
    async with web_viewer(first["websocket_url"]):
        with pytest.raises(NotLetIn, match="4429"):
            async with web_viewer(second["websocket_url"]):
                pass

    async def room() -> bool:
        try:
            async with web_viewer(second["websocket_url"]):
                return True
        except NotLetIn:
            return False

    assert await eventually(room), "a ticket that met a full house is not used up"


async def test_nothing_secret_is_kept_in_clear(cloud: TestCloud, instance: str) -> None:
    ticket = await ticket_for(cloud, instance)
    kept = await cloud.one("select row_to_json(t)::text from console_tickets t")
    assert ticket["password"] not in kept
    assert ticket["password"].encode().hex() not in kept


async def test_the_page(idle_cloud: TestCloud) -> None:
    http, page = idle_cloud.stranger, "http://api/console/"
    answer = await http.get(page)
    assert answer.headers["Content-Type"].startswith("text/html")
    policy = answer.headers["Content-Security-Policy"]
    websocket = idle_cloud.app.state.console.websocket
    assert f'data-gateway="{websocket}"' in answer.text
    assert "script-src 'self'" in policy
    assert f"connect-src {websocket}" in policy
    for name, kind in (("console.js", "text/javascript"), ("novnc/core/rfb.js", "text/javascript")):
        answer = await http.get(page + name)
        assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (200, kind)
    for name in ("nothing", "novnc", "%2e%2e/page.py", "/etc/passwd"):
        assert (await http.get(page + name)).json()["error"] == "not_found"
    moved = await http.get("http://api/console")
    assert (moved.status_code, moved.headers["Location"]) == (308, "console/")


async def test_the_gateway_gives_nothing_but_websockets(idle_cloud: TestCloud) -> None:
    address = idle_cloud.app.state.console
    async with aiohttp.ClientSession(f"http://{address.host}:{address.port}") as http:
        for path, status in (("/", 404), ("/console/", 404), ("/console/websocket", 426)):
            async with http.get(path) as answer:
                assert answer.status == status
    with pytest.raises(NotLetIn, match="4401"):
        async with web_viewer(address.websocket_url("nothing")):
            pass


async def test_nonsense_at_the_door(idle_cloud: TestCloud) -> None:
    """Whatever comes is answered or cut off, and the gateway goes on."""
    address = idle_cloud.app.state.console
    for words in (b"RFB 003.889\nrest", b"RFB 9\n\n\n\n\n\n\n", b"\x16\x03\x01\x02\0\1\0\1", b"GET ", b"", b"R"):
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(words)
        writer.write_eof()
        async with asyncio.timeout(10):
            await reader.read()
        writer.close()
    with pytest.raises(NotLetIn, match="Wrong password"):
        async with plain_viewer(address.host, address.port, "nonsense"):
            pass


async def test_whoever_says_half_a_word_is_cut_off(idle_cloud: TestCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "REQUEST_SECONDS", 0.1)
    monkeypatch.setattr(viewer, "HANDSHAKE_SECONDS", 0.1)
    address = idle_cloud.app.state.console
    for words in (b"GET /console/websocket HTTP/1.1\r\nHost: x", b"RFB 003.008\n"):
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(words)
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionResetError):
                await reader.read()
        writer.close()


async def test_a_full_gateway(idle_cloud: TestCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "MOST_CONNECTIONS", 1)
    address = idle_cloud.app.state.console
    _, first = await asyncio.open_connection(address.host, address.port)
    second, writer = await asyncio.open_connection(address.host, address.port)
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionResetError):
            assert await second.read() == b""
    first.close()
    writer.close()


async def test_who_reads_no_further_is_cut_off(idle_cloud: TestCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    unsent: list[asyncio.WriteTransport] = []

    async def say_too_much(_viewers: viewer.Viewers, stream: TcpStream, _host: str) -> None:
        stream._writer.write(bytes(64 << 20))
        unsent.append(stream._writer.transport)

    async def is_cut_off() -> bool:
        return bool(unsent) and unsent[0].get_write_buffer_size() == 0

    monkeypatch.setattr(gateway, "LINGER_SECONDS", 0.1)
    monkeypatch.setattr(viewer.Viewers, "serve", say_too_much)
    address = idle_cloud.app.state.console
    _, writer = await asyncio.open_connection(address.host, address.port)
    await eventually(is_cut_off)
    writer.close()


@pytest.mark.parametrize("who", ["key", "person"])
async def test_it_ends_with_the_right_to_it(database: str, tmp_path: Path, who: str) -> None:
    async with running_cloud(database, tmp_path, event_check_seconds=0.05) as cloud:
        instance_id = await cloud.launched()
        if who == "key":
            made = (await cloud.customer.post("/keys", json={"role": "member"})).json()
            client, right = api_client(cloud.app, made["api_key"]), f"/keys/{made['prefix']}"
        else:
            client = await member(cloud, "eve@example.com")
            (somebody,) = (await cloud.customer.get("/account/members")).json()["members"]
            right = f"/account/members/{somebody['id']}"
        open_now, for_later = [(await client.post(f"/instances/{instance_id}/console")).json() for _ in range(2)]
        vmid = await cloud.one("select vmid from instances where id = %s", instance_id)
        async with web_viewer(open_now["websocket_url"]) as viewer:
            await viewer.press("a")
            await eventually(partial(typed, cloud, vmid))
            assert (await cloud.customer.delete(right)).is_success
            async with asyncio.timeout(10):
                with contextlib.suppress(Ended, ConnectionError):
                    for _ in range(1_000_000):
                        await viewer.look()
        with pytest.raises(NotLetIn):
            async with web_viewer(for_later["websocket_url"]):
                pass


async def typed(cloud: TestCloud, vmid: int) -> bool:
    return bool(cloud.hypervisor.screen(vmid).keys)


async def test_one_account_does_not_take_another_s_consoles(
    cloud: TestCloud, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "MOST_OF_AN_ACCOUNT", 1)
    accepted = (await cloud.stranger.post("/instances/launch-instance", json=LAUNCH)).json()

    async def ready() -> bool:
        shown = (await cloud.stranger.get(f"/instances/{accepted['vm_uuid']}")).json()
        return bool(shown["power_status"] == "running" and shown["status"] == "rented")

    await eventually(ready)
    other = (await cloud.stranger.post(f"/instances/{accepted['vm_uuid']}/console")).json()
    async with (
        web_viewer((await ticket_for(cloud, instance))["websocket_url"]) as one,
        web_viewer(other["websocket_url"]) as another,
    ):
        await typing_shows(one)
        await typing_shows(another)
