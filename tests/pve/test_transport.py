"""What is repeated, what is not, and what an error tells."""

import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from bluelobster.pve import PveClient, errors
from pve.server import ENDPOINT, UPID, client_of

Call = Callable[[PveClient], Awaitable[object]]

GET: Call = lambda pve: pve.vm_status(101)  # noqa: E731
CREATE: Call = lambda pve: pve.create_vm(101, {"name": "web-1"})  # noqa: E731
START: Call = lambda pve: pve.start(101)  # noqa: E731
DESTROY: Call = lambda pve: pve.destroy(101)  # noqa: E731
RESIZE: Call = lambda pve: pve.resize_disk(101, "scsi0", 10)  # noqa: E731
CONFIGURE: Call = lambda pve: pve.update_vm(101, {"name": "web-1"})  # noqa: E731
CONFIGURE_ONCE: Call = lambda pve: pve.update_vm(101, {"name": "web-1", "digest": "d" * 40})  # noqa: E731

NOT_SENT = errors.Unreachable("refused")
MAYBE_SENT = errors.ConnectionLost("reset")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bluelobster.pve.transport._PAUSES", (0.0, 0.0))


async def attempts(call: Call, *outcomes: errors.NoAnswer | httpx.Response) -> tuple[int, errors.PveError | None]:
    """How often the call was sent while this came of it, the last one again and again; and how it failed."""
    sent = 0

    def handle(_: httpx.Request) -> httpx.Response:
        nonlocal sent
        outcome = outcomes[min(sent, len(outcomes) - 1)]
        sent += 1
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async with client_of(handle) as pve:
        try:
            await call(pve)
        except errors.PveError as error:
            return sent, error
    return sent, None


def answered(data: object) -> httpx.Response:
    return httpx.Response(200, json={"data": data})


@pytest.mark.parametrize("call", [GET, CREATE, START, DESTROY, RESIZE, CONFIGURE, CONFIGURE_ONCE])
async def test_what_was_not_sent_is_tried_three_times(call: Call) -> None:
    sent, error = await attempts(call, NOT_SENT)
    assert (sent, type(error)) == (3, errors.Unreachable)


@pytest.mark.parametrize(
    ("call", "expected"),
    [(GET, 3), (CONFIGURE, 3), (CONFIGURE_ONCE, 1), (CREATE, 1), (START, 1), (DESTROY, 1), (RESIZE, 1)],
)
async def test_a_lost_answer(call: Call, expected: int) -> None:
    sent, error = await attempts(call, MAYBE_SENT)
    assert (sent, type(error)) == (expected, errors.ConnectionLost)


async def test_a_second_try_can_succeed() -> None:
    sent, error = await attempts(START, NOT_SENT, answered(UPID))
    assert (sent, error) == (2, None)


async def test_once_sent_a_start_is_not_repeated_even_after_a_first_refusal() -> None:
    sent, error = await attempts(START, NOT_SENT, MAYBE_SENT, answered(UPID))
    assert (sent, type(error)) == (2, errors.ConnectionLost)


@pytest.mark.parametrize("status", [401, 403, 500, 501])
async def test_an_answer_is_final(status: int) -> None:
    sent, error = await attempts(GET, httpx.Response(status, json={"data": None, "message": "no\n"}))
    assert sent == 1
    assert error is not None
    assert error.text == "no"


async def test_a_node_that_the_server_cannot_reach_is_unreachable() -> None:
    sent, error = await attempts(START, httpx.Response(595, json=None), answered(UPID))
    assert (sent, error) == (2, None)


async def test_an_upload_is_sent_once(tmp_path: Path) -> None:
    image = tmp_path / "image.iso"
    image.write_bytes(b"image")
    sent, error = await attempts(lambda pve: pve.upload("local", "iso", "x.iso", image), NOT_SENT)
    assert (sent, type(error)) == (1, errors.Unreachable)


@pytest.mark.parametrize("response", [httpx.Response(200, text="<html>"), httpx.Response(200, json=["data"])])
async def test_an_answer_that_is_not_the_api(response: httpx.Response) -> None:
    _, error = await attempts(GET, response)
    assert type(error) is errors.UnexpectedAnswer


async def test_a_redirect_is_not_followed() -> None:
    sent, error = await attempts(GET, httpx.Response(301, headers={"Location": "https://127.0.0.1:1/"}))
    assert (sent, type(error)) == (1, errors.ServerError)


async def test_an_error_names_its_call_and_no_secret() -> None:
    password = "hunter2-hunter2"
    message = f"bad {password} for {ENDPOINT.token}"
    refused = httpx.Response(400, json={"message": message, "errors": {"cipassword": f"'{password}' is weak"}})
    _, error = await attempts(lambda pve: pve.create_vm(101, {"cipassword": password}), refused)
    assert isinstance(error, errors.InvalidParameter)
    assert error.errors == {"cipassword": "'…' is weak"}
    shown = "".join(traceback.format_exception(error))
    assert "in answer to POST /api2/json/nodes/pve1/qemu" in shown
    assert password not in shown
    assert ENDPOINT.secret not in shown


async def test_every_call_has_time_outs() -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        assert 0 < request.extensions["seconds"] <= 120
        return answered(UPID)

    async with client_of(handle) as pve:
        await pve.start(101)
        await pve.upload("local", "iso", "x.iso", Path(__file__))


async def test_names_are_escaped() -> None:
    paths: list[bytes] = []

    def handle(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path)
        return answered(UPID)

    async with client_of(handle) as pve:
        await pve.delete_volume("local", "local:iso/a b?c#d.iso")
    assert paths == [b"/api2/json/nodes/pve1/storage/local/content/local:iso%2Fa%20b%3Fc%23d.iso"]
