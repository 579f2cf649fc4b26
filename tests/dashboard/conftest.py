"""A real browser before a real server.

QUIRE_BINARY       the binary (default build/release/quire)
QUIRE_CHROMIUM     the browser (default /usr/bin/chromium)
QUIRE_SCREENSHOTS  where pictures of every page go (default build/release/screenshots)
"""
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from playwright.sync_api import expect, sync_playwright

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from server_process import ServerProcess  # noqa: E402

SCREENSHOTS = pathlib.Path(os.environ.get("QUIRE_SCREENSHOTS",
                                          ROOT / "build" / "release" / "screenshots"))
# It looks for nothing outside this machine, and needs no graphics.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]
AXE = ROOT / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("QUIRE_CHROMIUM", "/usr/bin/chromium"), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One without tenants: everybody sees everything."""
    data = tmp_path_factory.mktemp("data")
    with ServerProcess("--kv-memory", "256MiB", "--data", str(data), "--disk", "64MiB") as running:
        yield running


class Tenants:
    """`root` is an admin, `acme` and `beta` are not."""

    def __init__(self, folder):
        self.file = folder / "tenants.toml"
        self.keys = {name: self.add(name, *flags) for name, *flags in
                     (("acme", "--kv-limit", "64MiB"), ("beta",), ("root", "--admin"))}
        self.server = ServerProcess("--tenants", str(self.file), "--kv-memory", "128MiB",
                                    "--data", str(folder / "data"))

    def add(self, name, *flags):
        command = [ServerProcess().command[0], "tenant", "add", name, *flags, "--tenants",
                   str(self.file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        return done.stdout.splitlines()[-1]

    def remove(self, name):
        subprocess.run([ServerProcess().command[0], "tenant", "rm", name, "--tenants",
                        str(self.file)], capture_output=True, timeout=30, check=True)

    def reload(self):
        before = self.server.log().count("was read again")
        self.server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 10
        while self.server.log().count("was read again") == before:
            assert time.monotonic() < end, self.server.log()
            time.sleep(0.02)

    def post(self, who, path, body):
        headers = {"Authorization": f"Bearer {self.keys[who]}"}
        answer = self.server.post(path, body, headers=headers)
        assert answer.status_code < 300, answer.text
        return answer.json()


@pytest.fixture(scope="session")
def tenants(tmp_path_factory):
    every = Tenants(tmp_path_factory.mktemp("tenants"))
    with every.server:
        yield every


class Visit:
    """A tab: whatever it complains about, or asks of others, is kept."""

    def __init__(self, chromium, url, **options):
        self.url = url
        self.context = chromium.new_context(**{"viewport": {"width": 1360, "height": 900}} | options)
        self.context.set_default_timeout(PATIENCE_MS)
        self.page = self.context.new_page()
        self.problems = []
        self.also = ()  # whom its server lets it ask beside itself
        # Parts of problems that a test provokes; a server without a ledger; and what a browser says
        # when a server ends before its page does, as most do here.
        self.expected = ["404", "net::ERR_CONNECTION_", "net::ERR_SOCKET_NOT_CONNECTED",
                         "net::ERR_EMPTY_RESPONSE", "net::ERR_INCOMPLETE_CHUNKED_ENCODING"]
        self.page.on("console", lambda message: message.type in ("error", "warning") and
                     self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", self.note)

    def note(self, request):
        if not request.url.startswith((self.url, "blob:" + self.url, "data:", *self.also)):
            self.problems.append(f"asks {request.url}")

    def open(self, page="now"):
        self.page.goto(f"{self.url}/#/{page}")
        return self.page

    def sign_in(self, key):
        self.page.get_by_label("Key").fill(key)
        self.page.get_by_role("button", name="Sign in").click()

    def audit(self):
        """What axe finds, however small."""
        self.page.evaluate(AXE.read_text())
        results = self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        return [(one["id"], one["nodes"][0]["html"][:160]) for one in results["violations"]]

    def picture(self, name):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    def close(self):
        self.context.close()
        left = [problem for problem in self.problems
                if not any(part in problem for part in self.expected)]
        assert left == []


@pytest.fixture
def visit(chromium):
    visits = []

    def make(url, **options):
        visits.append(Visit(chromium, url, **options))
        return visits[-1]

    yield make
    for one in visits:
        one.close()
