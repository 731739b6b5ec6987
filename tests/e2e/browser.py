"""A real browser, without a window: Chromium, driven through its DevTools protocol."""

import asyncio
import base64
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "--window-size=1024,768",
)
START_SECONDS = 60.0
ANSWER_SECONDS = 30.0
LARGEST_MESSAGE = 64 << 20
CODES = {" ": "Space", "-": "Minus", ".": "Period", "/": "Slash", "\n": "Enter"}


class ScriptFailed(Exception):
    """An expression threw something."""


class Page:
    """A tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._session: str | None = None

    async def open(self) -> None:
        target = await self._call("Target.createTarget", url="about:blank")
        attached = await self._call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]

    async def visit(self, url: str) -> None:
        """Go to a page; what it loads may still be loading."""
        await self._call("Page.navigate", url=url)

    async def value(self, script: str) -> Any:
        """What an expression gives, of things that JSON can hold."""
        answer = await self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise ScriptFailed(answer["exceptionDetails"])
        return answer["result"].get("value")

    async def until(self, script: str, seconds: float = ANSWER_SECONDS) -> Any:
        """Wait until an expression is true; on a page that still loads it may fail."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    with contextlib.suppress(ScriptFailed):
                        if found := await self.value(script):
                            return found
                    await asyncio.sleep(0.1)
        except TimeoutError:
            text = await self.value("document.body.innerText")
            raise AssertionError(f"never true: {script}; the page says: {text}") from None

    async def type(self, text: str) -> None:
        """Press keys, one after the other, as a person would on a US keyboard."""
        for character in text:
            digit_or_letter = f"Digit{character}" if character.isdigit() else f"Key{character.upper()}"
            key = "Enter" if character == "\n" else character
            common = {"key": key, "code": CODES.get(character, digit_or_letter)}
            await self._call("Input.dispatchKeyEvent", type="keyDown", text=character.replace("\n", "\r"), **common)
            await self._call("Input.dispatchKeyEvent", type="keyUp", **common)
            await asyncio.sleep(0.03)

    async def click(self, selector: str) -> None:
        await self.value(f"document.querySelector({json.dumps(selector)}).click()")

    async def picture(self, path: Path) -> None:
        """A screenshot, as PNG."""
        shot = await self._call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))

    async def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        session = {"sessionId": self._session} if self._session else {}
        await self._socket.send_json({"id": number, "method": method, "params": parameters, **session})
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                message = json.loads(await self._socket.receive_str())
                if message.get("id") == number:
                    assert "error" not in message, (method, message["error"])
                    result: dict[str, Any] = message["result"]
                    return result


@asynccontextmanager
async def browser(program: str, profile: Path) -> AsyncIterator[Page]:
    """A browser with an empty profile and one tab, until the end of the block."""
    profile.mkdir()
    with (profile / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program, *OPTIONS, f"--user-data-dir={profile}", "about:blank", stdout=log, stderr=log
        )
    try:
        address = await _address(profile, process)
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(address, max_msg_size=LARGEST_MESSAGE) as socket,
        ):
            page = Page(socket)
            await page.open()
            yield page
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _address(profile: Path, process: asyncio.subprocess.Process) -> str:
    async with asyncio.timeout(START_SECONDS):
        while True:
            assert process.returncode is None, (profile / "log").read_text()
            try:
                port, path = (profile / "DevToolsActivePort").read_text().splitlines()
            except (FileNotFoundError, ValueError):
                await asyncio.sleep(0.05)
            else:
                return f"ws://127.0.0.1:{port}{path}"
