"""The inspector's page in headless chromium: inspector_page_test.py PATH-OF-APK-INSPECTOR."""
import http.client
import json
import subprocess
import sys
import unittest
import urllib.parse

from webdriver import Browser

BIN = "browser-test-bin"
SCRIPT = "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'>"
program = None


class Inspector:
    """The program on free ports."""

    def __init__(self):
        self.process = subprocess.Popen(
            [program, "--ui", "127.0.0.1:0", "--http", "127.0.0.1:0", "--bin", BIN],
            stdout=subprocess.PIPE, text=True)
        ready = dict(word.split("=", 1) for word in self.process.stdout.readline().split()[1:])
        self.ui = ready["ui"]
        self.capture = ready["http"]

    def stop(self):
        self.process.terminate()
        code = self.process.wait()
        self.process.stdout.close()
        return code

    def send(self, method, path, body=b"", headers=()):
        connection = http.client.HTTPConnection(self.capture)
        connection.putrequest(method, f"/{BIN}{path}", skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        response = connection.getresponse()
        assert response.status == 200 and response.read() == b"", response.status
        connection.close()

    def get(self, path):
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.ui).netloc)
        connection.request("GET", path)
        answer = connection.getresponse().read()
        connection.close()
        return answer


class InspectorPage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.context = Browser()
        cls.browser = cls.context.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.context.__exit__(None, None, None)

    def setUp(self):
        self.inspector = Inspector()

    def tearDown(self):
        self.assertEqual(self.inspector.stop(), 0)

    def open_bin(self, fragment=""):
        self.browser.open("about:blank")  # A change of the fragment alone would not load the page.
        self.browser.open(f"{self.inspector.ui}/bins/{BIN}{fragment}")
        self.browser.wait_until("return document.querySelector('#live.on') !== null")

    def wait_for_rows(self, count):
        self.browser.wait_until(
            "return document.querySelectorAll('#list li').length === arguments[0]", count)

    def detail_text(self):
        return self.browser.wait_until(
            "return document.querySelector('#detail .block') && document.querySelector('#detail').innerText")

    def test_an_empty_bin_shows_its_address_and_a_line_to_try(self):
        self.open_bin()
        text = self.browser.wait_until("return document.querySelector('#detail .empty')?.innerText")
        self.assertIn(f"http://{self.inspector.capture}/{BIN}/", text)
        self.assertIn("curl", text)

    def test_markup_in_a_request_is_shown_as_text_and_does_not_run(self):
        path = "/x?q=" + SCRIPT.replace(" ", "/")
        self.inspector.send("POST", path, SCRIPT.encode(),
                            [("X-Payload", SCRIPT), ("Content-Type", "text/html")])
        self.open_bin("#1")
        text = self.detail_text()
        self.assertGreaterEqual(text.count("<script>window.pwned"), 3)  # Path or query, header, body.
        self.assertFalse(self.browser.run("return 'pwned' in window"))
        self.assertEqual(self.browser.run("return document.querySelectorAll('main script, main img').length"), 0)
        self.assertEqual([line for line in self.browser.console()
                          if "favicon" not in line and not line.startswith("chrome://")], [])

    def test_a_request_appears_without_a_reload(self):
        self.open_bin()
        self.inspector.send("PUT", "/live", b"now")
        self.wait_for_rows(1)
        self.assertIn("/live", self.browser.run("return document.querySelector('#list').innerText"))

    def test_a_paused_page_stays_still_and_catches_up(self):
        self.open_bin()
        self.browser.run("document.getElementById('pause').click()")
        self.inspector.send("GET", "/while-paused")
        self.browser.wait_until("return document.getElementById('live').textContent.includes('1 waiting')")
        self.wait_for_rows(0)
        self.browser.run("document.getElementById('pause').click()")
        self.wait_for_rows(1)

    def test_the_filter_shows_only_what_matches(self):
        self.inspector.send("GET", "/one")
        self.inspector.send("POST", "/two", b"refund please")
        self.open_bin()
        self.wait_for_rows(2)
        self.browser.run("const f = document.getElementById('filter'); f.value = arguments[0];"
                         "f.dispatchEvent(new Event('input'))", 'method:POST body~"refund please"')
        self.wait_for_rows(1)
        self.assertIn("/two", self.browser.run("return document.querySelector('#list').innerText"))

    def test_a_masked_credential_is_marked_and_gone(self):
        self.inspector.send("GET", "/private", headers=[("Authorization", "Bearer s3cret-token")])
        self.open_bin("#1")
        text = self.detail_text()
        self.assertIn("masked", text)
        self.assertNotIn("s3cret-token", text)

    def test_copy_as_curl_sends_the_same_request_through_a_real_shell(self):
        body = b"it's $(touch /tmp/x) `id` \"quoted\" \\ %s\nnext\x00line\xff"
        header = "a'b $(id) `id` \\ \"c\" !$HOME"
        self.inspector.send("POST", "/a'b$(id)?q=[1]{2}", body,
                            [("X-Quote", header), ("Content-Type", "text/x-odd")])
        self.open_bin("#1")
        self.detail_text()
        self.browser.set_clipboard_probe()
        self.browser.run("document.getElementById('copy-curl').click()")
        command = self.browser.wait_until("return window.copied")
        subprocess.run(["sh", "-c", command], check=True, capture_output=True, timeout=30)
        first, second = (json.loads(self.inspector.get(f"/api/bins/{BIN}/requests/{i}")) for i in (1, 2))
        for key in ("method", "target", "body", "contentType"):
            self.assertEqual(first[key], second[key])
        quoted = [h["value"] for h in second["headers"] if h["name"] == "X-Quote"]
        self.assertEqual(quoted, [header])
        self.assertEqual(self.inspector.get(f"/api/bins/{BIN}/requests/2/body"), body)

    def test_keys_move_through_the_list(self):
        for i in range(3):
            self.inspector.send("GET", f"/{i}")
        self.open_bin()
        self.wait_for_rows(3)
        for key, row in (("j", 3), ("j", 2), ("k", 3)):
            self.browser.run("document.body.dispatchEvent("
                             "new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}))", key)
            self.browser.wait_until("return location.hash === arguments[0]", f"#{row}")

    def test_clear_empties_the_bin_for_every_page_that_shows_it(self):
        self.inspector.send("GET", "/gone")
        self.open_bin()
        self.wait_for_rows(1)
        self.browser.run("document.getElementById('clear').click()")
        self.wait_for_rows(0)
        self.assertEqual(json.loads(self.inspector.get(f"/api/bins/{BIN}/requests"))["requests"], [])

    def test_a_new_bin_opens_from_the_first_page(self):
        self.browser.open(self.inspector.ui + "/")
        self.browser.wait_until("return document.querySelectorAll('#bins li').length === 1")
        self.browser.run("document.querySelector('#create button').click()")
        self.browser.wait_until("return location.pathname.startsWith('/bins/')"
                                " && document.querySelector('#live.on') !== null")


if __name__ == "__main__":
    program = sys.argv.pop(1)
    if not Browser.available():
        print("skipped: chromium and chromium-driver are not installed")
        sys.exit(77)
    unittest.main()
