"""A headless Chromium, driven by WebDriver (W3C) through chromedriver, with the standard library alone."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # The key of a reference to an element.
KEYS = {"Enter": "\ue007", "Escape": "\ue00c", "ArrowLeft": "\ue012", "ArrowRight": "\ue014", "Tab": "\ue004"}
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--window-size=1400,1100", "--force-device-scale-factor=1"]


def missing_programs():
    return [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]


class Browser:
    """One browser with one tab; use it with `with`. What the page logged and asked for is kept.

    settled: a function body in the page that tells whether it has taken in what was done to it; opening
    a page and every act of the reader waits for that, so that what a test looks at does not move.
    """

    def __init__(self, settled="return document.readyState === 'complete'"):
        self.settled = settled
        self.folder = tempfile.mkdtemp(prefix="keelson-browser-")
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True,
                                       stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        self.session = None
        try:
            port = self._port()
            self.url = f"http://127.0.0.1:{port}/session"
            options = {"args": [*FLAGS, f"--user-data-dir={self.folder}"],
                       "binary": shutil.which("chromium")}
            wanted = {"browserName": "chrome", "goog:chromeOptions": options,
                      "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
            answer = self._ask("POST", "", {"capabilities": {"alwaysMatch": wanted}})
            self.session = answer["sessionId"]
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.session:
            try:
                self.ask("DELETE", "")
            except OSError:
                pass
        self.driver.terminate()
        self.driver.wait()
        self.driver.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _port(self):
        for line in self.driver.stdout:
            found = re.search(r"started successfully on port (\d+)", line)
            if found:
                return int(found.group(1))
        raise RuntimeError("chromedriver did not start")

    def _ask(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:
                return json.load(reply)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"]) from None

    def ask(self, method, path, body=None):
        return self._ask(method, f"/{self.session}{path}", body)

    # --- what tests do ---

    def open(self, path):
        self.ask("POST", "/url", {"url": f"file://{os.path.abspath(path)}"})
        self.wait_for_settled()

    def run(self, script, *arguments):
        """The value of a function body in the page."""
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def wait_for(self, what, script, seconds=30):
        deadline = time.monotonic() + seconds
        while not (value := self.run(script)):
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s: {what}")
        return value

    def wait_for_settled(self):
        self.wait_for("the page is settled", self.settled)

    def find(self, selector):
        found = self.ask("POST", "/element", {"using": "css selector", "value": selector})
        return found[ELEMENT]

    def click(self, selector):
        self.ask("POST", f"/element/{self.find(selector)}/click", {})
        self.wait_for_settled()

    def type(self, selector, text):
        self.ask("POST", f"/element/{self.find(selector)}/value", {"text": text})
        self.wait_for_settled()

    def text(self, selector):
        return self.ask("GET", f"/element/{self.find(selector)}/text")

    def label(self, element):
        """What a screen reader calls it."""
        return self.ask("GET", f"/element/{element}/computedlabel")

    def press(self, *keys):
        """Keys, to whatever has the focus."""
        actions = []
        for key in keys:
            value = KEYS.get(key, key)
            actions += [{"type": "keyDown", "value": value}, {"type": "keyUp", "value": value}]
        self._act({"type": "key", "id": "keys", "actions": actions})

    def point(self, x, y, *rest):
        """Moves the mouse to a place of the window, and does the rest: pointer actions."""
        move = {"type": "pointerMove", "x": int(x), "y": int(y), "duration": 0}
        self._act({"type": "pointer", "id": "mouse", "actions": [move, *rest]})

    def wheel(self, x, y, delta_x, delta_y):
        scroll = {"type": "scroll", "x": int(x), "y": int(y), "deltaX": delta_x, "deltaY": delta_y}
        self._act({"type": "wheel", "id": "wheel", "actions": [scroll]})

    def _act(self, source):
        self.ask("POST", "/actions", {"actions": [source]})
        self.wait_for_settled()

    def command(self, name, **parameters):
        """A command of the DevTools protocol."""
        return self.ask("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def console(self):
        """What the page has logged since the last call."""
        return [entry["message"] for entry in self.ask("POST", "/se/log", {"type": "browser"})]

    def requests(self):
        """The addresses that the page has asked for since the last call."""
        urls = []
        for entry in self.ask("POST", "/se/log", {"type": "performance"}):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                urls.append(message["params"]["request"]["url"])
        return urls

    def print_to_pdf(self):
        return self.ask("POST", "/print", {"orientation": "landscape"})

    def screenshot(self):
        return self.ask("GET", "/screenshot")
