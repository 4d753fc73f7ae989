"""A headless Chromium that opens pages and tells what a person, or a network, would notice of them."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

PROGRAM = shutil.which("chromium") or ""
needs_browser = pytest.mark.skipif(not PROGRAM, reason="Chromium opens the page: apt-get install chromium")
Scheme = Literal["light", "dark"]
_SETTLED = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@dataclass(kw_only=True)
class Opened:
    """A page in the browser: what it asked for, what it complained of, and the means to ask it."""

    browser: Browser
    requested: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def value(self, expression: str) -> Any:  # noqa: ANN401 - whatever JavaScript says
        """Return what an expression is in the page; its policy does not bind the debugger."""
        answer = self.browser.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"])
        return answer["result"].get("value")

    @property
    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(self.value("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def picture(self, path: Path) -> None:
        """Write a picture of the whole page."""
        height = self.value("document.documentElement.scrollHeight")
        width = self.value("innerWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self.browser.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


class Browser:
    """Talks with Chromium through a pair of pipes."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = os.fdopen(reading, "rb")
        self._writing = os.fdopen(writing, "wb")
        self._rest = b""
        self._number = 0
        self._session = ""
        self._page: Opened | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        """Close the pipes."""
        self._reading.close()
        self._writing.close()

    def open(self, path: Path, *, width: int = 1400, scheme: Scheme = "light", moving: bool = True) -> Opened:
        """Open a file in a window of that width, for who prefers that scheme."""
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "no-preference" if moving else "reduce"},
        ]
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Emulation.setEmulatedMedia", features=features)
        page = self._page = Opened(browser=self)
        self.call("Page.navigate", url=path.resolve().as_uri())
        self._until("Page.loadEventFired")
        page.value(_SETTLED)
        return page

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """Call a method of the DevTools protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._writing.write(json.dumps(message).encode() + b"\0")
        self._writing.flush()
        while (answer := self._heard()).get("id") != self._number:
            pass
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _until(self, event: str) -> None:
        while self._heard().get("method") != event:
            pass

    def _heard(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._reading.fileno(), 1 << 20)
            if not piece:
                raise AssertionError("Chromium ended")
            self._rest += piece
        head, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(head)
        self._note(message)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        if self._page is None:
            return
        params = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                self._page.requested.append(params["request"]["url"])
            case "Log.entryAdded":
                self._page.complaints.append(params["entry"]["text"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                self._page.complaints.append(json.dumps(params))
            case "Page.javascriptDialogOpening":
                self._page.complaints.append(f"a dialog: {params['message']}")


@contextmanager
def browsing(profile: Path) -> Iterator[Browser]:
    """Give a browser with an empty profile, and end it."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    options = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--remote-debugging-pipe",
        f"--user-data-dir={profile}",
    ]
    wiring = (
        "import fcntl, os, sys; high = [fcntl.fcntl(int(one), fcntl.F_DUPFD, 10) for one in sys.argv[1:3]];"
    )
    wiring += "os.dup2(high[0], 3); os.dup2(high[1], 4); os.execv(sys.argv[3], sys.argv[3:])"
    command = [sys.executable, "-I", "-c", wiring, str(theirs_in), str(theirs_out), PROGRAM, *options]
    with subprocess.Popen(command, pass_fds=(theirs_in, theirs_out), stderr=subprocess.DEVNULL) as process:
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            with closing(Browser(ours_in, ours_out)) as browser:
                yield browser
        finally:
            process.terminate()
