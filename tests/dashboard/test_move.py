"""A memory that moves between two real servers: what the page shows is what they did, and nothing of it stays."""
import os
import re
import shlex
import subprocess

import httpx
import pytest
from playwright.sync_api import expect

from conftest import ServerProcess
from server_process import find_model, free_port
from test_learn import number

SIZES = ("--kv-memory", "160MiB", "--context", "8192")


class Two:
    """`a` and `b`, each with the other as a peer, and what they were asked by pages."""

    def __init__(self, folder, flags=((), ())):
        for name in ("peers.secret", "both.key"):
            (folder / name).write_text("0123456789abcdef" * 4)
            (folder / name).chmod(0o600)
        self.a, self.b = [ServerProcess(
            *SIZES, "--data", str(folder / name), "--peer-name", name, "--peer-secret-file", str(folder / "peers.secret"),
            "--master-key-file", str(folder / "both.key"), *more) for name, more in zip("ab", flags)]
        self.a.command += ["--peer", f"b={self.b.url}"]
        self.b.command += ["--peer", f"a={self.a.url}"]

    def __enter__(self):
        self.a.__enter__()
        self.b.__enter__()
        return self

    def __exit__(self, *_):
        self.a.__exit__()
        self.b.__exit__()

    def sessions(self, **options):
        return [[one["id"] for one in server.get("/v1/sessions", **options).json()["data"]] for server in (self.a, self.b)]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    with Two(tmp_path_factory.mktemp("two")) as running:
        yield running


@pytest.fixture
def at_a(two, visit):
    """The lesson as `a` shows it."""
    tab = visit(two.a.url)
    tab.also = (two.b.url,)
    tab.expected += ["409"]  # the write that is refused, which the browser notes
    tab.open("learn/move")
    return tab


def move(page, days=8):
    page.get_by_label("Notes of the agent").fill(str(days))
    page.get_by_role("button", name="Move it, and ask").click()


def counted(server, direction):
    return server.metric("quire_handoffs_total", direction=direction, outcome="moved")


def is_done(page):
    expect(page.get_by_role("heading", name="Until the first word of the answer")).to_be_visible(timeout=60_000)
    expect(page.locator(".doings li").last).to_contain_text("nothing of it stays", timeout=60_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_handed_over_and_asked_there(two, visit, scheme):
    tab = visit(two.a.url, color_scheme=scheme)
    tab.also = (two.b.url,)
    tab.expected += ["409"]
    asked = []
    tab.page.on("request", lambda request: request.method == "POST" and asked.append(request.url))
    page = tab.open("learn/move")
    expect(page.get_by_label("The second server")).to_have_value("b")
    expect(page.get_by_label("The second server").locator("option")).to_have_text(["this server alone", f"b, at {two.b.url}"])
    expect(page.locator("main")).to_contain_text("The session is really handed over")
    expect(page.locator(".two-servers")).to_have_count(0)
    before = counted(two.a, "out"), counted(two.b, "in")
    move(page)
    is_done(page)
    assert (counted(two.a, "out"), counted(two.b, "in")) == (before[0] + 1, before[1] + 1)
    assert [url for url in asked if url.endswith("/v1/completions")] == [f"{two.b.url}/v1/completions"] * 2
    doings = page.locator(".doings li")
    expect(doings).to_have_count(7)
    tokens, blocks = [number(text) for text in re.search(r"([\d,]+) tokens and ([\d,]+) blocks, [\d.]+ [KM]iB", doings.nth(2).inner_text()).groups()]
    assert blocks == (tokens - 1) // 16 > 10
    expect(doings.nth(3)).to_contain_text(f"refused: 409, the session")
    expect(doings.nth(3)).to_contain_text(two.b.url)
    found, remote, rest = [number(text) for text in re.search(
        r"([\d,]+) tokens found \(([\d,]+) remote\), ([\d,]+) computed", doings.nth(4).inner_text()).groups()]
    assert found == remote == 16 * blocks, "what was sent is not computed again"
    computed = number(re.search(r"([\d,]+) tokens computed", doings.nth(5).inner_text())[1])
    assert computed == found + rest, "starting over, all of it is"
    expect(page.locator("main")).to_contain_text("The same answer both times")
    expect(page.locator("table.bars")).to_contain_text(f"{blocks} of {blocks} blocks sent")
    expect(page.locator(".panel [role=alert]").first).to_be_empty()
    page.wait_for_timeout(300)
    assert tab.audit() == []
    tab.picture(f"learn-move-peer-{scheme}")
    page.set_viewport_size({"width": 420, "height": 800})
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert two.sessions() == [[], []]


def test_alone_is_still_to_be_had(two, at_a):
    at_a.page.get_by_label("The second server").select_option(label="this server alone")
    expect(at_a.page.locator("main")).to_contain_text("it plays both ends")
    before = counted(two.a, "out")
    move(at_a.page)
    is_done(at_a.page)
    assert counted(two.a, "out") == before and two.sessions() == [[], []]


@pytest.mark.parametrize("after", ["/append", "/handoff", "/completions"])
def test_nothing_stays_of_one_that_is_stopped(two, at_a, after):
    page = at_a.page
    expect(page.get_by_label("The second server")).to_have_value("b")
    with page.expect_request(lambda request: request.url.endswith(after), timeout=60_000):
        move(page, days=40)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Move it, and ask")).to_be_enabled(timeout=60_000)
    expect(page.locator(".doings li").last).to_contain_text("nothing of it stays")
    expect(page.locator("main .problem").first).to_be_empty()
    assert two.sessions() == [[], []]


def test_nothing_stays_of_one_that_is_left(two, at_a):
    page = at_a.page
    expect(page.get_by_label("The second server")).to_have_value("b")
    with page.expect_request(lambda request: request.url.endswith("/handoff"), timeout=60_000):
        move(page, days=40)
    with page.expect_response(lambda response: response.url.startswith(two.b.url) and response.request.method == "DELETE" and
                              response.status == 200, timeout=60_000):
        page.get_by_role("link", name="What it weighs").click()
    page.wait_for_timeout(300)
    assert two.sessions() == [[], []]


def test_a_receiver_that_fails_later_keeps_nothing(two, at_a):
    page = at_a.page
    at_a.expected += ["ERR_FAILED"]
    expect(page.get_by_label("The second server")).to_have_value("b")
    page.route(f"{two.b.url}/v1/completions", lambda route: route.abort())
    move(page)
    expect(page.locator("main .problem").first).to_contain_text(f"{two.b.url} cannot be reached", timeout=60_000)
    expect(page.locator(".doings li").last).to_contain_text("nothing of it stays")
    assert two.sessions() == [[], []]


def test_what_cannot_be_deleted_is_told(two, at_a):
    page = at_a.page
    at_a.expected += ["ERR_FAILED"]
    expect(page.get_by_label("The second server")).to_have_value("b")
    page.route(f"{two.b.url}/v1/sessions/*", lambda route: route.abort())
    move(page)
    expect(page.locator(".doings li").last).to_contain_text("not everywhere", timeout=60_000)
    here, there = two.sessions()
    assert here == [] and len(there) == 1
    told = page.locator("main .problem").last
    expect(told).to_contain_text(f"could not be deleted at {two.b.url}")
    expect(told).to_contain_text(f"DELETE {two.b.url}/v1/sessions/{there[0]} ends it at once")
    shown = two.b.get(f"/v1/sessions/{there[0]}").json()
    assert 500 < shown["expires"] - shown["created"] < 700, "it ends by itself"
    httpx.delete(f"{two.b.url}/v1/sessions/{there[0]}").raise_for_status()
    assert at_a.audit() == []


def test_a_page_of_another_address_is_told_why(two, visit):
    """`b` knows `a` by 127.0.0.1; localhost is another origin."""
    tab = visit(two.a.url.replace("127.0.0.1", "localhost"))
    tab.also = (two.b.url,)
    tab.expected += ["CORS policy", "ERR_FAILED"]
    page = tab.open("learn/move")
    expect(page.get_by_label("The second server")).to_have_value("b")
    move(page)
    problem = page.locator("main .problem").first
    expect(problem).to_contain_text("does not let this page in")
    expect(problem).to_contain_text(f"--cors-origin {tab.url}.")
    expect(problem).to_contain_text("Nothing was begun.")
    assert any("CORS policy" in one for one in tab.problems)
    assert tab.audit() == [] and two.sessions() == [[], []]


def test_a_peer_that_is_down(tmp_path, visit):
    pair = Two(tmp_path)
    with pair.a:
        tab = visit(pair.a.url)
        page = tab.open("learn/move")
        choice = page.get_by_label("The second server")
        expect(choice.locator("option").nth(1)).to_have_text(f"b, at {pair.b.url} (does not answer)")
        expect(choice).to_have_value("")
        choice.select_option(value="b")
        move(page)
        problem = page.locator("main .problem").first
        expect(problem).to_contain_text(f"b does not answer this server: no answer from 'b' at {pair.b.url}")
        expect(problem).to_contain_text("--peer-secret-file")
        assert tab.audit() == []
        tab.picture("learn-move-down")
        assert pair.a.get("/v1/sessions").json()["data"] == []
        with pair.b:  # seen when it is tried again
            tab.also = (pair.b.url,)
            tab.expected += ["409"]
            page.wait_for_timeout(1100)
            move(page)
            is_done(page)
            expect(problem).to_be_empty()
            assert pair.sessions() == [[], []]
            # And it may die in between, after it was seen.
            page.wait_for_timeout(1100)
            tab.expected += ["502"]
            page.route("**/handoff", lambda route: (pair.b.process.kill(), pair.b.process.wait(), route.continue_()))
            move(page)
            expect(problem).to_contain_text("no answer from 'b'", timeout=60_000)
            expect(page.locator(".doings li").last).to_contain_text("nothing of it stays")
            assert pair.a.get("/v1/sessions").json()["data"] == []


def tenants_of(file, *names):
    keys = []
    for name in names:
        done = subprocess.run([ServerProcess().command[0], "tenant", "add", name, "--tenants", str(file)], capture_output=True,
                              text=True, timeout=30, check=True)
        keys.append(done.stdout.splitlines()[-1])
    return keys


def test_the_key_goes_along(tmp_path, visit):
    """Only `acme` is known at both."""
    acme, beta = tenants_of(tmp_path / "a.toml", "acme", "beta")
    (tmp_path / "b.toml").write_text(re.split(r"(?=\[\[tenant\]\][^[]*beta)", (tmp_path / "a.toml").read_text())[0])
    (tmp_path / "b.toml").chmod(0o600)
    with Two(tmp_path, [("--tenants", str(tmp_path / "a.toml")), ("--tenants", str(tmp_path / "b.toml"))]) as pair:
        for key, does in ((acme, True), (beta, False)):
            tab = visit(pair.a.url)
            tab.also = (pair.b.url,)
            tab.expected += ["401", "403", "409"]
            page = tab.open("learn/move")
            tab.sign_in(key)
            expect(page.get_by_label("The second server")).to_have_value("b")
            move(page)
            if does:
                is_done(page)
                expect(page.locator(".doings li").nth(4)).to_contain_text("remote")
                expect(page.locator("main")).to_contain_text("The same answer both times")
            else:
                problem = page.locator("main .problem").first
                expect(problem).to_contain_text("does not know the key of this page")
                expect(problem).to_contain_text("copy its entry in the tenants file")
                expect(page.get_by_label("Key")).not_to_be_visible()  # it is the right one for this server
            assert tab.audit() == []
        assert pair.sessions(headers={"Authorization": f"Bearer {acme}"}) == [[], []]


def test_the_commands_of_the_page_do_what_it_says(tmp_path, visit, server):
    """The hint of a server without peers, followed to the letter but for ports, model and sizes."""
    tab = visit(server.url)
    page = tab.open("learn/move")
    expect(page.get_by_label("The second server").locator("option")).to_have_text(["this server alone"])
    page.get_by_text("To see it between two real servers").click()
    expect(page.locator(".two-servers pre")).to_contain_text(f"quire serve {find_model().stem}.gguf --port {server.port} ")
    assert tab.audit() == []
    tab.picture("learn-move-hint")
    draw, *serve = page.locator(".two-servers pre").inner_text().strip().replace("\\\n", "").splitlines()
    subprocess.run(draw, shell=True, cwd=tmp_path, check=True, timeout=30)
    ports = {str(server.port): str(free_port()), str(server.port + 1): str(free_port())}
    running = []
    try:
        for line in serve:
            for old, new in ports.items():
                line = line.replace(old, new)
            one = ServerProcess()
            words = shlex.split(line)
            assert words[:2] == ["quire", "serve"]
            one.command = [one.command[0], "serve", str(find_model()), *words[3:], *SIZES]
            one.port = int(words[words.index("--port") + 1])
            one.url = f"http://127.0.0.1:{one.port}"
            folder = os.getcwd()
            os.chdir(tmp_path)
            try:
                running.append(one.__enter__())
            finally:
                os.chdir(folder)
        two_tab = visit(running[0].url)
        two_tab.also = (running[1].url,)
        two_tab.expected += ["409"]
        page = two_tab.open("learn/move")
        expect(page.get_by_label("The second server")).to_have_value("b")
        move(page)
        is_done(page)
        expect(page.locator(".doings li").nth(4)).to_contain_text("remote")
    finally:
        for one in running:
            one.__exit__()
