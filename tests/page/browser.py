"""A headless Chromium, driven by its own protocol over a pipe: no driver and no package is needed.

`apt-get install chromium` brings one; SRSCENE_CHROMIUM may name another.
"""

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome-headless-shell", "headless_shell")
WHY_NONE = "no Chromium on PATH (apt-get install chromium), and none named by SRSCENE_CHROMIUM"
SILENT = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--remote-debugging-pipe", "--hide-scrollbars",
    "--allow-pre-commit-input",  # else clicks before the first frame are lost
)  # fmt: skip


def found() -> str | None:
    """Return the path of a Chromium, if there is one."""
    named = os.environ.get("SRSCENE_CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """A page in the browser, and all that its console and its loader complained about."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read, self._rest, self._number = write, read, b"", 0
        self._session = ""
        self.complaints: list[str] = []
        self.requested: list[str] = []
        self._loaded = False
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """Return what the browser answers to a method of its protocol."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self._note(answer)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def open(
        self, path: Path, width: int, height: int = 900, dark: bool = False, still: bool = False
    ) -> None:
        """Load a file in a window of this size; `dark` and `still` are what the system asks for."""
        self._loaded = False
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"},
        ]
        self.call("Emulation.setEmulatedMedia", media="screen", features=features)
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        self.call("Page.navigate", url=path.absolute().as_uri())
        while not self._loaded:
            self._note(self._next())

    def on_paper(self) -> None:
        """Lay the page out as it is printed."""
        self.call("Emulation.setEmulatedMedia", media="print")

    def run(self, script: str) -> Any:
        """Return the value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key in the element that has the focus."""
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                text=text if kind == "keyDown" else "",
            )

    def mouse(self, kind: str, x: float, y: float) -> None:
        """Press, move or release the left button at a place of the window."""
        name = {"press": "mousePressed", "move": "mouseMoved", "release": "mouseReleased"}[kind]
        self.call("Input.dispatchMouseEvent", type=name, x=x, y=y, button="left", buttons=1, clickCount=1)

    def click(self, selector: str) -> None:
        """Click in the middle of the first element that a CSS selector finds."""
        x, y = self.middle(selector)
        self.mouse("press", x, y)
        self.mouse("release", x, y)

    def middle(self, selector: str) -> tuple[float, float]:
        """Return the middle of an element, which is scrolled into view."""
        x, y = self.run(
            f"(() => {{ const found = document.querySelector({json.dumps(selector)});"
            "found.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});"
            "const box = found.getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        return x, y

    def picture(self, path: Path, whole: bool = True) -> None:
        """Write a screenshot as PNG."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def _next(self) -> Any:
        while b"\0" not in self._rest:
            data = os.read(self._read, 1 << 20)
            assert data, "the browser has ended"
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def _note(self, event: Any) -> None:
        method, found = event.get("method"), event.get("params", {})
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(found["exceptionDetails"]["text"])
        elif method == "Runtime.consoleAPICalled" and found["type"] in ("error", "warning"):
            self.complaints.append(str(found["args"]))
        elif method == "Log.entryAdded" and found["entry"]["level"] in ("error", "warning"):
            self.complaints.append(found["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requested.append(found["request"]["url"])


@contextmanager
def tab(program: str) -> Iterator[Tab]:
    """Yield a tab of a browser of its own, which ends with it."""
    to_read, to_write = os.pipe()
    back_read, back_write = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *SILENT, f"--user-data-dir={profile}"]
        joined = 'exec "$@" 3<&"$0" 4>&"$READY"'  # the protocol is spoken on 3 and 4
        process = subprocess.Popen(
            ["bash", "-c", joined, str(to_read), *command],
            pass_fds=(to_read, back_write),
            env=os.environ | {"READY": str(back_write)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(back_write)
        try:
            yield Tab(to_write, back_read)
        finally:
            os.close(to_write)
            os.close(back_read)
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
