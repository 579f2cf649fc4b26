"""`quire top` on a terminal of its own, before a server that works, goes, and comes back."""
import http.server
import json
import re
import signal
import termios
import threading

import httpx
import pytest
from conftest import BINARY, environment
from screen import Screen

LEAVE_SCREEN = b"\x1b[?1049l"
SHOW_CURSOR = b"\x1b[?25h"


@pytest.fixture
def open_top(tmp_path):
    opened = []

    def start(url, *flags, rows=40, columns=140, **env):
        env = {"LC_ALL": "C.UTF-8", **env}
        opened.append(Screen([BINARY, "top", "--url", url, "--interval", "0.25", *flags], tmp_path,
                             environment(**env), rows, columns))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


class Busy:
    """Answers that go on until they are ended."""

    def __init__(self, url):
        self.url = url
        self.ends = {}
        self.threads = []

    def ask(self, route):
        def run():
            body = {"prompt": f"Once upon a time in {route}", "max_tokens": 7500,
                    "ignore_eos": True, "stream": True}
            with httpx.stream("POST", self.url + "/v1/completions", json=body, timeout=120,
                              headers={"X-Quire-Route": route}) as answer:
                self.ends[route] = answer.read().decode()

        self.threads.append(threading.Thread(target=run, daemon=True))
        self.threads[-1].start()

    def cancel_all(self):
        for one in httpx.get(self.url + "/v1/live?once=true").json()["requests"]:
            httpx.post(f"{self.url}/v1/requests/{one['id']}/cancel")
        for thread in self.threads:
            thread.join(timeout=30)


@pytest.fixture
def busy(server):
    running = Busy(server.url)
    yield running
    running.cancel_all()


def assert_restored(top, before):
    top.settle(0.2)
    assert top.bytes.rfind(LEAVE_SCREEN) > top.bytes.rfind(b"\x1b[?1049h")
    assert top.bytes.rfind(SHOW_CURSOR) > top.bytes.rfind(b"\x1b[?25l")
    after = top.modes()
    assert after == before
    assert after[3] & termios.ECHO and after[3] & termios.ICANON


def test_a_server_at_work(open_top, server, busy):
    top = open_top(server.url, rows=24, columns=100)
    before = top.modes_before
    top.until(r"ready +smollm2-135m.* up ")
    top.until("nothing runs or waits")
    busy.ask("stories")
    busy.ask("search")
    top.until(r"\d+ +default +stories +decode")
    top.until(r"\d+ +default +search +decode")
    top.until(r"^work +2 running, 0 waiting; \d+ tokens a step")
    top.until(r"^times +step \d+\.\d ms")
    top.until(r"^default +2 ")
    top.until(r"L live [1-9]")
    top.until(r"^[.IP]*L+.*\.")

    # Resizing draws anew for the new size.
    top.resize(40, 150)
    top.until(r"^verdicts .*since the start: \d+ refused")
    top.check(lambda: top.lines()[39].startswith("q quit"), "a large page")
    top.resize(8, 60)
    top.until("stor\\S* +decode")
    top.check(lambda: top.lines()[7].startswith("q quit"), "a small page")
    top.check(lambda: "ARENA" not in top.text(), "no room for the map")
    top.resize(40, 150)
    top.until("^ARENA")
    top.check(lambda: top.lines()[39].startswith("q quit"), "a large page")

    # Only what passes the filter.
    top.type("/STOR")
    top.until("^/STOR_")
    top.type("\r")
    top.until("1 of 2 requests with 'STOR'")
    top.check(lambda: "search" not in top.text(), "one request alone")
    top.type("j")
    marked = top.until(r"^> +(\d+) +default +stories")[1]

    # Cancelling asks first.
    top.type("c")
    top.until(f"cancel request {marked}\\? y/n")
    top.type("n")
    top.until("^q quit")
    top.type("cy")
    top.until(f"request {marked} is cancelled")
    top.until("none passes the filter")
    top.type("\x1b")
    top.until(r"1 of 1 requests$")
    top.check(lambda: "stories" in busy.ends, "the end of the stream")
    last = busy.ends["stories"].strip().splitlines()[-1]
    assert '"code":"revoked"' in busy.ends["stories"] or "revoked" in last, last
    top.until("search +decode")

    top.type("q")
    assert top.wait() == 0
    assert_restored(top, before)


def test_keys_sort_help_and_hold(open_top, server, busy):
    top = open_top(server.url)
    top.until("ID\\^ +TENANT")
    busy.ask("aaa")
    top.until("aaa +decode")
    busy.ask("bbb")
    top.until("bbb +decode")
    order = lambda: re.findall("(aaa|bbb) +(?:decode|prefill|queued)", top.text())
    top.check(lambda: order() == ["aaa", "bbb"], "the oldest first")
    top.type("r")
    top.check(lambda: order() == ["bbb", "aaa"], "the reverse order")
    top.until("IDv +TENANT")
    top.type("ss")
    top.until("ROUTEv")
    top.check(lambda: order() == ["bbb", "aaa"], "the same order")
    top.type("?")
    top.until("Any key goes back")
    top.type("x")
    top.until("ROUTEv")
    top.type(" ")
    top.until("PAUSED")
    held = top.until(r"aaa +decode.*$")[0]
    top.settle(1)
    assert held in top.text()
    top.type(" ")
    top.until_gone("PAUSED")
    top.check(lambda: held not in top.text(), "a picture that moves")


def test_only_changes_are_sent(open_top, server, busy):
    busy.ask("stories")
    top = open_top(server.url)
    top.until("stories +decode")
    top.settle(1)
    before = len(top.bytes)
    top.settle(3)
    sent = top.bytes[before:]
    assert 0 < len(sent) < 12 * 1500  # a page is 40 * 140
    for clearing in (b"\x1b[2J", b"\x1b[H\x1b[J", b"\x1b[3J"):
        assert clearing not in sent


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT,
                                 signal.SIGSEGV, signal.SIGABRT])
def test_signals_leave_the_terminal_as_it_was(open_top, server, how):
    top = open_top(server.url)
    before = top.modes_before
    top.until("nothing runs or waits")
    assert not top.modes()[3] & termios.ECHO
    if how == signal.SIGINT:
        top.type("\x03")
    else:
        top.process.send_signal(how)
    assert top.wait() == -how
    assert_restored(top, before)


def test_stopping_and_going_on(open_top, server):
    top = open_top(server.url)
    before = top.modes_before
    top.until("nothing runs or waits")
    top.process.send_signal(signal.SIGTSTP)
    top.check(lambda: top.bytes.endswith(SHOW_CURSOR) or LEAVE_SCREEN in top.bytes, "a way out")
    top.check(lambda: top.modes() == before, "the terminal as it was")
    top.process.send_signal(signal.SIGCONT)
    top.check(lambda: not top.modes()[3] & termios.ECHO, "the keys again")
    top.until("nothing runs or waits")
    top.type("q")
    assert top.wait() == 0
    assert_restored(top, before)


def test_a_server_that_goes_and_comes_back(open_top, serving, free_port):
    top = open_top(f"http://127.0.0.1:{free_port}")
    top.until("AWAY for .*no answer from")
    first = serving("--port", str(free_port))
    top.until("ready +smollm2-135m")
    first.stop()
    top.until("AWAY for .*no answer from")
    top.until("REQUESTS")  # what was known stays
    serving("--port", str(free_port))
    top.until("ready +smollm2-135m")
    top.type("q")
    assert top.wait() == 0


def test_colours_are_not_needed(open_top, server):
    colour = re.compile(rb"\x1b\[[0-9;]*3[1-6][0-9;]*m")
    for flags, env, coloured in (((), {}, True), (("--no-color",), {}, False),
                                 ((), {"NO_COLOR": "1"}, False), ((), {"NO_COLOR": ""}, True)):
        top = open_top(server.url, *flags, **env)
        top.until("L live")
        top.settle(0.3)
        assert bool(colour.search(top.bytes)) == coloured, (flags, env)
        top.type("q")
        assert top.wait() == 0


class Hostile(http.server.BaseHTTPRequestHandler):
    """A server whose names would steer a terminal, and are wide."""
    NAME = "\x1b]0;owned\x07\x1b[2J\u202e\u009b31m東京都🙂"

    def do_GET(self):
        request = {"id": 1, "tenant": self.NAME, "route": "東京", "phase": "decode\x1b[5m",
                   "blocks": 4242}
        body = {"/v1/models": {"data": [{"id": self.NAME}]},
                "/v1/live": {"admin": True, "tenants": [{"tenant": self.NAME}],
                             "requests": [request, {**request, "id": 2, "tenant": "narrow"}]}}
        text = json.dumps(body.get(self.path.partition("?")[0], {})).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self):
        text = json.dumps({"error": {"message": "no\x1b[2J such"}}).encode()
        self.send_response(404)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


@pytest.fixture
def hostile():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hostile) as serving_one:
        threading.Thread(target=serving_one.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving_one.server_port}"
        serving_one.shutdown()


def test_names_steer_nothing_and_are_as_wide_as_they_are(open_top, hostile, quire):
    top = open_top(hostile)
    top.until("narrow")
    top.type("jcy")
    top.until("not cancelled: no.\\[2J such")
    top.settle(0.5)
    for steering in (b"\x1b]0;", b"\x07", b"\x1b[5m", "\u202e".encode(), "\u009b".encode()):
        assert steering not in top.bytes
    assert top.screen.title == ""
    # pyte has an empty cell behind each wide character, so places in a row are columns.
    rows = [[top.screen.buffer[row][column].data for column in range(top.screen.columns)]
            for row in range(top.screen.lines)]
    ends = {"".join(cell or "_" for cell in row).index("4242") for row in rows
            if "4242" in "".join(row)}
    assert len(ends) == 1, top.text()
    top.type("q")
    assert top.wait() == 0
    once = quire("top", "--url", hostile, "--once")
    assert once.returncode == 0 and b"\x1b" not in once.stdout and b"\x07" not in once.stdout
    assert "東京" in once.stdout.decode()


def test_a_terminal_that_knows_no_utf8(open_top, hostile):
    top = open_top(hostile, LC_ALL="C")
    top.until("narrow")
    assert all(byte < 0x80 for byte in top.bytes)


@pytest.mark.parametrize("name", ["dumb", "no-such-terminal", ""])
def test_terminals_without_a_screen_are_refused(open_top, hostile, name):
    top = open_top(hostile, TERM=name)
    before = top.modes_before
    assert top.wait() == 1
    assert b"--once prints one picture" in top.bytes and len(top.bytes) < 300
    assert top.modes() == before


def test_once(quire, server, free_port):
    result = quire("top", "--url", server.url + "/v1/", "--once")
    assert result.returncode == 0, result.stderr
    text = result.stdout.decode()
    for part in (r"^quire top  http://\S+:\d+  ready  smollm2-135m .* up \S+$", r"^work +0 running",
                 r"^hits ", r"^times ", r"^tiers +RAM 0? ?.* of .*", r"^verdicts ",
                 r"^ARENA  \d+ blocks", r"^TENANT ", r"^default ", r"^REQUESTS  0 of 0"):
        assert re.search(part, text, re.M), (part, text)
    assert quire("top", "--url", server.url).stdout.startswith(b"quire top")  # no terminal
    gone = quire("top", "--url", f"http://127.0.0.1:{free_port}", "--once")
    assert gone.returncode == 1 and b"no answer from" in gone.stderr
    wrong = quire("top", "--url", "ftp://x", "--once")
    assert wrong.returncode == 2 and b"http://host:port" in wrong.stderr
    assert quire("top", "--interval", "0").returncode == 2
