"""Every page of the dashboard, as somebody sees and uses it."""
import re
import threading
import time

import httpx
import pytest
from playwright.sync_api import expect

PAGES = ["now", "chat", "sessions", "cache", "tenants", "requests"]
STORY = "Once upon a time there was a giraffe that wanted to learn to swim. " * 12


@pytest.fixture(scope="module")
def used(server):
    """Texts that share a beginning, some sessions and a fork: so that there is something to see."""
    for ending in ("The end.", "And then?", "What did the lion say?"):
        server.complete(STORY + ending, max_tokens=4)
        server.complete(STORY + ending + " It went on. " * 10, max_tokens=4)
    for name in ("diary", "letters"):
        server.post("/v1/sessions", {"id": name})
    server.post("/v1/sessions/diary/append", {"text": STORY})
    server.post("/v1/sessions/diary/fork", {"id": "diary.other"})
    return server


def busy(server, seconds, **headers):
    """Answers for some seconds, in the background."""
    def ask():
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            httpx.post(server.url + "/v1/completions", timeout=60, headers=headers,
                       json={"prompt": STORY + str(time.monotonic()), "max_tokens": 120,
                             "ignore_eos": True})
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    return threads


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_in_both_colours(used, visit, name, scheme):
    tab = visit(used.url, color_scheme=scheme)
    page = tab.open(name)
    expect(page.get_by_role("heading", level=1)).to_have_text(name.capitalize())
    expect(page.locator(".connection")).to_have_text("live")
    page.wait_for_timeout(600)
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    assert tab.audit() == []
    tab.picture(f"{name}-{scheme}")
    # Nothing sticks out to the right, also on a narrow screen.
    page.set_viewport_size({"width": 420, "height": 800})
    page.wait_for_timeout(200)
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, f"{name} is {wide} px too wide"


def test_now_moves(used, visit):
    tab = visit(used.url)
    page = tab.open("now")
    map_label = lambda: page.locator("canvas.block-map").get_attribute("aria-label")
    expect(page.locator("canvas.block-map")).to_have_attribute("aria-label", re.compile("Block map of"))
    threads = busy(used, 5)
    row = page.locator("table.streams tbody tr").first
    expect(row).to_contain_text(re.compile("reading the prompt|answering"))
    expect(page.locator(".facts")).to_contain_text(re.compile(r"Generated[\d.]+/s"))
    before = map_label()
    expect(row.get_by_role("img")).to_have_attribute("aria-label", re.compile(r"prompt: [\d,]+ tokens? found"))
    page.wait_for_timeout(2500)
    assert map_label() != before
    tab.picture("now-busy")
    assert tab.audit() == []
    for thread in threads:
        thread.join()
    expect(page.get_by_text("Nothing runs and nobody waits.")).to_be_visible()
    cells = page.locator("canvas.block-map").bounding_box()
    page.mouse.move(cells["x"] + 5, cells["y"] + 5)
    expect(page.locator(".map .hint")).to_contain_text("Block 0")


def test_the_page_says_when_the_server_is_gone_and_back(visit, tmp_path):
    from conftest import ServerProcess
    with ServerProcess() as first:
        tab = visit(first.url)
        tab.expected += ["503"]
        page = tab.open("now")
        expect(page.locator(".connection")).to_have_text("live")
        began = time.monotonic()
        first.__exit__(None, None, None)
        assert time.monotonic() - began < 8, "a watcher holds no draining server up"
        expect(page.locator(".connection")).to_contain_text("no connection")
        port = first.port
    again = ServerProcess(wait=False)
    again.command[again.command.index("--port") + 1] = str(port)
    again.port, again.url = port, first.url
    with again:
        again.wait_ready()
        expect(page.locator(".connection")).to_have_text("live")


def test_chat_marks_what_was_found(server, visit):
    tab = visit(server.url)
    page = tab.open("chat")
    page.get_by_label("Temperature").fill("0")
    page.get_by_label("Most tokens of an answer").fill("24")
    page.get_by_label("System message").fill("You are a helpful librarian who answers in one sentence. " * 4)
    box = page.get_by_label("Your message")
    box.fill("Who wrote Moby-Dick?")
    box.press("Enter")
    answers = page.locator(".message.assistant")
    expect(answers.first.locator("summary")).to_contain_text("prompt tokens found")
    box.fill("<b>And when?</b>")
    box.press("Enter")
    expect(answers.nth(1).locator("summary")).to_contain_text("prompt tokens found")
    found = int(re.match(r"(\d+) of", answers.nth(1).locator("summary").inner_text())[1])
    assert found > 48
    # What the first turn left is found by the second, and the new question computed.
    expect(page.locator(".message.system mark.found")).to_contain_text("librarian")
    expect(page.locator(".message.user").nth(1).locator("mark.computed")).to_have_text("<b>And when?</b>")
    page.get_by_text("The last prompt, as the model read it").click()
    assert page.locator(".as-read .token.found").count() == found
    answers.nth(1).locator("summary").click()
    expect(answers.nth(1)).to_contain_text("first token after")
    tab.picture("chat-marked")
    assert tab.audit() == []
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator(".message")).to_have_count(0)


def test_chat_stops_and_tells_of_errors(server, visit):
    tab = visit(server.url)
    tab.expected += ["400"]
    page = tab.open("chat")
    page.get_by_label("Temperature").fill("0")  # else it may have ended before it is stopped
    page.get_by_label("Most tokens of an answer").fill("2000")
    page.get_by_label("Your message").fill("Count from one to a thousand, one number in each line.")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".message.assistant .text")).not_to_be_empty()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Send")).to_be_enabled()
    server.wait_until_free(seconds=5)
    page.get_by_label("Temperature").fill("9")
    page.get_by_label("Your message").fill("Hello")
    page.locator("form.composer").evaluate("form => form.requestSubmit()")
    expect(page.get_by_role("alert")).to_contain_text("temperature")
    assert page.get_by_label("Your message").input_value() == "Hello", "the question goes back"


def test_sessions_fork_pin_export_and_import(used, visit, tmp_path):
    tab = visit(used.url)
    page = tab.open("sessions")
    expect(page.locator("tr", has_text="diary.other")).to_be_visible()
    page.get_by_role("button", name="Pin diary", exact=True).click()
    expect(page.get_by_role("button", name="Unpin diary", exact=True)).to_be_visible()
    page.get_by_role("button", name="Unpin diary", exact=True).click()
    expect(page.get_by_role("button", name="Pin diary", exact=True)).to_be_visible()
    page.get_by_role("button", name="Fork diary.other").click()
    expect(page.locator("tbody tr")).to_have_count(4)
    tab.picture("sessions-tree")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export letters").click()
    saved = tmp_path / download.value.suggested_filename
    download.value.save_as(saved)
    assert saved.name == "letters.quire" and saved.stat().st_size > 0
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete letters").click()
    expect(page.locator("tbody tr")).to_have_count(3)
    page.get_by_label("Import").set_input_files(saved)
    expect(page.locator("tr", has_text="letters")).to_be_visible()
    page.get_by_label("Part of the id").fill("nothing has this")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("No session has this in its id.")).to_be_visible()


def test_cache_shows_what_texts_share(used, visit):
    tab = visit(used.url)
    page = tab.open("cache")
    expect(page.locator(".icicle rect.piece").nth(3)).to_be_visible()
    tree = page.get_by_role("application")
    tree.focus()
    words = page.locator(".icicle + .hint")
    expect(words).to_contain_text("from 0 on")
    first = words.inner_text()
    for _ in range(12):
        if "ways on" in words.inner_text():
            break
        tree.press("ArrowDown")
    expect(words).to_contain_text("ways on")
    tree.press("ArrowRight")
    expect(words).not_to_contain_text("from 0 on")
    tree.press("ArrowLeft")
    expect(words).to_contain_text("from 0 on")
    assert first
    page.get_by_text("The longest pieces as a table").click()
    expect(page.locator("table.figures tbody tr").first).to_contain_text("ago")
    tab.picture("cache-tree")
    assert tab.audit() == []


def test_keyboard_reaches_every_page(used, visit):
    tab = visit(used.url)
    page = tab.open("now")
    expect(page.locator(".connection")).to_have_text("live")
    page.keyboard.press("Tab")
    expect(page.get_by_text("To the page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    for name in PAGES[1:]:
        page.get_by_role("link", name=name.capitalize()).focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text(name.capitalize())
        expect(page.locator("main")).to_be_focused()
        assert page.title() == f"{name.capitalize()} – Quire"


def test_colours_can_be_chosen(used, visit):
    tab = visit(used.url, color_scheme="light")
    page = tab.open("now")
    page.get_by_label("Colours").select_option("dark")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.get_by_label("Colours").select_option("auto")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"


def ledger_row(number):
    """A row as GET /v1/ledger has it."""
    return {"id": number, "request_id": f"req-{number:06}", "tenant": "default",
            "started_ms": 1_796_000_000_000 + number * 700, "api": "chat", "model": "smollm2-135m",
            "numerics": "1/k16v8/full", "route": "<b>search</b>", "version": "v3", "retry_of": "",
            "outcome": "cancelled" if number % 7 == 0 else "finished",
            "verdict": "client_left" if number % 7 == 0 else "", "status": 200, "stream": True,
            "choices": 1, "preemptions": 0,
            "tokens": {"prompt": 1000, "ram": 600, "disk": 200, "remote": 0, "computed": 200,
                       "generated": number},
            "ms": {"queue": 3.5, "onboard": 12, "prefill": 180, "decode": 900, "first_token": 195,
                   "total": 1100, "forecast_wait": 3},
            "kv": {"peak_blocks": 70, "used_bytes": 20_000_000, "forecast_bytes": 24_000_000,
                   "byte_seconds": 22_000_000},
            "missed": {"blocks": 12, "by_reason": {"never_seen": 4, "evicted_outside": 8},
                       "evicted_ago_ms": 93_000},
            "label": "good", "score": 0.5}


def test_ten_thousand_requests_scroll(server, visit):
    """Rows are made up, so that there are many; the page asks for them as it would for real ones."""
    total = 10_000

    def answer(route):
        asked = dict(re.findall(r"(\w+)=(\d+)", route.request.url))
        newest = int(asked.get("before", total + 1)) - 1
        rows = [ledger_row(i) for i in range(newest, max(0, newest - int(asked["limit"])), -1)]
        last = rows[-1]["id"] if rows else 1
        route.fulfill(json={"rows": rows, "next": last if last > 1 else None, "lost": 0})

    tab = visit(server.url)
    tab.page.route("**/v1/ledger*", answer)
    page = tab.open("requests")
    rows = page.locator(".rows")
    expect(page.locator(".rows-all .row").first).to_contain_text("<b>search</b> @ v3")
    # To the end, a screen at a time, with no frame left out.
    frames = page.evaluate("""() => new Promise(done => {
        const rows = document.querySelector('.rows'), times = [];
        let before = performance.now(), still = 0, elements = 0;
        const step = now => {
            times.push(now - before); before = now;
            elements = Math.max(elements, rows.querySelectorAll('.rows-all .row').length);
            const at = rows.scrollTop;
            rows.scrollTop = at + 700;
            still = rows.scrollTop === at ? still + 1 : 0;
            if (still < 60) requestAnimationFrame(step); else done({times: times.sort((a, b) => a - b), elements});
        };
        requestAnimationFrame(step);
    })""")
    expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", str(total + 1))
    expect(page.locator(f'.rows-all .row[aria-rowindex="{total + 1}"]')).to_be_visible()
    assert frames["elements"] < 80, "only rows in sight are elements"
    print("median frame", frames["times"][len(frames["times"]) // 2], "ms of", len(frames["times"]))
    rows.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    details = page.locator(".details")
    expect(details).to_contain_text("Request req-009999")
    expect(details).to_contain_text("8 blocks: evicted under pressure from outside, the last of them 1 min 33 s before")
    assert tab.audit() == []
    tab.picture("requests-many")
