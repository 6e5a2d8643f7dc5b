"""A headless Chromium, controlled over the pipe of its DevTools protocol."""

from __future__ import annotations

import json
import os
import signal
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select
from tempfile import TemporaryDirectory
from typing import Any

from tests.conftest import tool

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
SECONDS = 20
"""How long the browser may be silent while it is waited for."""


class Browser:
    """A page in a browser; ``complaints`` is what the browser said of what it was shown, refused content included."""

    def __init__(self, commands: int, answers: int) -> None:
        self.complaints: list[str] = []
        self._commands = commands
        self._answers = answers
        self._unread = bytearray()
        self._count = 0
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Log", "Runtime", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """Call a method and return its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._count:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, url: str, width: int = 1280, *, dark: bool = False) -> None:
        """Show a page as a window of this width, in a light or dark scheme, does."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=url)
        self.wait()

    def wait(self) -> None:
        """Wait until a page is loaded."""
        while self._read().get("method") != "Page.loadEventFired":
            pass

    def ask(self, expression: str) -> Any:
        """Return what a JavaScript expression gives, or its promise, on the page, which itself has no script."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def follow(self, expression: str) -> None:
        """Evaluate an expression that leads to another page, and wait for that."""
        self.ask(f"void {expression}")
        self.wait()

    def picture(self, path: Path) -> None:
        """Write the whole page as PNG."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(b64decode(shot["data"]))

    def close(self) -> None:
        """Close the pipe, which ends the browser."""
        os.close(self._commands)
        os.close(self._answers)

    def _read(self) -> Any:
        """Read one message, and store it if it is an error."""
        while b"\0" not in self._unread:
            ready, _, _ = select([self._answers], [], [], SECONDS)
            piece = os.read(self._answers, 1 << 20) if ready else b""
            assert piece, "the browser says nothing"
            self._unread += piece
        text, _, self._unread = self._unread.partition(b"\0")
        message = json.loads(text)
        if message.get("method") == "Log.entryAdded":
            self.complaints.append(message["params"]["entry"]["text"])
        return message


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a Chromium with a profile of its own until the end of the block; it is ended by force after a while."""
    path = tool("chromium")
    ours, theirs = os.pipe(), os.pipe()
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        actions = [
            (os.POSIX_SPAWN_DUP2, ours[0], 3),
            (os.POSIX_SPAWN_DUP2, theirs[1], 4),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),  # it complains of services that it does not find
        ]
        process = os.posix_spawn(
            path, [path, *FLAGS, f"--user-data-dir={profile}"], os.environ, file_actions=actions, setpgroup=0
        )
        os.close(ours[0])
        os.close(theirs[1])
        browser = None
        try:
            browser = Browser(ours[1], theirs[0])
            yield browser
        finally:
            if browser:
                browser.close()
            end(process)


def end(process: int) -> None:
    """Wait for a process group of ours; after a second by force."""
    until = time.monotonic() + 1
    while time.monotonic() < until and os.waitpid(process, os.WNOHANG) == (0, 0):
        time.sleep(0.05)
    try:
        os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)
    except (ProcessLookupError, ChildProcessError):
        pass
