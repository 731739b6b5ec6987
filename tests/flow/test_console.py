"""The console: tickets, and the gateway that they open, with simulated guests."""

import asyncio
from typing import Any

import aiohttp
import pytest

from bluelobster.console import attempts, session
from bluelobster.console.stream import Ended
from cloud import TestCloud, eventually
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
    assert ticket["console_url"] == f"http://127.0.0.1:{ticket['port']}/console/#{ticket['ticket']}"
    node_port = cloud.node.url.rpartition(":")[2]
    assert not any(word in str(ticket) for word in (node_port, "px1", "PVEVNC"))


@pytest.mark.parametrize("version", [3, 7, 8])
async def test_a_vnc_viewer_types_and_sees(cloud: TestCloud, instance: str, version: int) -> None:
    ticket = await ticket_for(cloud, instance)
    async with plain_viewer(ticket["host"], ticket["port"], ticket["password"], version) as viewer:
        assert viewer.name == "seen"
        await typing_shows(viewer)
        assert cloud.hypervisor.screen(await vmid_of(cloud, instance)).keys == [ord("l"), ord("s")]


async def test_a_viewer_that_takes_the_whole_ticket_for_a_password(cloud: TestCloud, instance: str) -> None:
    ticket = await ticket_for(cloud, instance)
    async with plain_viewer(ticket["host"], ticket["port"], ticket["ticket"]) as viewer:
        await typing_shows(viewer)


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
            assert str(refusal) == "4401"
            return False

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
    viewer = cloud.customer.headers.copy()
    del viewer["X-API-Key"]
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


async def test_passwords_cannot_be_tried(
    cloud: TestCloud, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "MOST_WRONG", 2)
    ticket = await ticket_for(cloud, instance)
    for message in ("Wrong password", "Wrong password", "Too many"):
        with pytest.raises(NotLetIn, match=message):
            async with plain_viewer(ticket["host"], ticket["port"], "12345678"):
                pass
    with pytest.raises(NotLetIn, match="Too many"):
        async with plain_viewer(ticket["host"], ticket["port"], ticket["password"], 3):
            pass


async def test_consoles_are_limited(cloud: TestCloud, instance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MOST_SESSIONS", 1)
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


async def test_the_page(cloud: TestCloud, instance: str) -> None:
    ticket = await ticket_for(cloud, instance)
    page = ticket["console_url"].partition("#")[0]
    async with aiohttp.ClientSession(page) as http:
        async with http.get("") as answer:
            assert answer.content_type == "text/html"
            assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
            assert ticket["ticket"] not in await answer.text()
        for name, kind in (("console.js", "text/javascript"), ("novnc/core/rfb.js", "text/javascript")):
            async with http.get(name) as answer:
                assert (answer.status, answer.content_type) == (200, kind)
        for path, status in (("../", 404), ("nothing", 404), ("%2e%2e/page.py", 404), ("websocket", 426)):
            async with http.get(path) as answer:
                assert answer.status == status, path
        async with http.post("") as answer:
            assert answer.status == 405
        async with http.get("/console", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (308, "/console/")


@pytest.mark.parametrize("words", [b"RFB 003.889\nrest", b"RFB 9\n\n\n\n\n\n\n", b"\x16\x03\x01\x02\x00\x01\x00\x01", b"GET "])
async def test_nonsense_at_the_door(cloud: TestCloud, words: bytes) -> None:
    address = cloud.app.state.console
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(words)
    writer.write_eof()
    async with asyncio.timeout(10):
        await reader.read()
    writer.close()
