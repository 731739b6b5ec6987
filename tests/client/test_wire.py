"""What happens when the connection fails."""

import threading

import httpx
import pytest

from bluelobster_client import AnswerLost, ApiError, CannotConnect, Client, Clock, InvalidRequest
from bluelobster_client.wire import base_url, is_loopback, retry_after
from client import answers
from client.answers import HELLO
from client.fake_api import FakeApi, Reply


class Refusing(httpx.BaseTransport):
    """Fails the first requests, then answers with a list."""

    def __init__(self, failures: int, error: type[httpx.TransportError]) -> None:
        self.failures, self.error, self.requests = failures, error, 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        if self.requests <= self.failures:
            raise self.error("[Errno 111] Connection refused", request=request)
        return httpx.Response(200, json=answers.accepted() if request.method == "POST" else [])


def impatient(transport: httpx.BaseTransport) -> Client:
    return Client("http://cloud.example", "bl_key", transport=transport, clock=Clock(sleep=lambda _: None))


def test_a_dropped_get_is_sent_again(api: FakeApi, client: Client) -> None:
    api.on("GET", "/instances", Reply(drop=True), Reply(body=[]))
    assert client.instances() == []
    assert len(api.seen) == 2


def test_a_dropped_put_is_not_sent_again(api: FakeApi, client: Client) -> None:
    api.on("PUT", f"/instances/{HELLO}/rename", Reply(drop=True))
    with pytest.raises(AnswerLost):
        client.rename(HELLO, "other")
    assert len(api.seen) == 1


def test_a_dropped_launch_is_sent_again_under_the_same_name(api: FakeApi, client: Client) -> None:
    path = "/instances/launch-instance"
    api.on("POST", path, Reply(drop=True), Reply(drop=True), Reply(body=answers.launched()))
    client.launch(region="us-east-1", instance_type="v1_cpu_small", username="ada")
    client.launch(region="us-east-1", instance_type="v1_cpu_small", username="ada")
    first, second, third, other = [seen.headers["idempotency-key"] for seen in api.requests("POST", path)]
    assert first == second == third != other


def test_whoever_asks_for_patience_gets_it(api: FakeApi) -> None:
    slept: list[float] = []
    busy = {"error": "request_in_progress", "message": "m"}
    many = {"error": "rate_limit_exceeded", "message": "m"}
    api.on(
        "POST",
        f"/instances/{HELLO}/power-on",
        Reply(429, many, {"Retry-After": "3"}),
        Reply(409, busy, {"Retry-After": "1"}),
        Reply(body=answers.accepted()),
    )
    with Client(api.url, "bl_key", clock=Clock(sleep=slept.append)) as client:
        client.power_on(HELLO)
    assert slept == [3, 1]


@pytest.mark.parametrize(
    ("reply", "requests"),
    [
        (Reply(429, {"error": "rate_limit_exceeded", "message": "m"}, {"Retry-After": "1"}), 5),
        (Reply(429, {"error": "rate_limit_exceeded", "message": "m"}, {"Retry-After": "3600"}), 1),
        (Reply(429, {"error": "rate_limit_exceeded", "message": "m"}), 1),
        (Reply(409, {"error": "operation_in_progress", "message": "m"}, {"Retry-After": "1"}), 1),
    ],
)
def test_patience_has_an_end(api: FakeApi, reply: Reply, requests: int) -> None:
    api.on("POST", f"/instances/{HELLO}/power-on", reply)
    with Client(api.url, "bl_key", clock=Clock(sleep=lambda _: None)) as client, pytest.raises(ApiError):
        client.power_on(HELLO)
    assert len(api.seen) == requests


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout])
def test_a_post_whose_connection_was_not_made_is_sent_again(error: type[httpx.TransportError]) -> None:
    transport = Refusing(2, error)
    with impatient(transport) as client:
        assert not client.power_on(HELLO).done
    assert transport.requests == 3


@pytest.mark.parametrize(
    ("error", "kind", "requests"),
    [
        (httpx.ConnectError, CannotConnect, 3),
        (httpx.ReadError, AnswerLost, 3),
        (httpx.ReadTimeout, AnswerLost, 1),
    ],
)
def test_a_get_gives_up(error: type[httpx.TransportError], kind: type[CannotConnect], requests: int) -> None:
    transport = Refusing(99, error)
    with impatient(transport) as client, pytest.raises(CannotConnect) as caught:
        client.instances()
    assert type(caught.value) is kind
    assert transport.requests == requests


def test_the_reason_is_in_plain_words() -> None:
    with impatient(Refusing(99, httpx.ConnectError)) as client, pytest.raises(CannotConnect) as caught:
        client.instances()
    assert str(caught.value) == "cannot reach http://cloud.example: connection refused"


def test_an_answer_that_takes_too_long_is_lost(api: FakeApi) -> None:
    answer = threading.Event()
    api.on("POST", f"/instances/{HELLO}/reboot", Reply(drop=True, until=answer))
    with Client(api.url, "bl_key", timeout=0.05) as client, pytest.raises(AnswerLost, match="no answer in time"):
        client.reboot(HELLO)
    answer.set()


def test_a_proxy_is_not_asked_for_this_machine(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    api.give("/instances", [])
    with Client(api.url, "bl_key") as client:
        assert client.instances() == []


@pytest.mark.parametrize("url", ["http://host:8000", "http://host:8000/", " http://host:8000/api/v1/ "])
def test_the_address_may_be_written_in_several_ways(url: str) -> None:
    assert base_url(url) == "http://host:8000"


@pytest.mark.parametrize("url", ["", "host:8000", "ftp://host", "http://", "http://[", "file:///etc/passwd"])
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="web address"):
        Client(url)


@pytest.mark.parametrize("key", ["two words", "naïve", "a\nb", "  "])
def test_what_cannot_be_a_key_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(ValueError, match="copied whole") as caught:
        Client("http://host", key)
    assert key not in str(caught.value)


def test_white_space_around_a_key_is_forgiven(api: FakeApi) -> None:
    api.give("/instances", [])
    with Client(api.url, " bl_key\n") as client:
        client.instances()
    assert api.seen[0].headers["x-api-key"] == "bl_key"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:1", True),
        ("http://127.64.0.9", True),
        ("http://[::1]:1", True),
        ("http://localhost", True),
        ("http://10.0.0.1", False),
        ("http://localhost.example", False),
    ],
)
def test_loopback(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


def test_retry_after_is_seconds_or_a_date() -> None:
    assert retry_after("5") == 5
    assert retry_after("Mon, 23 Nov 2020 10:00:00 GMT") == 0
    assert (retry_after("Mon, 23 Nov 2099 10:00:00 GMT") or 0) > 1e6
    assert retry_after("soon") is retry_after(None) is None


def test_a_refused_request_is_not_repeated(api: FakeApi, client: Client) -> None:
    api.on("GET", "/tasks", Reply(422, {"error": "validation_error", "message": "m"}))
    with pytest.raises(InvalidRequest):
        client.tasks(limit=0)
    assert len(api.seen) == 1
