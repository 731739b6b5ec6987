"""Sends requests to the API and turns what comes back into JSON or an error."""

import ipaddress
import ssl
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx

from bluelobster_client.clock import Clock
from bluelobster_client.errors import AnswerLost, CannotConnect, UnexpectedAnswer, api_error

PREFIX = "/api/v1"
CONNECT_SECONDS = 5.0
# Shorter than servers usually keep an idle connection, so that a request never meets one that is just being closed.
KEEPALIVE_SECONDS = 3.0
RETRY_PAUSES = (0.2, 0.5)
PATIENT_TRIES = 5
LONGEST_PAUSE = 30.0

Parameters = Mapping[str, str | int | bool | Sequence[str]]


def segment(value: str) -> str:
    """`value` as one segment of a path.

    Raises ValueError where it would change the path's meaning.
    """
    if value in {"", ".", ".."}:
        raise ValueError(f"{value!r} is not an id")
    return quote(value, safe="")


class Wire:
    """A connection to one API with one key. A request whose connection cannot be made is tried again; once sent,
    only a GET is, and what the API knows again by its name: anything else may have been carried out twice. Where the
    API asks for patience, it is waited for.
    """

    def __init__(
        self, api_url: str, api_key: str | None, *, timeout: float, clock: Clock, transport: httpx.BaseTransport | None
    ) -> None:
        self.api_url = base_url(api_url)
        self._clock = clock
        self._http = httpx.Client(
            base_url=self.api_url + PREFIX,
            headers={"Accept": "application/json", **({"X-API-Key": header_value(api_key)} if api_key else {})},
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
            limits=httpx.Limits(keepalive_expiry=KEEPALIVE_SECONDS),
            # A proxy named in the environment cannot reach this machine's own addresses.
            trust_env=not is_loopback(self.api_url),
            verify=verification(self.api_url),
            transport=transport,
        )

    def close(self) -> None:
        self._http.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Parameters | None = None,
        body: Mapping[str, object] | None = None,
        accept: Collection[int] = (),
        once: bool = False,
    ) -> object:
        """The JSON of the answer, None for one without. Statuses in `accept` count as success, too. With `once`, the
        request gets a name by which the API carries it out once, however often it arrives.

        Raises `ApiError`, `CannotConnect`, `AnswerLost`, `UnexpectedAnswer`.
        """
        headers = {"Idempotency-Key": str(uuid4())} if once else {}
        request = self._http.build_request(method, path, params=params, json=body, headers=headers)
        response = self._patient(request)
        if response.status_code == httpx.codes.NO_CONTENT:
            return None
        content = _json(response)
        if response.is_success or response.status_code in accept:
            if content is None:
                raise UnexpectedAnswer(f"{self.api_url} did not answer with JSON: is it the address of the API?")
            return content
        if response.is_redirect:
            raise UnexpectedAnswer(f"{self.api_url} redirects elsewhere: is it the address of the API?")
        raise api_error(response.status_code, content, retry_after(response.headers.get("Retry-After")))

    def lines(self, path: str, params: Parameters, last_id: str | None, quiet_seconds: float) -> Iterator[str]:
        """The lines of a stream, behind the event `last_id`; it ends where the connection does. The API breaks no more
        than `quiet_seconds` of silence.

        Raises `ApiError`, `CannotConnect`, `AnswerLost`.
        """
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
        limits = httpx.Timeout(quiet_seconds, connect=CONNECT_SECONDS)
        try:
            with self._http.stream("GET", path, params=params, headers=headers, timeout=limits) as response:
                if not response.is_success:
                    response.read()
                    pause = retry_after(response.headers.get("Retry-After"))
                    raise api_error(response.status_code, _json(response), pause)
                yield from response.iter_lines()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            raise CannotConnect(self.api_url, reason(error)) from None
        except httpx.TransportError as error:
            raise AnswerLost(self.api_url, reason(error)) from None

    def _patient(self, request: httpx.Request) -> httpx.Response:
        """The answer; one that asks to come again soon is followed a few times, because nothing was done yet."""
        for _ in range(PATIENT_TRIES):
            response = self._exchange(request)
            pause = retry_after(response.headers.get("Retry-After"))
            if not asks_for_patience(response) or pause is None or pause > LONGEST_PAUSE:
                break
            self._clock.sleep(pause)
        return response

    def _exchange(self, request: httpx.Request) -> httpx.Response:
        pauses = iter(RETRY_PAUSES)
        may_be_repeated = request.method == "GET" or "Idempotency-Key" in request.headers
        while True:
            try:
                return self._http.send(request)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
                failure = CannotConnect(self.api_url, reason(error))
            except httpx.TimeoutException:
                raise AnswerLost(self.api_url, "no answer in time") from None
            except httpx.RequestError as error:
                failure = AnswerLost(self.api_url, reason(error))
                if not may_be_repeated:
                    raise failure from None
            pause = next(pauses, None)
            if pause is None:
                raise failure
            self._clock.sleep(pause)


def asks_for_patience(response: httpx.Response) -> bool:
    """Whether the request was not carried out, and may be in a moment."""
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return True
    content = _json(response) if response.status_code == httpx.codes.CONFLICT else None
    return isinstance(content, dict) and content.get("error") == "request_in_progress"


def base_url(api_url: str) -> str:
    """The API's address without a trailing slash and without the `/api/v1` that some write after it.

    Raises ValueError where it is no http or https address.
    """
    text = api_url.strip().rstrip("/").removesuffix(PREFIX)
    try:
        url = urlsplit(text)
        httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise ValueError(f"{api_url!r} is not a web address: {error}") from None
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise ValueError(f"{api_url!r} is not a web address such as http://127.0.0.1:8000")
    return text


def header_value(api_key: str) -> str:
    """The key without white space around it.

    Raises ValueError where it cannot be sent; the message does not repeat it.
    """
    key = api_key.strip()
    if not key or not all("!" <= char <= "~" for char in key):
        raise ValueError("the API key has characters that no key has: was it copied whole?")
    return key


def verification(api_url: str) -> ssl.SSLContext | bool:
    """How to verify the server: by the usual authorities. Loading those takes longer than a whole request, so plain
    HTTP gets a context that trusts nobody instead.
    """
    return httpx.URL(api_url).scheme == "https" or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def is_loopback(api_url: str) -> bool:
    host = httpx.URL(api_url).host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def retry_after(value: str | None) -> float | None:
    """Seconds to wait by a Retry-After header, which holds seconds or a date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def reason(error: Exception) -> str:
    """Why a connection failed, in the words of the system."""
    _, _, text = str(error).strip().rpartition("] ")
    text = text or type(error).__name__
    return text[:1].lower() + text[1:]


def _json(response: httpx.Response) -> object:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None
