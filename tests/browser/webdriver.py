"""A headless chromium, driven over plain WebDriver HTTP: no package but chromium-driver is needed."""
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request

DEADLINE_SECONDS = 20


class Browser:
    """Starts chromedriver on a free port and one page. Use as a context manager."""

    def __init__(self, dark=False):
        self._dark = dark

    @staticmethod
    def available():
        return shutil.which("chromedriver") is not None and shutil.which("chromium") is not None

    def __enter__(self):
        self._profile = tempfile.mkdtemp(prefix="apk-browser-")
        self._driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        try:
            self._start_session()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _start_session(self):
        for line in self._driver.stdout:
            if "started successfully on port" in line:
                self._base = "http://127.0.0.1:" + line.rstrip().rstrip(".").rsplit(" ", 1)[1]
                break
        else:
            raise RuntimeError("chromedriver ended at once")
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--window-size=1280,860", "--no-proxy-server", "--user-data-dir=" + self._profile]
        if self._dark:
            arguments.append("--force-dark-mode")
        options = {"binary": shutil.which("chromium"), "args": arguments}
        capabilities = {"alwaysMatch": {"goog:chromeOptions": options,
                                        "goog:loggingPrefs": {"browser": "ALL"},
                                        "unhandledPromptBehavior": "ignore"}}
        self._session = ""
        session = self._call("POST", "/session", {"capabilities": capabilities})["sessionId"]
        self._session = "/session/" + session

    def __exit__(self, *_):
        try:
            if getattr(self, "_session", ""):
                self._call("DELETE", "")
        except OSError:
            pass
        self._driver.terminate()
        self._driver.wait()
        self._driver.stdout.close()
        shutil.rmtree(self._profile, ignore_errors=True)

    def _call(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self._base + self._session + path, data, method=method,
                                         headers={"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as response:
            return json.load(response)["value"]

    def open(self, url):
        self._call("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        """The value of a function body, run in the page."""
        return self._call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def wait_until(self, script, *arguments):
        """The first true value of `script`; fails after DEADLINE_SECONDS."""
        until = time.monotonic() + DEADLINE_SECONDS
        while True:
            value = self.run(script, *arguments)
            if value:
                return value
            if time.monotonic() > until:
                raise AssertionError(f"never true: {script}\nconsole: {self.console()}")

    def console(self):
        """What the page wrote to its console since the last call: errors and CSP violations, too."""
        return [entry["message"] for entry in self._call("POST", "/se/log", {"type": "browser"})]

    def set_clipboard_probe(self):
        """Keeps what the page copies in window.copied: headless pages have no clipboard."""
        self.run("Object.defineProperty(navigator, 'clipboard', {configurable: true, value: "
                 "{writeText: async (text) => { window.copied = text; }}});")

    def screenshot(self, path):
        import base64
        with open(path, "wb") as file:
            file.write(base64.b64decode(self._call("GET", "/screenshot")))
