"""A real browser: Debian's headless Chromium, by its DevTools protocol.

What a test does with a page is what a user does (addresses, clicks, keys); what the browser finds wrong with a page by
its Content-Security-Policy is kept.
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import websocket

from tests.unit.images.real_airflow import until

PROGRAM: Final = "chromium-headless-shell"
OPTIONS: Final = (
    # Tests run as root, in containers whose /dev/shm is small; and nothing is asked of other hosts.
    *("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-proxy-server"),
    *("--disable-background-networking", "--disable-component-update", "--no-first-run"),
    *("--remote-debugging-port=0", "--window-size=1280,800", "--lang=en-US", "about:blank"),
)
SECONDS: Final = 120.0
"""For what a page does; of a machine that is busy with other tests."""

FIND: Final = """
(text => {
  const shown = one => one.getClientRects().length > 0;
  const said = one => (one.innerText || one.value || one.getAttribute("aria-label") || "").trim();
  const all = [...document.querySelectorAll("a, button, input[type=submit], [role=menuitem]")];
  const found = all.filter(shown).find(one => said(one) === text);
  if (!found) return null;
  found.scrollIntoView({block: "center"});
  const box = found.getBoundingClientRect();
  return {x: box.x + box.width / 2, y: box.y + box.height / 2};
})(%s)
"""


class PageGoneError(Exception):
    """The page was left while it was asked."""


@dataclass
class Browser:
    """One tab of one browser."""

    connection: websocket.WebSocket
    console: list[str] = field(default_factory=list)
    """Errors of pages."""
    violations: list[str] = field(default_factory=list)
    """What a page's Content-Security-Policy has forbidden to it."""
    _calls: int = 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._calls += 1
        self.connection.send(
            json.dumps({"id": self._calls, "method": method, "params": parameters})
        )
        while True:
            message = json.loads(self.connection.recv())
            if message.get("id") != self._calls:
                self._note(message)
            elif "error" in message:
                raise PageGoneError(message["error"]["message"])
            else:
                answer: dict[str, Any] = message["result"]
                return answer

    def _note(self, message: dict[str, Any]) -> None:
        told = message.get("params", {})
        if message.get("method") == "Audits.issueAdded":
            details = told["issue"]["details"].get("contentSecurityPolicyIssueDetails")
            if details:
                self.violations.append(json.dumps(details))
        elif message.get("method") == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.console.append(f"{told['entry'].get('url', '')}: {told['entry']['text']}")
        elif message.get("method") == "Runtime.exceptionThrown":
            self.console.append(json.dumps(told["exceptionDetails"]))

    def run(self, script: str) -> Any:
        """A script's value, in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    @property
    def text(self) -> str:
        """What is to be read."""
        return str(self.run("document.body ? document.body.innerText : ''"))

    @property
    def address(self) -> str:
        return str(self.run("location.href"))

    def until(self, look: Callable[[], Any]) -> Any:
        """What `look` sees, once it sees anything, over as many pages as it takes."""

        def seen() -> Any:
            with suppress(PageGoneError):
                return look()
            return None

        try:
            return until(seen, SECONDS)
        except AssertionError:
            raise AssertionError(f"not on {self.address}: {self.text[:2000]}") from None

    def reads(self, text: str) -> None:
        """Waits for a text."""
        self.until(lambda: text in self.text)

    def go(self, address: str) -> None:
        self.call("Page.navigate", url=address)

    def click(self, text: str, *, unless: str = "") -> None:
        """What bears this text, once it is there and stands still, as the mouse does. Nothing, once there is to be read
        what the click would lead to: pages ask by themselves, too."""
        seen: list[Any] = [None]

        def settled() -> Any:
            if unless and unless in self.text:
                return "not needed"
            seen.append(self.run(FIND % json.dumps(text)))
            return seen[-1] if seen[-1] == seen[-2] else None

        place = self.until(settled)
        for kind in ("mousePressed", "mouseReleased") if place != "not needed" else ():
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    def write(self, name: str, text: str, *, enter: bool = True) -> None:
        """Into the field of a form, once it is there, and the key Enter."""
        field = f"document.getElementsByName({json.dumps(name)})[0]"

        def written() -> bool:
            if not self.run(f"(one => one && (one.focus(), one.select(), true))({field})"):
                return False
            self.call("Input.insertText", text=text)
            # A page that is still being made may have taken it away again.
            return bool(self.run(f"({field} || {{}}).value === {json.dumps(text)}"))

        self.until(written)
        for kind in ("keyDown", "keyUp") if enter else ():
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key="Enter",
                code="Enter",
                windowsVirtualKeyCode=13,
                text="\r",
            )

    def forget(self) -> None:
        """All cookies, as in a browser that is new."""
        self.call("Network.clearBrowserCookies")

    def cookies(self) -> dict[str, str]:
        """For the page's host."""
        return {one["name"]: one["value"] for one in self.call("Network.getCookies")["cookies"]}

    def picture(self, file: Path) -> None:
        shot = self.call("Page.captureScreenshot", format="png")
        file.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def running(home: Path) -> Iterator[Browser]:
    """A browser with a profile of its own in `home`."""
    program = shutil.which(PROGRAM)
    assert program, f"{PROGRAM} is not installed: python3 -m sandbox.setup --for-tests"
    port = home / "DevToolsActivePort"
    with (home / "chromium.out").open("wb") as out:
        process = subprocess.Popen(
            [program, f"--user-data-dir={home}", *OPTIONS],
            env={"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home)},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        until(lambda: port.is_file() and len(port.read_text().splitlines()) == 2, SECONDS)
        number, path = port.read_text().splitlines()
        connection = _tab(f"ws://127.0.0.1:{number}{path}", int(number))
        try:
            browser = Browser(connection)
            for name in ("Page", "Runtime", "Network", "Log", "Audits"):
                browser.call(f"{name}.enable")
            yield browser
        finally:
            connection.close()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        # What it has started may write for a moment longer.
        time.sleep(0.2)


def _tab(browser: str, port: int) -> websocket.WebSocket:
    """The connection to the one tab that there is."""
    # Without an origin: Chromium refuses those of web pages.
    options = {"suppress_origin": True, "timeout": SECONDS, "http_no_proxy": ["127.0.0.1"]}
    control = websocket.create_connection(browser, **options)
    try:
        control.send(json.dumps({"id": 1, "method": "Target.getTargets"}))
        told = json.loads(control.recv())["result"]["targetInfos"]
    finally:
        control.close()
    (tab,) = [one["targetId"] for one in told if one["type"] == "page"]
    return websocket.create_connection(f"ws://127.0.0.1:{port}/devtools/page/{tab}", **options)
